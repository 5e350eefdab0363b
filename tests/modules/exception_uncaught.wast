;; nobody catches: a trap
(module
  (tag $failure)
  (memory (export "memory") 1)
  (func (export "_start") (throw $failure)))
