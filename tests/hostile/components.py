"""Hostile components as text: what `tests/plugins/sandboxes/components.py` builds, with the one thing that is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from caxton_core.messages import Performative

from tests.hostile.cases import Case, Failed, NotPromoted, NotStarted, Outcome, Refused
from tests.plugins.sandboxes.components import ACTS, CONTENT, DATA, OUT, component, reply, text

PROFILE = {"profile": "component"}
RECORD_AT = 6144
"""Where the message that a case sends is."""
RECEIVERS = RECORD_AT + 16
EXTRAS = RECORD_AT + 176
LIST_AT = 6400
ANSWER_AT = 7168
"""Where `send` writes what it answers."""
FAR = 1 << 20
"""Where long values begin: memory that nothing was written to."""
SEND = f"(call $send (i32.const {RECORD_AT}) (i32.const {ANSWER_AT}))"
PUT = "(call $state-put (i32.const {}) (i32.const {}) (i32.const {}) (i32.const {}))"

Maker = Callable[[], bytes]


def whole(handle: str = "", **parts: Any) -> Maker:
    """Return a maker of a component whose `handle` is this; without one it says `ok`."""
    if not handle:
        handle, parts["data"] = ok(), "9" + parts.get("data", "")
    return lambda: component(handle, **parts)


def limited(**limits: Any) -> dict[str, Any]:
    """Return a manifest of components with these limits."""
    return {**PROFILE, "limits": limits}


def of(name: str, module: Maker, attacks: Any, outcome: Outcome, **more: Any) -> Case:
    """Make a case of a component."""
    return Case(
        name=f"component/{name}", module=module, attacks=attacks, outcome=outcome,
        **{"manifest": PROFILE, **more},
    )  # fmt: skip


def load(name: str, module: Maker, detail: str, **more: Any) -> Case:
    """Make a case that must be refused at load."""
    return of(name, module, "load", Refused(detail), **more)


def start(name: str, module: Maker, reason: str, detail: str = "", **more: Any) -> Case:
    """Make a case whose start must fail."""
    return of(name, module, "start", NotStarted(reason, detail), **more)


def fails(name: str, module: Maker, reason: str, detail: str = "", **more: Any) -> Case:
    """Make a case whose message must fail."""
    return of(name, module, "handle", Failed(reason, detail), **more)


def keeps(name: str, module: Maker, after: Maker, reason: str, detail: str = "") -> Case:
    """Make a case whose next version must not take over, for what it does with the state."""
    return of(f"{name}/import-state", module, "import", NotPromoted(reason, detail), next=after)


def number(at: int, size: int, value: int) -> str:
    """WAT that writes a number of so many bits."""
    kind = "i64" if size == 64 else "i32"
    suffix = "" if size in (32, 64) else str(size)
    return f"({kind}.store{suffix} (i32.const {at}) ({kind}.const {value}))"


def listed(at: int, first: int, count: int) -> str:
    """WAT that writes where a list or a string is, and its length."""
    return number(at, 32, first) + number(at + 4, 32, count)


def record(*stores: str) -> str:
    """WAT that writes a message to send, after further stores."""
    return f"""(memory.fill (i32.const {RECORD_AT}) (i32.const 0) (i32.const 184))
      {number(RECORD_AT, 8, ACTS.index(Performative.INFORM))} {" ".join(stores)}"""


def content(at: int, size: int, *, record: int = RECORD_AT) -> str:
    """WAT that gives a message a content."""
    return number(record + CONTENT, 8, 1) + listed(record + CONTENT + 4, at, size)


def repeated(at: int, count: int, first: int, size: int) -> str:
    """WAT that writes a list of strings which are all the same; it needs a local $i."""
    where = f"(i32.add (i32.const {at}) (i32.shl (local.get $i) (i32.const 3)))"
    return f"""(local.set $i (i32.const 0)) (loop
      (i32.store {where} (i32.const {first})) (i32.store offset=4 {where} (i32.const {size}))
      (br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const {count}))))"""


def to(size: int) -> str:
    """WAT that addresses the message to the name of so many bytes with which the data begins."""
    return listed(LIST_AT, DATA, size) + listed(RECEIVERS, LIST_AT, 1)


def _content_of_reply(size: int) -> tuple[str, str]:
    return number(OUT + 8 + CONTENT, 8, 1), text(OUT + 12 + CONTENT, "x" * size)


def ok() -> str:
    """WAT that answers with the first digit of the data."""
    return reply(*_content_of_reply(1))


def telling(calls: str, digit: str) -> str:
    """WAT that answers with a digit, behind some calls."""
    written = f"(i32.store8 (i32.const {DATA}) (i32.add (i32.const 48) {digit}))"
    return f"{calls} {written} {ok()}"


SAID = (
    f"(i32.mul (i32.load8_u (i32.const {ANSWER_AT}))"
    f" (i32.add (i32.const 1) (i32.load8_u (i32.const {ANSWER_AT + 1}))))"
)
"""What `send` answered: 0, or the positive of what core modules get."""


def sent(*stores: str) -> str:
    """WAT that sends a message, and answers with what `send` did."""
    return telling(record(*stores) + SEND, SAID)
