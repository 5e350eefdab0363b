;; well-formed, but not valid: a value is left on the stack
(module
  (memory (export "memory") 1)
  (func (export "_start") (i32.const 1)))
