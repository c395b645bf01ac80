"""What a component may call: the interface `node` of the world.

Rules:
- Each import runs Python on the guest's own stack, between two of its instructions: no body may run a guest.
- Every exception ends in an error, which kills the instance; what was raised is logged, and named in the fault.
- The time of a slice that makes host calls is bounded by throttling it, never by touching its fuel.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

from caxton_core.ports import Fault

from caxton_plugins.sandboxes.budgets import (
    HOST_CALLS,
    HOST_TIME,
    HOST_TIME_OF_MANY,
    LOG_LINE,
    MANY_CALLS,
    RANDOM,
    STATE_KEY,
    TOO_LARGE,
    Refused,
)
from caxton_plugins.sandboxes.components import answers, readers
from caxton_plugins.sandboxes.components.calls import Callback, define
from caxton_plugins.sandboxes.components.messages import NoMessage, write
from caxton_plugins.sandboxes.components.readers import Reader, TooMuch
from caxton_plugins.sandboxes.components.values import VALUE
from caxton_plugins.sandboxes.components.worlds import IMPORTS, LEVELS, NODE

if TYPE_CHECKING:
    from wasmtime.component import Linker

    from caxton_plugins.sandboxes.components.guest import ComponentGuest

NOT_A_MESSAGE: Final = -1
_LONGEST_DELAY: Final = (1 << 63) - 1
_LEVEL_NAME: Final = 16

Body: TypeAlias = "Callable[[ComponentGuest, int, int], None]"
"""A host function: the guest, where its arguments are, and where its result goes."""

_log = logging.getLogger("caxton.sandbox")
_now = time.perf_counter


class Turn:
    """Whose turn it is: the guest that runs now, of all that share an engine's imports."""

    __slots__ = ("guest",)

    def __init__(self) -> None:
        self.guest: ComponentGuest | None = None


def _send(guest: ComponentGuest, given: int, result: int) -> None:
    try:
        wire = write(Reader(guest.largest).message(given))
        code = TOO_LARGE if len(wire) > guest.largest else guest.host.send(wire)
    except TooMuch:
        code = TOO_LARGE
    except NoMessage:
        code = NOT_A_MESSAGE
    answers.answer_refusal(result, code)


def _log_line(guest: ComponentGuest, given: int, _result: int) -> None:
    level = LEVELS.index(Reader(_LEVEL_NAME).text(given))
    guest.host.log(level, readers.read_start(given + VALUE, LOG_LINE))


def _now_ms(guest: ComponentGuest, _given: int, result: int) -> None:
    answers.answer_number(result, guest.host.now_ms())


def _random(guest: ComponentGuest, given: int, result: int) -> None:
    size = readers.read_number(given)
    if size > RANDOM:
        raise Refused(f"{size} random bytes were asked for; {RANDOM} are allowed at once")
    answers.answer_bytes(result, guest.host.random(size))


def _state_get(guest: ComponentGuest, given: int, result: int) -> None:
    key = readers.read_bytes(given, STATE_KEY)
    answers.answer_some_bytes(result, None if key is None else guest.host.state_get(key))


def _state_put(guest: ComponentGuest, given: int, result: int) -> None:
    key = readers.read_bytes(given, STATE_KEY)
    value = readers.read_bytes(given + VALUE, guest.state_quota)
    kept = key is not None and value is not None and guest.host.state_put(key, value) == 0
    answers.answer_bool(result, kept)


def _state_delete(guest: ComponentGuest, given: int, result: int) -> None:
    key = readers.read_bytes(given, STATE_KEY)
    answers.answer_bool(result, key is not None and guest.host.state_delete(key) == 0)


def _set_timer(guest: ComponentGuest, given: int, result: int) -> None:
    payload = readers.read_bytes(given + VALUE, guest.largest)
    delay = min(readers.read_number(given), _LONGEST_DELAY)
    timer = -1 if payload is None else guest.host.set_timer(delay, payload)
    answers.answer_some_number(result, None if timer < 0 else timer)


def _cancel_timer(guest: ComponentGuest, given: int, result: int) -> None:
    timer = readers.read_number(given)
    answers.answer_bool(result, guest.host.cancel_timer(timer) == 0)


BODIES: Final[dict[str, Body]] = {
    "send": _send,
    "log": _log_line,
    "now-ms": _now_ms,
    "random": _random,
    "state-get": _state_get,
    "state-put": _state_put,
    "state-delete": _state_delete,
    "set-timer": _set_timer,
    "cancel-timer": _cancel_timer,
}
assert list(BODIES) == list(IMPORTS)


def link(linker: Linker, turn: Turn) -> list[object]:
    """Define the imports; keep what is returned as long as the linker."""
    with linker.root() as root, root.add_instance(NODE) as node:
        return [define(node, name, bridge(turn, name, body)) for name, body in BODIES.items()]


def bridge(turn: Turn, name: str, body: Body) -> Callback:
    """Wrap a body in what every host call needs: count, time budget, and no way out for exceptions."""

    def call(
        _env: object,
        _context: object,
        _type: object,
        given: int,
        _count: int,
        result: int,
        _results: int,
    ) -> int | None:
        guest = turn.guest
        assert guest is not None
        try:
            guest.host_calls = calls = guest.host_calls + 1
            if calls > HOST_CALLS:
                return guest.refuse(
                    Fault("host-calls", f"more than {HOST_CALLS} host calls in a step")
                )
            body(guest, given, result)
            if (
                _now() - guest.slice_began
                > (HOST_TIME if calls < MANY_CALLS else HOST_TIME_OF_MANY)
                and guest.never_lets_go()
            ):
                return guest.refuse(Fault("time", "its host calls never let go of the thread"))
        except Refused as error:
            return guest.refuse(Fault("trap", f"{name}: {error}"))
        except BaseException as error:  # noqa: BLE001  # whatever leaves a callback is lost, and the guest runs on
            _log.error("host call %s failed", name, exc_info=error)
            return guest.refuse(
                Fault("trap", f"{name}: the host failed: {type(error).__name__}: {error}")
            )
        return None

    return call
