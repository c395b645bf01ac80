"""Components changed at random: most often in a core module inside, whose code decides what the node is handed.

Rules:
- A mutant is known by its seed and its number alone, so that any of them can be made again.
- Most changes keep a component valid: one that is refused at once proves little.
"""

from __future__ import annotations

import functools
import random

from tests.hostile.components import (
    EXTRAS,
    LIST_AT,
    PUT,
    RECEIVERS,
    SEND,
    content,
    listed,
    number,
    ok,
    record,
    sent,
    to,
    whole,
)
from tests.hostile.mutants import (
    CHANGES,
    change_bits,
    change_counts,
    change_sections,
    changed,
    changed_gently,
    parts_of,
)
from tests.hostile.mutants import whole as joined
from tests.plugins.sandboxes.components import DATA, ECHO, NOTHING, OUT, failing, reply, saying

_CORE_MODULE = 1
_GENTLY = 0.9
_POST = {"handle": '(post-return (core func $main "post"))'}


@functools.cache
def seeds() -> tuple[bytes, ...]:
    """Return the components that were written by hand."""
    state = f"{number(OUT, 8, 1)} {listed(OUT + 4, DATA, 5)} (i32.const {OUT})"
    values = f"""(drop {PUT.format(DATA, 4, DATA, 9)}) (call $state-get (i32.const {DATA}) (i32.const 4) (i32.const {LIST_AT}))
      (call $set-timer (i64.const 1000) (i32.const {DATA}) (i32.const 9) (i32.const {LIST_AT}))
      (call $random (i32.const 64) (i32.const {LIST_AT}))
      (call $log (i32.const 2) (i32.const {DATA}) (i32.const 9)) (drop (call $now-ms)) {NOTHING}"""
    return tuple(
        make()
        for make in (
            whole(ECHO, export_state=state),
            whole(ECHO, init=values, data="neighbour"),
            whole(values, data="neighbour", export_state=state),
            whole(sent(content(DATA + 9, 2), to(9)), data="neighbour[]"),
            whole(f"{record(listed(EXTRAS, LIST_AT, 0))} {SEND} {record(listed(RECEIVERS, LIST_AT, 1))} {SEND} {NOTHING}"),
            whole(saying('"hello"'), data='"hello"'),
            whole(reply(listed(OUT + 24, LIST_AT, 1), listed(OUT + 184, LIST_AT, 1))),
            whole(failing("not today"), data="not today"),
            whole(ok(), data="9", lift=_POST, more='(func (export "post") (param i32))'),
            whole(ECHO, lower="string-encoding=utf16"),
        )
    )  # fmt: skip


def mutant(seed: int, number: int) -> bytes:
    """Make a mutant."""
    chance = random.Random(f"component {seed}/{number}")
    data = chance.choice(seeds())
    for _ in range(1 + chance.randrange(CHANGES)):
        change = chance.choices(
            (_inside, change_sections, change_counts, change_bits), (40, 1, 1, 2)
        )
        data = change[0](chance, data)
    return data


def _inside(chance: random.Random, data: bytes) -> bytes:
    """Change a core module, the others and all that binds them being as they were."""
    parts = parts_of(data)
    places = [place for place, (kind, _) in enumerate(parts) if kind == _CORE_MODULE]
    if not places:
        return data
    place = chance.choice(places)
    change = changed_gently if chance.random() < _GENTLY else changed
    parts[place] = (_CORE_MODULE, change(chance, parts[place][1]))
    return joined(parts, head=data[:8])
