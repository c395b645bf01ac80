;; A seller, written by hand against guest ABI 1: it bids the content of its configuration and delivers when it wins.
;;   cfp -> propose, with the configuration as content      accept-proposal -> inform "delivered"
;;   request -> inform "at your service"                    anything else -> no response
;; The README translates and deploys it.
(module
  (memory (export "memory") 2)

  ;; Where things are: words to look for, fixed answers, the proposal, and from 16384 on the host's inbox.
  (data (i32.const 0) "\"cfp\"")
  (data (i32.const 16) "\"accept-proposal\"")
  (data (i32.const 48) "\"request\"")
  (data (i32.const 64) "{\"performative\":\"inform\",\"content\":\"delivered\"}")
  (data (i32.const 128) "{\"performative\":\"inform\",\"content\":\"at your service\"}")
  (data (i32.const 1024) "{\"performative\":\"propose\",\"content\":")

  ;; Length of the proposal: its 36 fixed bytes, the configuration and a brace.
  (global $proposal (mut i32) (i32.const 0))

  ;; One inbox, always at the same place; 0 when a message would not fit.
  (func (export "caxton_alloc") (param $len i32) (result i32)
    (select (i32.const 0) (i32.const 16384) (i32.gt_u (local.get $len) (i32.const 114688))))

  ;; At the start: complete the proposal with the configuration, at most 8 KiB of it.
  (func (export "caxton_init") (param $ptr i32) (param $len i32) (result i32)
    (local $i i32)
    (if (i32.gt_u (local.get $len) (i32.const 8192)) (then (return (i32.const 1))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $i) (local.get $len)))
        (i32.store8 offset=1060 (local.get $i) (i32.load8_u (i32.add (local.get $ptr) (local.get $i))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next)))
    (i32.store8 offset=1060 (local.get $i) (i32.const 125))
    (global.set $proposal (i32.add (local.get $len) (i32.const 37)))
    (i32.const 0))

  (func (export "handle_message") (param $ptr i32) (param $len i32) (result i32)
    (if (call $contains (local.get $ptr) (local.get $len) (i32.const 0) (i32.const 5))
      (then (return (call $answer (local.get $ptr) (i32.const 1024) (global.get $proposal)))))
    (if (call $contains (local.get $ptr) (local.get $len) (i32.const 16) (i32.const 17))
      (then (return (call $answer (local.get $ptr) (i32.const 64) (i32.const 47)))))
    (if (call $contains (local.get $ptr) (local.get $len) (i32.const 48) (i32.const 9))
      (then (return (call $answer (local.get $ptr) (i32.const 128) (i32.const 53)))))
    (i32.const 0))

  ;; A response is its address and its length, written over the first 8 bytes of the message.
  (func $answer (param $ptr i32) (param $from i32) (param $size i32) (result i32)
    (i32.store (local.get $ptr) (local.get $from))
    (i32.store offset=4 (local.get $ptr) (local.get $size))
    (i32.const 1))

  ;; Does the text at $ptr contain the word at $word?
  (func $contains (param $ptr i32) (param $len i32) (param $word i32) (param $size i32) (result i32)
    (local $last i32) (local $i i32)
    (if (i32.lt_u (local.get $len) (local.get $size)) (then (return (i32.const 0))))
    (local.set $last (i32.add (local.get $ptr) (i32.sub (local.get $len) (local.get $size))))
    (loop $place
      (local.set $i (i32.const 0))
      (loop $letter
        (if (i32.eq
              (i32.load8_u (i32.add (local.get $ptr) (local.get $i)))
              (i32.load8_u (i32.add (local.get $word) (local.get $i))))
          (then
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $letter (i32.lt_u (local.get $i) (local.get $size)))
            (return (i32.const 1)))))
      (local.set $ptr (i32.add (local.get $ptr) (i32.const 1)))
      (br_if $place (i32.le_u (local.get $ptr) (local.get $last))))
    (i32.const 0)))
