;; _initialize makes run exit with 5
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (global $ready (mut i32) (i32.const 4))
  (func (export "_initialize") (global.set $ready (i32.const 5)))
  (func (export "run") (call $exit (global.get $ready)))
  (func (export "needs_argument") (param i32)))
