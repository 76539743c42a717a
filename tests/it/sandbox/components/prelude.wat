  ;; What a command imports to talk. `FILES` stands for what it imports to use files.
  (import "wasi:io/error@0.2.0" (instance $io-error (export "error" (type (sub resource)))))
  (alias export $io-error "error" (type $error))
  (import "wasi:io/poll@0.2.0" (instance $poll
    (export "pollable" (type $p (sub resource)))
    (export "[method]pollable.block" (func (param "self" (borrow $p))))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:io/streams@0.2.0" (instance $streams
    (export "input-stream" (type $in (sub resource)))
    (export "output-stream" (type $out (sub resource)))
    (alias outer 1 $error (type $e))
    (export "error" (type $e' (eq $e)))
    (type $stream-error' (variant (case "last-operation-failed" (own $e')) (case "closed")))
    (export "stream-error" (type $stream-error (eq $stream-error')))
    (export "[method]input-stream.blocking-read"
      (func (param "self" (borrow $in)) (param "len" u64) (result (result (list u8) (error $stream-error)))))
    (export "[method]output-stream.blocking-write-and-flush"
      (func (param "self" (borrow $out)) (param "contents" (list u8)) (result (result (error $stream-error)))))
    (export "[method]output-stream.blocking-write-zeroes-and-flush"
      (func (param "self" (borrow $out)) (param "len" u64) (result (result (error $stream-error)))))))
  (alias export $streams "input-stream" (type $input-stream))
  (alias export $streams "output-stream" (type $output-stream))
  (import "wasi:cli/stdin@0.2.0" (instance $stdin
    (alias outer 1 $input-stream (type $i)) (export "input-stream" (type $i' (eq $i)))
    (export "get-stdin" (func (result (own $i'))))))
  (import "wasi:cli/stdout@0.2.0" (instance $stdout
    (alias outer 1 $output-stream (type $o)) (export "output-stream" (type $o' (eq $o)))
    (export "get-stdout" (func (result (own $o'))))))
  (import "wasi:cli/stderr@0.2.0" (instance $stderr
    (alias outer 1 $output-stream (type $o)) (export "output-stream" (type $o' (eq $o)))
    (export "get-stderr" (func (result (own $o'))))))
  (import "wasi:cli/exit@0.2.0" (instance $exit (export "exit" (func (param "status" (result))))))
  (import "wasi:cli/environment@0.2.0" (instance $environment
    (export "get-environment" (func (result (list (tuple string string)))))
    (export "get-arguments" (func (result (list string))))))
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
    (alias outer 1 $pollable (type $p)) (export "pollable" (type $p' (eq $p)))
    (export "subscribe-duration" (func (param "when" u64) (result (own $p'))))))
  (import "wasi:random/random@0.2.0" (instance $random
    (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))
  FILES
  (core module $libc
    (memory (export "memory") 4)
    (global $free (mut i32) (i32.const 65536))
    ;; What was given is not taken back: a tool lives for one call.
    (func (export "realloc") (param $old i32) (param $old-size i32) (param $align i32) (param $size i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $free) (i32.const 15)) (i32.const -16)))
      (global.set $free (i32.add (local.get $at) (local.get $size)))
      (if (i32.gt_u (global.get $free) (i32.mul (memory.size) (i32.const 65536)))
        (then (if (i32.eq (i32.const -1)
            (memory.grow (i32.add (i32.const 1) (i32.shr_u (local.get $size) (i32.const 16))))) (then (unreachable)))))
      (local.get $at)))
  (core instance $libc (instantiate $libc))
  (core func $block (canon lower (func $poll "[method]pollable.block")))
  (core func $subscribe-duration (canon lower (func $clock "subscribe-duration")))
  (core func $get-random-bytes
    (canon lower (func $random "get-random-bytes") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (core func $get-stdin (canon lower (func $stdin "get-stdin")))
  (core func $get-stdout (canon lower (func $stdout "get-stdout")))
  (core func $get-stderr (canon lower (func $stderr "get-stderr")))
  (core func $exit (canon lower (func $exit "exit")))
  (core func $get-environment
    (canon lower (func $environment "get-environment") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (core func $get-arguments
    (canon lower (func $environment "get-arguments") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (core func $read
    (canon lower (func $streams "[method]input-stream.blocking-read") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (core func $write (canon lower (func $streams "[method]output-stream.blocking-write-and-flush") (memory (core memory $libc "memory"))))
  (core func $write-zeroes
    (canon lower (func $streams "[method]output-stream.blocking-write-zeroes-and-flush") (memory (core memory $libc "memory"))))
  (core instance $host
    (export "block" (func $block)) (export "subscribe-duration" (func $subscribe-duration))
    (export "get-random-bytes" (func $get-random-bytes)) (export "get-stdin" (func $get-stdin))
    (export "get-stdout" (func $get-stdout)) (export "get-stderr" (func $get-stderr)) (export "exit" (func $exit))
    (export "get-environment" (func $get-environment)) (export "get-arguments" (func $get-arguments))
    (export "read" (func $read)) (export "write" (func $write)) (export "write-zeroes" (func $write-zeroes)))
