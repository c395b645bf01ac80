"""All hostile cases, by subject."""

from __future__ import annotations

from tests.hostile.cases import Case
from tests.hostile.corpus import (
    bombs,
    buffers,
    features,
    floods,
    loops,
    malformed,
    memories,
    messages,
    packs,
    pointers,
    stores,
    traps,
    wasi,
)

SUBJECTS = (
    loops,
    memories,
    traps,
    pointers,
    floods,
    messages,
    packs,
    buffers,
    stores,
    malformed,
    bombs,
    features,
    wasi,
)
CASES: tuple[Case, ...] = tuple(case for subject in SUBJECTS for case in subject.CASES)
