"""All hostile cases, by subject."""

from __future__ import annotations

from tests.hostile.cases import Case
from tests.hostile.corpus import (
    bombs,
    buffers,
    components,
    features,
    floods,
    loops,
    malformed,
    memories,
    messages,
    packs,
    pointers,
    shapes,
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
    components,
    shapes,
)
CASES: tuple[Case, ...] = tuple(case for subject in SUBJECTS for case in subject.CASES)
