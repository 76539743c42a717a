;; What a host tries when it begins. It is told one JSON value and answers with it, unless that begins with
;;   1   then it never returns;
;;   2   then it asks for all the memory there can be, and answers whether it was refused.
(component
  (type $failure' (record (field "class" string) (field "message" string)))
  (import "syzygy:tool/types@0.1.0" (instance $types (export "failure" (type (eq $failure')))))
  (alias export $types "failure" (type $failure))
  (core module $main
    (memory (export "memory") 1)
    (data (i32.const 16) "true")
    (data (i32.const 24) "false")
    (global $free (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      (local.set $at (global.get $free))
      (global.set $free (i32.add (local.get $at) (local.get 3)))
      (local.get $at))
    (func $answer (param i32 i32) (result i32)
      (i32.store8 (i32.const 0) (i32.const 0))
      (i32.store (i32.const 4) (local.get 0))
      (i32.store (i32.const 8) (local.get 1))
      (i32.const 0))
    (func (export "invoke") (param $at i32) (param $length i32) (result i32)
      (local $first i32)
      (local.set $first (i32.load8_u (local.get $at)))
      (if (i32.eq (local.get $first) (i32.const 0x31)) (then (loop $ever (br $ever))))
      (if (i32.eq (local.get $first) (i32.const 0x32)) (then
        (if (i32.eq (memory.grow (i32.const 65535)) (i32.const -1))
          (then (return (call $answer (i32.const 16) (i32.const 4)))))
        (return (call $answer (i32.const 24) (i32.const 5)))))
      (call $answer (local.get $at) (local.get $length))))
  (core instance $main (instantiate $main))
  (func (export "invoke") (param "input" string) (result (result string (error $failure)))
    (canon lift (core func $main "invoke") (memory (core memory $main "memory")) (realloc (core func $main "realloc")))))
