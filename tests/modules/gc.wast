;; garbage collection and typed function references
(module
  (type $point (struct (field $x i32) (field $y (mut i32))))
  (type $get (func (param (ref $point)) (result i32)))
  (memory (export "memory") 1)
  (elem declare func $sum)
  (func $sum (type $get)
    (i32.add (struct.get $point $x (local.get 0)) (struct.get $point $y (local.get 0))))
  (func (export "_start")
    (if (i32.ne (i32.const 5)
          (call_ref $get (struct.new $point (i32.const 2) (i32.const 3)) (ref.func $sum)))
      (then (unreachable)))))
