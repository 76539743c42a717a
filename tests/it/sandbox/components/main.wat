  ;; The program. `BODY` is what it does; `TEXTS` are its texts, from 1024 on; results of the host are put at 16.
  (core module $main
    (import "libc" "memory" (memory 4))
    (import "libc" "realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))
    (import "host" "block" (func $block (param i32)))
    (import "host" "subscribe-duration" (func $subscribe-duration (param i64) (result i32)))
    (import "host" "get-random-bytes" (func $get-random-bytes (param i64 i32)))
    (import "host" "get-stdin" (func $get-stdin (result i32)))
    (import "host" "get-stdout" (func $get-stdout (result i32)))
    (import "host" "get-stderr" (func $get-stderr (result i32)))
    (import "host" "exit" (func $exit (param i32)))
    (import "host" "get-environment" (func $get-environment (param i32)))
    (import "host" "get-arguments" (func $get-arguments (param i32)))
    (import "host" "read" (func $read (param i32 i64 i32)))
    (import "host" "write" (func $write (param i32 i32 i32 i32)))
    (import "host" "write-zeroes" (func $write-zeroes (param i32 i64 i32)))
    FILES
    (global $stdout (mut i32) (i32.const -1))
    (global $input (mut i32) (i32.const 0))
    (global $input-length (mut i32) (i32.const 0))
    (func $print-to (param $to i32) (param $at i32) (param $length i32)
      (local $piece i32)
      (loop $more
        (local.set $piece (select (i32.const 4096) (local.get $length) (i32.gt_u (local.get $length) (i32.const 4096))))
        (call $write (local.get $to) (local.get $at) (local.get $piece) (i32.const 16))
        (local.set $at (i32.add (local.get $at) (local.get $piece)))
        (local.set $length (i32.sub (local.get $length) (local.get $piece)))
        (br_if $more (local.get $length))))
    (func $print (param $at i32) (param $length i32)
      (if (i32.eq (global.get $stdout) (i32.const -1)) (then (global.set $stdout (call $get-stdout))))
      (call $print-to (global.get $stdout) (local.get $at) (local.get $length)))
    ;; Everything that comes in, in one piece.
    (func $listen
      (local $from i32)
      (local.set $from (call $get-stdin))
      (call $read (local.get $from) (i64.const 1048576) (i32.const 16))
      (global.set $input (i32.load (i32.const 20)))
      (global.set $input-length (i32.load (i32.const 24))))
    ;; Sleeps for so many nanoseconds.
    (func $sleep (param i64) (call $block (call $subscribe-duration (local.get 0))))
    ;; Says that an attack was held, or that it was not.
    (func $held (call $print @"{\"type\":\"result\",\"value\":null}\n"))
    (func $broke (call $print @"{\"type\":\"result\",\"value\":\"broke\"}\n"))
    (func $verdict (param $broke i32) (if (local.get $broke) (then (call $broke)) (else (call $held))))
    FUNCTIONS
    (func (export "run") (result i32) (local $a i32) (local $b i32) (local $c i32)
      BODY
      (i32.const 0))
    TEXTS)
  (core instance $main (instantiate $main (with "libc" (instance $libc)) (with "host" (instance $host)) FILES_WITH))
  (func $run (result (result)) (canon lift (core func $main "run")))
  (instance $run (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $run))
