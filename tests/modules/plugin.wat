;; exits with twice(20) + loaded() of a plugin's module
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "crunw_test" "twice" (func $twice (param i32) (result i32)))
  (import "crunw_test" "loaded" (func $loaded (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (call $exit (i32.add (call $twice (i32.const 20)) (call $loaded)))))
