"""Guests that keep a ledger in their durable state: how often they have done each thing they were asked to do.

All of them tell, when asked with a `query-ref`, how often they did what the content names (36 characters); 36 dots ask for
everything they did, 36 commas for how many different things. Those that `sum` remember no single thing, so that their state
does not grow: 36 commas ask them for the sum of a hash (`total`) of each thing they did, modulo 2**32.
"""

from __future__ import annotations

from collections.abc import Iterable

from tests.e2e.wat import AT, guest, telling, text

_LEDGER = f"""
  (data (i32.const 16) "all") (data (i32.const 24) "different")
  (func $count (param $key i32) (param $size i32) (result i32)
    (i32.store (i32.const 0) (i32.const 0))
    (drop (call $state_get (local.get $key) (local.get $size) (i32.const 0) (i32.const 4)))
    (i32.load (i32.const 0)))
  (func $more (param $key i32) (param $size i32) (result i32)
    (i32.store (i32.const 0) (i32.add (call $count (local.get $key) (local.get $size)) (i32.const 1)))
    (if (call $state_put (local.get $key) (local.get $size) (i32.const 0) (i32.const 4)) (then (unreachable)))
    (i32.load (i32.const 0)))
  ;; $told: answer a query, whose content is at an address.
  (func $told (param $p i32) (param $at i32) (result i32)
    (local $first i32)
    (local.set $first (i32.load8_u offset=1 (local.get $at)))
    (if (i32.eq (local.get $first) (i32.const 46)) (then
      (return {telling("(call $count (i32.const 16) (i32.const 3))")})))
    (if (i32.eq (local.get $first) (i32.const 44)) (then
      (return {telling("(call $count (i32.const 24) (i32.const 9))")})))
    {telling("(call $count (i32.add (local.get $at) (i32.const 1)) (i32.const 36))")})
"""
_REMEMBER = """
  ;; $enter: one more of the thing whose 36 characters are at an address.
  (func $enter (param $key i32)
    (if (i32.eq (call $more (local.get $key) (i32.const 36)) (i32.const 1))
      (then (drop (call $more (i32.const 24) (i32.const 9)))))
    (drop (call $more (i32.const 16) (i32.const 3))))
"""
_SUM = """
  (func $enter (param $key i32)
    (local $hash i32) (local $i i32)
    (local.set $hash (i32.const 0x811c9dc5))
    (loop $next
      (local.set $hash (i32.mul (i32.const 0x01000193)
        (i32.xor (local.get $hash) (i32.load8_u (i32.add (local.get $key) (local.get $i))))))
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 36))))
    (i32.store (i32.const 0) (i32.add (call $count (i32.const 24) (i32.const 9)) (local.get $hash)))
    (if (call $state_put (i32.const 24) (i32.const 9) (i32.const 0) (i32.const 4)) (then (unreachable)))
    (drop (call $more (i32.const 16) (i32.const 3))))
"""
_KEY = "(i32.add (local.get $at) (i32.const 1))"
_FROM_AMS = '"sender":"ams@'
_FROM_API = '"sender":"api@'
_CONVERSATION = '"conversation_id":"'
_OFFER = '{"performative":"propose","content":{"cost":%d}}'
_DONE = '{"performative":"inform","content":"built"}'


def _is(act: str) -> str:
    """Condition: the message is of an act, told by its first four letters."""
    letters = int.from_bytes(f'{act}"'[:4].encode(), "little")
    return f"(i32.eq (call $act (local.get $p) (local.get $n)) (i32.const {letters}))"


def _holds(at: int, size: int) -> str:
    """Address behind a text in the message, 0 when it is not there."""
    return f"(call $find (local.get $p) (local.get $n) (i32.const {at}) (i32.const {size}))"


_QUERY = f"(if {_is('query-ref')} (then {AT} (return (call $told (local.get $p) (local.get $at)))))"


def _book(*, sum: bool) -> str:
    return _LEDGER + (_SUM if sum else _REMEMBER)


def total(things: Iterable[str]) -> int:
    """Return what a guest that sums tells when it did each of these once."""
    whole = 0
    for thing in things:
        hashed = 0x811C9DC5
        for byte in thing.encode():
            hashed = (hashed ^ byte) * 0x01000193 & 0xFFFFFFFF
        whole += hashed
    return (whole + 0x80000000) % 0x100000000 - 0x80000000


def ledger(*, sum: bool = False) -> bytes:
    """Build a guest that enters the content of every message, and tells how often it has now done so."""
    told = telling(f"(call $count {_KEY} (i32.const 36))")
    return guest(f"{_QUERY} {AT} (call $enter {_KEY}) {told}", _book(sum=sum))


def alarm_clock(delay_ms: int, *, sum: bool = False) -> bytes:
    """Build a guest that sets a timer for each message, with its content, and enters it when the timer fires."""
    body = f"""{_QUERY}
      (if {_holds(100, len(_FROM_AMS))} (then {AT} (call $enter {_KEY}) (return (i32.const 0))))
      {AT} (if (i32.lt_s (call $set_timer (i64.const {delay_ms}) {_KEY} (i32.const 36))
        (i32.const 0)) (then (unreachable)))
      (i32.const 0)"""
    return guest(body, f"(data (i32.const 100) {text(_FROM_AMS)}) {_book(sum=sum)}")


def bidder(cost: int, *, sum: bool = False) -> bytes:
    """Build a guest that bids in every contract net, and enters the conversation when it is awarded one."""
    offer = _OFFER % cost
    body = f"""{_QUERY}
      (if {_is("cfp")} (then (return (call $respond (local.get $p) (i32.const 100) (i32.const {len(offer)})))))
      (if {_is("accept-proposal")} (then
        (call $enter {_holds(400, len(_CONVERSATION))})
        (return (call $respond (local.get $p) (i32.const 200) (i32.const {len(_DONE)})))))
      (i32.const 0)"""
    data = f"(data (i32.const 100) {text(offer)}) (data (i32.const 200) {text(_DONE)}) (data (i32.const 400) {text(_CONVERSATION)})"
    return guest(body, f"{data} {_book(sum=sum)}")


def fountain(receiver: str, times: int, size: int = 100) -> bytes:
    """Build a guest that sends so many messages of a size to one agent for each that it gets from the API, as far as there is room."""
    drop = f'{{"performative":"inform","receiver":"{receiver}","content":"{"x" * size}"}}'
    data = f"(data (i32.const 16) {text(_FROM_API)}) (data (i32.const 100) {text(drop)})"
    body = f"""(if (i32.eqz {_holds(16, len(_FROM_API))}) (then (return (i32.const 0))))
      (loop $next
        (drop (call $send (i32.const 100) (i32.const {len(drop)})))
        (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const {times}))))
      (i32.const 0)"""
    return guest(body, data)
