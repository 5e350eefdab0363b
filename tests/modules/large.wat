;; begins with 257 pages; exits with 2 if it can have one more, else with 1
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 257)
  (func (export "_start")
    (call $exit
      (select (i32.const 1) (i32.const 2) (i32.eq (memory.grow (i32.const 1)) (i32.const -1))))))
