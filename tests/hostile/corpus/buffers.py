"""Buffers the guest hands out and responses it points at: wherever they lie, and however they change."""

from __future__ import annotations

from tests.e2e.wat import PAGE
from tests.hostile.cases import Case, answers, fails, silent
from tests.hostile.guests import END, INBOX, OK, OK_AT, agent, data, inform, ok_after

_OUTSIDE = "outside its memory"
_OK = data(OK_AT, OK.encode())
_GIVEN = "outside the memory"


def _response(at: int, size: int) -> str:
    return f"(call $respond (local.get $p) (i32.const {at}) (i32.const {size}))"


_LONG = {"content": "x" * 3_000}

CASES: tuple[Case, ...] = (
    # Responses
    fails("buffer/response/past-the-end", agent(_response(END - 9, 10)), "bad-response", _OUTSIDE),
    fails("buffer/response/at-the-end", agent(_response(END, 1)), "bad-response", _OUTSIDE),
    fails("buffer/response/wraps", agent(_response(-8, 16)), "bad-response", _OUTSIDE),
    fails("buffer/response/wraps-to-zero", agent(_response(-8, 8)), "bad-response", _OUTSIDE),
    fails("buffer/response/of-4-gib", agent(_response(0, -1)), "bad-response", _OUTSIDE),
    fails("buffer/response/all-ones", agent(_response(-1, -1)), "bad-response", _OUTSIDE),
    fails("buffer/response/nothing", agent(_response(0, 0)), "bad-response"),
    fails("buffer/response/nothing-at-the-end", agent(_response(END, 0)), "bad-response", "truncated"),
    fails("buffer/response/not-written", agent("(i32.const 1)"), "bad-response", _OUTSIDE),
    fails("buffer/response/whole-memory", agent(_response(0, END)), "bad-response"),
    fails("buffer/response/whole-memory/too-large", agent(_response(0, END)), "too-large",
          manifest={"limits": {"message_size": "100KiB"}}),
    fails("buffer/response/its-own-pointers", agent(_response(INBOX, 8)), "bad-response"),
    answers("buffer/response/to-the-last-byte", agent(
        _response(END - len(OK), len(OK)), data(END - len(OK), OK.encode())), "ok"),
    answers("buffer/response/behind-its-pointers", agent(
        "".join(f"(i32.store8 offset={8 + index} (local.get $p) (i32.const {byte}))"
                for index, byte in enumerate(OK.encode())) + _response(INBOX + 8, len(OK))), "ok"),
    fails("buffer/response/across-its-pointers", agent(
        "".join(f"(i32.store8 offset={4 + index} (local.get $p) (i32.const {byte}))"
                for index, byte in enumerate(OK.encode())) + _response(INBOX + 4, len(OK))), "bad-response"),
    answers("buffer/response/in-a-page-just-grown", agent(
        f"""(drop (memory.grow (i32.const 1)))
        {"".join(f"(i32.store8 (i32.const {END + index}) (i32.const {byte}))" for index, byte in enumerate(OK.encode()))}
        {_response(END, len(OK))}"""), "ok"),
    # It spoils the answer it gave before: the second message finds what the first one left, and the reader has its own copy.
    answers("buffer/response/spoilt-afterwards", agent(
        f"""(if (i32.load8_u (i32.const 0)) (then
          (i64.store (i32.const {OK_AT}) (i64.const -1)) (i64.store offset=16 (i32.const {OK_AT}) (i64.const -1))
          (return (i32.const 0))))
        (i32.store8 (i32.const 0) (i32.const 1))
        (drop (call $send (i32.const 100) (i32.const {len(inform("x", receiver="hostile"))})))
        {_response(OK_AT, len(OK))}""", _OK + data(100, inform("x", receiver="hostile"))), "ok"),
    # Inboxes
    fails("buffer/alloc/none", agent(alloc="(i32.const 0)"), "agent-error", "caxton_alloc has no"),
    fails("buffer/alloc/at-the-end", agent(alloc=f"(i32.const {END})"), "trap", _GIVEN),
    fails("buffer/alloc/past-the-end", agent(alloc=f"(i32.const {END - 1023})"), "trap", _GIVEN),
    fails("buffer/alloc/minus-one", agent(alloc="(i32.const -1)"), "trap", _GIVEN),
    fails("buffer/alloc/wraps-to-zero", agent(alloc="(i32.sub (i32.const 0) (local.get $size))"), "trap", _GIVEN),
    answers("buffer/alloc/to-the-last-byte", ok_after(
        "", alloc=f"(i32.sub (i32.const {END}) (local.get $size))"), "ok"),
    answers("buffer/alloc/odd-address", ok_after("", alloc=f"(i32.const {INBOX + 1})"), "ok"),
    fails("buffer/alloc/over-its-own-answer", agent(
        _response(OK_AT, len(OK)), _OK, alloc=f"(i32.const {OK_AT + 8})"), "bad-response"),
    answers("buffer/alloc/over-its-texts", ok_after("", alloc=f"(i32.const {PAGE - 512})"), "ok"),
    fails("buffer/alloc/smaller-the-more-is-asked", agent(
        alloc=f"(select (i32.const {INBOX}) (i32.const {END - 64}) (i32.le_u (local.get $size) (i32.const 1024)))"),
        "trap", _GIVEN, message=_LONG),
    answers("buffer/alloc/moves-at-each-call", ok_after(
        "", "(global $at (mut i32) (i32.const 131072))",
        alloc="(global.set $at (i32.add (global.get $at) (i32.const 4096))) (global.get $at)"), "ok",
        message=_LONG),
    answers("buffer/alloc/grows", ok_after(
        "", alloc="(i32.mul (memory.grow (i32.const 1)) (i32.const 65536))"), "ok", message=_LONG),
    fails("buffer/alloc/grows-but-points-behind", agent(
        alloc="(i32.mul (i32.add (memory.grow (i32.const 1)) (i32.const 1)) (i32.const 65536))"), "trap", _GIVEN),
    fails("buffer/alloc/no-memory-left", agent(
        alloc="(i32.mul (memory.grow (i32.const 9999)) (i32.const 65536))"), "trap", _GIVEN),
    # A memory of one page whose inbox is its last kibibyte: the answer's address must fit into the message all the same.
    fails("buffer/alloc/writes-behind-the-inbox", agent(
        "(i32.store offset=1024 (local.get $p) (i32.const 7)) (i32.const 1)",
        alloc=f"(i32.const {END - 1024})"), "trap", "out of bounds memory access"),
    silent("buffer/message/overwritten-by-the-guest", agent(
        """(loop $next (i32.store8 (i32.add (local.get $p) (local.get $i)) (i32.const 255))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br_if $next (i32.lt_u (local.get $i) (local.get $n)))) (i32.const 0)""")),
    fails("buffer/message/read-past-its-end", agent(
        f"(drop (i32.load (i32.add (local.get $p) (i32.const {END})))) (i32.const 0)"),
        "trap", "out of bounds"),
)  # fmt: skip
