(module
  (memory $a (export "memory") 1)
  (memory $b 1)
  (func (export "_start")
    (i32.store $b (i32.const 0) (i32.const 9))
    (memory.copy $a $b (i32.const 0) (i32.const 0) (i32.const 4))
    (if (i32.ne (i32.load $a (i32.const 0)) (i32.const 9)) (then (unreachable)))))
