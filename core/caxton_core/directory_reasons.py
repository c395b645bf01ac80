"""Why the AMS or the DF does not do what it was asked (FIPA SC00023)."""

from __future__ import annotations

from typing import Final

import msgspec

from caxton_core.directory_terms import Term, Text


class Reason(msgspec.Struct, frozen=True):
    """Why something is not done: a proposition of `fipa-agent-management`, and what it speaks of."""

    name: str
    arguments: tuple[Term, ...] = ()

    @property
    def term(self) -> Term:
        """The proposition."""
        return (self.name, *self.arguments)


UNAUTHORISED: Final = Reason("unauthorised")
ALREADY_REGISTERED: Final = Reason("already-registered")
NOT_REGISTERED: Final = Reason("not-registered")


def internal_error(detail: str) -> Reason:
    """Return the reason for what is nobody's fault."""
    return Reason("internal-error", (Text(detail),))
