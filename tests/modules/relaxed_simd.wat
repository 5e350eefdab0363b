(module
  (memory (export "memory") 1)
  (func (export "_start")
    (if (f32.ne (f32.const 7)
          (f32x4.extract_lane 0 (f32x4.relaxed_madd (f32x4.splat (f32.const 2))
            (f32x4.splat (f32.const 3)) (f32x4.splat (f32.const 1)))))
      (then (unreachable)))))
