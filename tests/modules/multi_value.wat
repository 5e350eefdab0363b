(module
  (memory (export "memory") 1)
  (func $pair (result i32 i32) (i32.const 4) (i32.const 3))
  (func (export "_start")
    (call $pair)
    (if (i32.ne (i32.sub) (i32.const 1)) (then (unreachable)))))
