"""All hostile cases, by subject."""

from __future__ import annotations

from tests.hostile.cases import Case
from tests.hostile.corpus import loops, memories, traps

CASES: tuple[Case, ...] = (*loops.CASES, *memories.CASES, *traps.CASES)
