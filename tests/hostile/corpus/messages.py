"""What is sent and answered: forged, nested, malformed, too large, or no message at all, in JSON."""

from __future__ import annotations

import json
from typing import Any

from tests.hostile.cases import Case, answers, fails, silent
from tests.hostile.guests import inform, responding, said, sending

_UUID = "019aaaaa-0000-7000-8000-000000000001"
_BAD = "bad-response"


def nested(depth: int, opening: bytes = b"[", closing: bytes = b"]") -> bytes:
    """Return an inform whose whole is `depth` levels deep."""
    return (
        b'{"performative":"inform","content":'
        + opening * (depth - 1)
        + closing * (depth - 1)
        + b"}"
    )


def _addressed(message: bytes) -> bytes:
    """Return a message with a receiver, so that nothing but its form can be wrong with it."""
    return message.replace(b'"inform",', b'"inform","receiver":"neighbour",', 1)


def deep_list(depth: int) -> Any:
    """Return lists inside each other."""
    return json.loads(b"[" * depth + b"]" * depth)


def _content(raw: bytes) -> bytes:
    return b'{"performative":"inform","receiver":"neighbour","content":' + raw + b"}"


_MALFORMED: dict[str, bytes] = {
    "nothing": b"",
    "zeros": bytes(100),
    "a-brace": b"{",
    "half": inform("x", receiver="neighbour")[:-3],
    "two": inform("x", receiver="neighbour") * 2,
    "a-list": b"[]",
    "a-number": b"1",
    "null": b"null",
    "bom": b"\xef\xbb\xbf" + inform("x", receiver="neighbour"),
    "utf-16": inform("x", receiver="neighbour").decode().encode("utf-16"),
    "invalid-utf-8": _content(b'"\xff\xfe\xc0\x80"'),
    "overlong-utf-8": _content(b'"\xe0\x80\xaf"'),
    "surrogate-in-utf-8": _content(b'"\xed\xa0\x80"'),
    "lone-surrogate": _content(b'"\\ud800"'),
    "nan": _content(b"NaN"),
    "infinity": _content(b"-Infinity"),
    "control-character": _content(b'"\x01"'),
    "leading-zero": _content(b"007"),
    "single-quotes": b"{'performative':'inform'}",
    "no-performative": b'{"receiver":"neighbour"}',
    "unknown-performative": b'{"performative":"explode","receiver":"neighbour"}',
    "performative-is-a-number": b'{"performative":1,"receiver":"neighbour"}',
    "receiver-is-a-number": b'{"performative":"inform","receiver":1}',
    "unknown-field": inform("x", receiver="neighbour", colour="red"),
    "id-is-no-uuid": inform("x", receiver="neighbour", id="1"),
    "reply-by-is-no-time": inform("x", receiver="neighbour", reply_by="soon"),
    "protocol-is-a-list": inform("x", receiver="neighbour", protocol=["fipa-request"]),
    "65-levels": nested(65),
    "65-levels-of-maps": nested(65, b'{"a":', b"}").replace(b'"a":}', b'"a":0}'),
    "100000-levels": nested(100_000),
    "100000-levels-open": b"[" * 100_000,
    "100000-levels-behind-a-text": b'{"performative":"inform","content":["\\"[[[",'
    + b"[" * 100_000,
}
_WIDE = {"limits": {"message_size": "1MiB"}}

CASES: tuple[Case, ...] = (
    *[
        fails(f"response/{name}", responding(data), _BAD)
        for name, data in _MALFORMED.items()
    ],
    *[
        answers(f"send/{name}", sending(_addressed(data)), said(-1))
        for name, data in _MALFORMED.items()
        if name.startswith(("65", "1000", "invalid", "lone", "nothing", "zeros", "half", "receiver"))
    ],
    answers("response/63-levels", responding(nested(63)), deep_list(62)),
    answers("response/64-levels", responding(nested(64)), deep_list(63)),
    answers("send/64-levels", sending(_addressed(nested(64))), said(0)),
    answers("response/brackets-in-a-text", responding(inform("[" * 10_000)), "[" * 10_000),
    answers("response/escaped-quotes", responding(inform('\\"[{' * 500)), '\\"[{' * 500),
    # Numbers of any size are JSON, and must neither hang a reader nor change on their way.
    answers("response/2-to-the-64", responding(inform(2**64)), 2**64),
    answers("response/-2-to-the-63", responding(inform(-(2**63))), -(2**63)),
    fails("response/1e999", responding(b'{"performative":"inform","content":1e999}'), _BAD),
    fails("response/100000-digits", responding(
        b'{"performative":"inform","content":' + b"9" * 60_000 + b"}"), _BAD),
    answers("response/null-character", responding(b'{"performative":"inform","content":"a\\u0000b"}'), "a\0b"),
    answers("response/terminal-escapes", responding(b'{"performative":"inform","content":"\\u001b[2J"}'), "\x1b[2J"),
    answers("response/duplicate-keys", responding(
        b'{"performative":"inform","content":"a","content":"b"}'), "b"),
    # Who it comes from, and what it belongs to, is not the guest's to say.
    answers("forged/sender-of-a-response", responding(inform("x", sender="ams@caxton")), "x"),
    answers("forged/sender-of-a-response/neighbour", responding(inform("x", sender="neighbour@caxton")), "x"),
    answers("forged/sender", sending(inform("x", sender="ams@caxton", receiver="neighbour")), said(0)),
    answers("forged/id", responding(inform("x", id=_UUID, timestamp="1970-01-01T00:00:00Z")), "x"),
    answers("forged/conversation", sending(
        inform("x", receiver="neighbour", protocol="fipa-request", conversation_id=_UUID)), said(-5)),
    answers("forged/move-of-another", sending(
        inform("x", receiver="neighbour", performative="agree", protocol="fipa-request", conversation_id=_UUID,
               in_reply_to="x")), said(-5),
        before=({"receiver": "neighbour", "protocol": "fipa-request", "conversation_id": _UUID,
                 "reply_with": "x", "content": "hello"},)),
    answers("forged/unknown-protocol", sending(
        inform("x", receiver="neighbour", protocol="fipa-explode")), said(-5)),
    answers("forged/no-such-receiver", sending(inform("x", receiver="nobody")), said(-2)),
    answers("forged/other-platform", sending(inform("x", receiver="a@elsewhere.example")), said(-2)),
    answers("forged/not-allowed", sending(inform("x", receiver="neighbour")), said(-4),
            manifest={"send_to": ["friend-*"]}),
    answers("forged/ten-thousand-receivers", sending(
        inform("x", receiver=["neighbour"] * 5_000)), said(0)),
    answers("size/one-too-many", sending(inform("x" * 2_000, receiver="neighbour")), said(-6),
            manifest={"limits": {"message_size": 2_000}}),
    fails("size/response", responding(inform("x" * 2_000)), "too-large", manifest={"limits": {"message_size": 2_000}}),
    answers("response/trace-that-is-none", responding(inform("x", traceparent="x" * 200)), "x"),
    silent("response/to-no-name", responding(b'{"performative":"inform","receiver":""}')),
    answers("send/to-no-name", sending(b'{"performative":"inform","receiver":""}'), said(-2)),
    silent("size/answers-nobody", responding(b'{"performative":"inform","receiver":"nobody"}')),
)  # fmt: skip
