(module
  (memory (export "memory") 1)
  (func (export "_start")
    (if (i32.ne (i32.const 10)
          (i32x4.extract_lane 3 (i32x4.add (v128.const i32x4 1 2 3 4) (v128.const i32x4 5 5 5 6))))
      (then (unreachable)))))
