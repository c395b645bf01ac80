;; The smallest agent: answers every message with an inform. Written straight from the guest ABI, version 1.
(module
  (memory (export "memory") 1)
  (data (i32.const 16) "{\"performative\":\"inform\",\"content\":\"hello from wasm\"}")
  ;; The host's inbox: everything from 1024 on. 0 says that a message is too large.
  (func (export "caxton_alloc") (param $length i32) (result i32)
    (select (i32.const 1024) (i32.const 0) (i32.le_u (local.get $length) (i32.const 64512))))
  ;; The response's address and length go over the first 8 bytes of the message; 1 says there is one.
  (func (export "handle_message") (param $message i32) (param $length i32) (result i32)
    (i32.store (local.get $message) (i32.const 16))
    (i32.store offset=4 (local.get $message) (i32.const 53))
    (i32.const 1)))
