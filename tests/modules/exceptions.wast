;; standard exception handling (try_table), assembled by wasm-as
(module
  (tag $failure (param i32))
  (memory (export "memory") 1)
  (func $thrower (throw $failure (i32.const 11)))
  (func (export "_start")
    (if (i32.ne (i32.const 11)
          (block $caught (result i32)
            (try_table (catch $failure $caught) (call $thrower))
            (i32.const 0)))
      (then (unreachable)))))
