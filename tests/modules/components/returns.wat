;; The smallest program: its run returns ok.
(component
  (core module $program
    (func (export "run") (result i32) (i32.const 0)))
  (core instance $instance (instantiate $program))
  (func $run (result (result)) (canon lift (core func $instance "run")))
  (instance $interface (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $interface)))
