"""The world `caxton:agent/agent@1.0.0` as the node knows it: every function of it, with its type as text.

Rules:
- It says what sdk/caxton_sdk/wit/agent.wit says; a test compares them.
- A component is run only when what it imports and exports has exactly these types: what reads its values relies on it.
"""

from __future__ import annotations

from typing import Final

from caxton_core.messages import Performative

NODE: Final = "caxton:agent/node@1.0.0"
MESSAGES: Final = "caxton:agent/messages@1.0.0"
INTERFACES: Final = (NODE, MESSAGES)

OPTIONS: Final = (
    "language", "encoding", "ontology", "protocol", "conversation-id", "reply-with", "in-reply-to", "reply-by", "id",
    "timestamp", "traceparent",
)  # fmt: skip
"""The fields of a message that are an optional text and nothing more."""

FIELDS: Final = (
    "performative", "sender", "receivers", "reply-to", "content", *OPTIONS, "extras",
)  # fmt: skip
REFUSALS: Final = (
    "invalid", "no-such-receiver", "mailbox-full", "not-allowed", "not-admitted", "too-large", "over-limit",
)  # fmt: skip
"""What `send` answers where core modules get -1, -2 and so on, in that order."""

LEVELS: Final = ("trace", "debug", "info", "warn", "error")

_SPECIAL: Final = {
    "performative": f"enum {{{', '.join(sorted(Performative))}}}",
    "receivers": "list<string>",
    "reply-to": "list<string>",
    "extras": "list<tuple<string, string>>",
}
_TYPES: Final = ", ".join(f"{name}: {_SPECIAL.get(name) or 'option<string>'}" for name in FIELDS)
MESSAGE: Final = f"record {{{_TYPES}}}"
_REFUSAL: Final = f"enum {{{', '.join(REFUSALS)}}}"
_BYTES: Final = "list<u8>"

IMPORTS: Final[dict[str, str]] = {
    "send": f"func(message: {MESSAGE}) -> result<_, {_REFUSAL}>",
    "log": f"func(level: enum {{{', '.join(LEVELS)}}}, text: string)",
    "now-ms": "func() -> u64",
    "random": f"func(size: u32) -> {_BYTES}",
    "state-get": f"func(key: {_BYTES}) -> option<{_BYTES}>",
    "state-put": f"func(key: {_BYTES}, value: {_BYTES}) -> bool",
    "state-delete": f"func(key: {_BYTES}) -> bool",
    "set-timer": f"func(delay-ms: u64, payload: {_BYTES}) -> option<u32>",
    "cancel-timer": "func(timer: u32) -> bool",
}
"""The functions of the interface `node`."""

EXPORTS: Final[dict[str, str]] = {
    "init": "func(config: string) -> result<_, string>",
    "handle": f"func(message: {MESSAGE}) -> result<option<{MESSAGE}>, string>",
    "drain": "func()",
    "export-state": f"func() -> option<{_BYTES}>",
    "import-state": f"func(state: {_BYTES}) -> result<_, string>",
}
