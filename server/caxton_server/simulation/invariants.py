"""What must be true of every world, and how a world says that it is not."""

from __future__ import annotations


class Broken(Exception):
    """An invariant does not hold: `invariant` names it as docs/simulation.md does."""

    def __init__(self, invariant: str, detail: str) -> None:
        super().__init__(f"{invariant}: {detail}")
        self.invariant, self.detail = invariant, detail


def broken(invariant: str, detail: str) -> Broken:
    """Return what to raise when an invariant does not hold."""
    return Broken(invariant, detail)
