"""What the AMS and the DF answer: an act, and the action with its reason or its result as the content."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from caxton_core.directory_changes import Change
from caxton_core.directory_reasons import Reason
from caxton_core.directory_terms import Term, show
from caxton_core.messages import Performative


class Answer(msgspec.Struct, frozen=True):
    """What to answer, and what changes."""

    act: Performative
    content: str
    change: Change | None = None


def refused(action: Term, reason: Reason) -> Answer:
    """Refuse an action."""
    return Answer(Performative.REFUSE, show((action, reason.term)))


def failed(action: Term, reason: Reason) -> Answer:
    """Say that an action did not work."""
    return Answer(Performative.FAILURE, show((action, reason.term)))


def done_content(action: Term) -> str:
    """Say that an action is done.

    >>> done_content(("action", "x", ("y",)))
    '((done (action x (y))))'
    """
    return show((("done", action),))


def result_content(action: Term, value: str) -> str:
    """Say what came of an action; the value is SL0 already."""
    return f"((result {show(action)} {value}))"


def equal_content(expression: Term, value: str) -> str:
    """Say what an expression stands for now; the value is SL0 already."""
    return f"((= {show(expression)} {value}))"


def set_text(texts: Sequence[str]) -> str:
    """Return a set of terms that are written already.

    >>> set_text(["a", "b"]), set_text([])
    ('(set a b)', '(set)')
    """
    return f"(set {' '.join(texts)})" if texts else "(set)"
