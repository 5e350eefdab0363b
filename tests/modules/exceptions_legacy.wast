;; the former exception handling (try, catch), which toolchains emitted until 2025
(module
  (tag $failure (param i32))
  (memory (export "memory") 1)
  (func $thrower (throw $failure (i32.const 11)))
  (func (export "_start")
    (if (i32.ne (i32.const 11)
          (try (result i32)
            (do (call $thrower) (i32.const 0))
            (catch $failure)))
      (then (unreachable)))))
