;; imports that nobody provides, one under a name with a line feed
(module
  (import "env" "missing" (func (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "no_such_call" (func))
  (import "host" "mem\0aory" (memory 1))
  (func (export "_start")))
