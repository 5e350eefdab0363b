;; blocks for an hour in poll_oneoff, one relative clock subscription
(module
  (import "wasi_snapshot_preview1" "poll_oneoff"
    (func $poll (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (i32.store (i32.const 16) (i32.const 1))                 ;; clock: monotonic
    (i64.store (i32.const 24) (i64.const 3600000000000))     ;; timeout in ns
    (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))))
