(module
  (memory (export "memory") 1)
  (data $passive "abcd")
  (func (export "_start")
    (memory.init $passive (i32.const 0) (i32.const 0) (i32.const 4))
    (memory.copy (i32.const 8) (i32.const 0) (i32.const 4))
    (memory.fill (i32.const 8) (i32.const 0x61) (i32.const 1))
    (data.drop $passive)
    (if (i32.ne (i32.load (i32.const 8)) (i32.const 0x64636261)) (then (unreachable)))))
