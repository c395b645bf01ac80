"""The same in MessagePack: lengths that promise more than there is, nesting, and types JSON has not."""

from __future__ import annotations

import msgspec

from tests.hostile.cases import Case, answers, fails
from tests.hostile.guests import agent, data, responding

_PACKED = {"codec": "msgpack"}
_encode = msgspec.msgpack.encode
_OK = _encode({"performative": "inform", "content": "ok"})


def _content(raw: bytes) -> bytes:
    """Return an inform with this content."""
    fields = {"performative": "inform", "receiver": "neighbour"}
    packed = b"".join(_encode(key) + _encode(value) for key, value in fields.items())
    return b"\x83" + packed + _encode("content") + raw


_BOMBS: dict[str, bytes] = {
    "list-of-2-to-the-32": _content(b"\xdd\xff\xff\xff\xff"),
    "map-of-2-to-the-32": _content(b"\xdf\xff\xff\xff\xff"),
    "text-of-4-gib": _content(b"\xdb\xff\xff\xff\xff"),
    "bytes-of-4-gib": _content(b"\xc6\xff\xff\xff\xff"),
    "extension-of-4-gib": _content(b"\xc9\xff\xff\xff\xff\x05"),
    "whole-is-a-map-of-2-to-the-32": b"\xdf\xff\xff\xff\xff",
    "lists-of-lists-of-2-to-the-32": _content(b"\xdd\xff\xff\xff\xff" * 60),
    "63-lists-inside-64": _content(b"\x91" * 64 + b"\xc0"),
    "ten-thousand-levels": _content(b"\x91" * 10_000),
    "ten-thousand-levels-of-maps": _content(b"\x81\xa1a" * 10_000),
    "levels-behind-an-extension": _content(b"\x92\xc7\x01\x05\x91" + b"\x91" * 1_000),
    "levels-as-keys": _content(b"\x81" * 1_000),
    "invalid-utf-8": _content(b"\xa2\xff\xfe"),
    "invalid-utf-8-as-a-key": _content(b"\x81\xa2\xff\xfe\xc0"),
    "never-used-byte": _content(b"\xc1"),
    "list-as-a-key": _content(b"\x81\x91\x01\x02"),
    "cut-float": _content(b"\xcb\x00\x00"),
    "cut-number": _content(b"\xcf\x00"),
    "timestamp-of-the-year-1e11": _content(b"\xc7\x0c\xff" + b"\xff" * 12),
    "bytes-behind-it": _OK + b"\xc0",
    "nothing": b"",
    "nil": b"\xc0",
    "a-number": b"\x07",
    "performative-is-bytes": b"\x81" + _encode("performative") + _encode(b"inform"),
    "json": b'{"performative":"inform","content":"ok"}',
}
_SEND_ONLY = (
    "list-of-2-to-the-32",
    "ten-thousand-levels",
    "63-lists-inside-64",
    "invalid-utf-8",
    "nothing",
)


def _sends(message: bytes, result: int) -> Case:
    """Make a case that sends a message, and is silent for good unless `send` says what it should."""
    at = 4 * 65_536
    body = f"""(if (i32.ne (call $send (i32.const {at}) (i32.const {len(message)})) (i32.const {result}))
        (then (unreachable)))
      (call $respond (local.get $p) (i32.const 60000) (i32.const {len(_OK)}))"""
    module = agent(body, data(at, message) + data(60_000, _OK), memory="6")
    name = next((name for name, bomb in _BOMBS.items() if bomb == message), "64-levels")
    return answers(f"msgpack/send/{name}", module, "ok", manifest=_PACKED)


CASES: tuple[Case, ...] = (
    *[
        fails(f"msgpack/response/{name}", responding(bomb), "bad-response", manifest=_PACKED)
        for name, bomb in _BOMBS.items()
    ],
    *[_sends(_BOMBS[name], -1) for name in _SEND_ONLY],
    _sends(_content(b"\x91" * 62 + b"\xc0"), 0),
    answers("msgpack/response/64-levels", responding(
        _encode({"performative": "inform", "content": [[["x"]]]})), [[["x"]]], manifest=_PACKED),
    answers("msgpack/response/not-a-number", responding(
        b"\x82" + _encode("performative") + _encode("inform") + _encode("content") + b"\xcb\x7f\xf8" + bytes(6)),
        None, manifest=_PACKED),
    answers("msgpack/response/bytes", responding(_encode({"performative": "inform", "content": b"\0\xff"})),
            "AP8=", manifest=_PACKED),
    fails("msgpack/response/extension", responding(
        b"\x82" + _encode("performative") + _encode("inform") + _encode("content") + b"\xd4\x05\x00"),
        "bad-response", "no json form", manifest=_PACKED),
    answers("msgpack/response/timestamp", responding(
        b"\x82" + _encode("performative") + _encode("inform") + _encode("content") + b"\xd6\xff" + bytes(4)),
        "1970-01-01T00:00:00Z", manifest=_PACKED),
    answers("msgpack/response/numbers-as-keys", responding(
        _encode({"performative": "inform", "content": {1: 2}})), {"1": 2}, manifest=_PACKED),
    answers("msgpack/response/duplicate-keys", responding(
        b"\x83" + _encode("performative") + _encode("inform") + (_encode("content") + b"\x01") + (_encode("content") + b"\x02")),
        2, manifest=_PACKED),
)  # fmt: skip
