(module
  (memory (export "memory") 1)
  (func (export "_start")
    (if (i32.ne (i32.extend8_s (i32.const 0x80)) (i32.const -128)) (then (unreachable)))
    (if (i32.ne (i32.trunc_sat_f32_s (f32.const 1e20)) (i32.const 0x7fffffff))
      (then (unreachable)))))
