"""The memory all guests share: whatever they do and in whatever order, they never have more than the node's."""

from __future__ import annotations

from random import Random

import pytest
from caxton_core.budgets import OVERHEAD, STEP, UNLIMITED, Budget
from caxton_core.errors import LimitExceeded

MIB = 1 << 20


class Guest:
    """A guest that takes all it can get: it grows up to its cap, which it may set only while it does not run."""

    def __init__(self, budget: Budget, own: int, minimum: int = STEP) -> None:
        self.budget, self.own, self.size = budget, own, minimum
        self.cap = min(own, minimum + budget.room)
        budget.enter(self, minimum)

    def grow(self, by: int) -> bool:
        """Grow, unless that is over the cap; then say so, and only then take the new room over."""
        if self.size + by > self.cap:
            return False
        self.size += by
        self.budget.grew(by, self)
        self.fit()
        return True

    def fit(self) -> None:
        """Take the room over."""
        self.cap = min(self.own, self.size + self.budget.room)

    def close(self) -> None:
        """End."""
        self.budget.leave(self, self.size)


def test_without_a_limit_it_only_counts() -> None:
    """Nobody is refused and nobody is held back."""
    budget = Budget()
    guest = Guest(budget, 1 << 40)
    assert guest.cap == 1 << 40
    assert (budget.used, budget.room) == (STEP + OVERHEAD, UNLIMITED)
    assert budget.refusal(1 << 50) is None


def test_a_start_that_does_not_fit_is_refused_with_its_figures() -> None:
    """What is used, what is asked for and the limit are in the refusal; what ends first does not count."""
    budget = Budget(MIB)
    guest = Guest(budget, MIB, minimum=MIB // 2)
    assert budget.refusal(MIB // 4) is None
    refused = budget.refusal(MIB // 2)
    assert refused == LimitExceeded("runtime.node_memory", MIB, MIB + 2 * OVERHEAD)
    assert budget.refusal(MIB // 2, instead=guest.size + OVERHEAD) is None


def test_a_closed_guest_gives_back_what_it_had() -> None:
    """The books are empty when everybody is gone, and growing is free again."""
    budget = Budget(8 * MIB)
    room = budget.room
    first, second = Guest(budget, 8 * MIB), Guest(budget, 8 * MIB)
    while first.grow(STEP):
        pass
    assert not second.grow(MIB)
    first.close()
    assert second.grow(MIB)
    second.close()
    assert (budget.used, budget.linear, budget.instances, budget.room) == (0, 0, 0, room)


@pytest.mark.parametrize("seed", range(20))
def test_no_order_of_growing_takes_more_than_there_is(seed: int) -> None:
    """Guests that start, grow greedily by any amount, and end never have more than the limit together."""
    random = Random(seed)
    limit = random.choice([MIB, 10 * MIB, 64 * MIB, 1000 * MIB])
    budget = Budget(limit)
    guests: list[Guest] = []
    for _ in range(400):
        choice = random.random()
        if choice < 0.2 and budget.refusal(STEP) is None:
            guests.append(Guest(budget, random.choice([STEP, MIB, 16 * MIB, 1 << 32])))
        elif choice < 0.25 and guests:
            guests.pop(random.randrange(len(guests))).close()
        elif guests:
            random.choice(guests).grow(STEP * random.choice([1, 1, 2, 5, 50, 1000]))
        assert budget.used == sum(guest.size + OVERHEAD for guest in guests)
        assert budget.used <= limit
        for guest in guests:
            assert guest.cap <= guest.size + budget.free


def test_the_room_follows_from_afar() -> None:
    """Growing and shrinking by a little around any point does not move everybody's cap every time."""
    budget = Budget(100 * MIB)
    fits = 0

    class Counted(Guest):
        def fit(self) -> None:
            nonlocal fits
            fits += 1
            super().fit()

    watched = Counted(budget, MIB)
    fits = 0
    for _ in range(100):
        for _ in range(10):
            budget.grew(MIB)
        for _ in range(10):
            budget.grew(-MIB)
    assert fits == 0
    budget.grew(90 * MIB)
    fits = 0
    for _ in range(100):
        budget.grew(4 * MIB)
        budget.grew(-4 * MIB)
    assert fits <= 1
    watched.close()
