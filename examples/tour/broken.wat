;; An agent that traps on every message: the sender hears why, the message becomes a dead letter, the node serves on.
(module
  (memory (export "memory") 2)
  (func (export "caxton_alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "handle_message") (param i32 i32) (result i32) (unreachable)))
