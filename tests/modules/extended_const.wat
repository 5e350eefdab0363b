(module
  (memory (export "memory") 1)
  (global $sum i32 (i32.add (i32.const 2) (i32.const 3)))
  (func (export "_start")
    (if (i32.ne (global.get $sum) (i32.const 5)) (then (unreachable)))))
