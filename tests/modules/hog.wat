;; grows its memory, a page at a time, until that fails; then exits with the pages, at most 255
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (loop $more
      (if (i32.ge_u (memory.size) (i32.const 255)) (then (call $exit (i32.const 255))))
      (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
    (call $exit (memory.size))))
