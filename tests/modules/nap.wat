;; sleeps for two seconds in poll_oneoff; ends with 1 if that was shorter
(module
  (import "wasi_snapshot_preview1" "poll_oneoff"
    (func $poll (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get"
    (func $clock (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func $now (result i64)
    (drop (call $clock (i32.const 1) (i64.const 1) (i32.const 256)))
    (i64.load (i32.const 256)))
  (func (export "_start") (local $begun i64)
    (local.set $begun (call $now))
    (i32.store (i32.const 16) (i32.const 1))                 ;; clock: monotonic
    (i64.store (i32.const 24) (i64.const 2000000000))        ;; timeout in ns
    (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))
    (call $exit (i64.lt_u (i64.sub (call $now) (local.get $begun)) (i64.const 2000000000)))))
