"""What the router answers: a message that may be sent, or why it may not.

Rules:
- A refusal's `result` is what the guest's `send` returns (docs/guests.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from caxton_core.conversations import Conversation
    from caxton_core.messages import Draft, FipaMessage
    from caxton_core.nesting import Codec

    from caxton_server.runtime.cells import Cell
    from caxton_server.runtime.kernel import PlatformAgent


class Refused(msgspec.Struct, frozen=True, gc=False):
    """Why a message may not be sent; `reason` is a code of docs/rest.md or of docs/conversations.md.

    `over` names the limit that was reached: the receiver's that is named, else the author's.
    """

    result: int
    reason: str
    detail: str
    receiver: str = ""
    admission: bool = False
    size: int = 0
    limit: int = 0
    over: str = ""


class Planned(msgspec.Struct, frozen=True, gc=False):
    """A message that may be sent: to whom, in which form, and the conversation after it.

    `missed`: receivers in the conversation that it can't reach; in `conversation` their legs have failed
    (docs/conversations.md), and its `author` is still to be told.
    """

    message: FipaMessage
    wires: dict[Codec, bytes]
    targets: tuple[Cell | PlatformAgent, ...]
    size: int
    before: Conversation | None = None
    conversation: Conversation | None = None
    awarded: tuple[str, ...] = ()
    draft: Draft | None = None
    missed: tuple[Refused, ...] = ()
    author: Cell | PlatformAgent | None = None


NOT_A_MESSAGE: Final = -1
NO_RECEIVER: Final = -2
MAILBOX_FULL: Final = -3
NOT_ALLOWED: Final = -4
NOT_LEGAL: Final = -5
TOO_LARGE: Final = -6
OVER_RATE: Final = -7
