;; Must exit 56 = 1 + 5 + 50: the exception's value, 8, is nobody's.
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (tag $t (param i32))
  (memory (export "memory") 1)
  (func $thrower (param i32) (local i32 i32 i32)
    (throw $t (local.get 0)))
  (func (export "_start") (local $d i32)
    (local.set $d (i32.const 50))
    (i32.const 1)
    try (result i32)
      (call $thrower (i32.const 8))
      (i32.const 3)
    catch_all
      (i32.const 5)
    end
    (i32.add)
    (local.get $d)
    (i32.add)
    (call $exit)))
