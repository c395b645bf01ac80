"""fipa-request-when (SC00028): one asks the other to do something once a condition holds.

Rules:
- agree can't be left out: between it and the result lies a wait without bound;
- no refuse after agree, and one result only.
"""

from __future__ import annotations

from typing import Final

from caxton_core.conversations_protocols import Protocol
from caxton_core.hookspecs import hookimpl
from caxton_core.tables import Table, Transition

from caxton_plugins.protocols.request import (
    AGREE,
    EXPIRE,
    FAIL,
    REFUSE,
    AwaitingResponse,
    AwaitingResult,
    Done,
    Initial,
    RequestState,
)

__all__ = ["PROTOCOL", "REQUEST_WHEN", "caxton_api", "caxton_protocols"]

caxton_api = 1

_: Final = RequestState
ASK_WHEN: Transition[Initial, AwaitingResponse] = Transition(
    "initiator:request-when", (_.INITIAL,), _.AWAITING_RESPONSE
)
REPORT: Transition[AwaitingResult, Done] = Transition(
    "participant:inform", (_.AWAITING_RESULT,), _.DONE
)
REQUEST_WHEN = Table(
    "fipa-request-when", _.INITIAL, ASK_WHEN, AGREE, REFUSE, REPORT, FAIL, EXPIRE
)  # fmt: skip

PROTOCOL = Protocol("fipa-request-when", REQUEST_WHEN)


@hookimpl
def caxton_protocols() -> list[Protocol]:
    """Add this protocol."""
    return [PROTOCOL]
