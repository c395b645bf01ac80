"""Random moves of random agents: the engine and the oracle must never disagree."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from tests.plugins.protocols.games import PROTOCOLS, Game, play

pytestmark = pytest.mark.once

RANDOM = st.randoms(use_true_random=False)


class RandomConversation(RuleBasedStateMachine):
    """One conversation, whose moves hypothesis chooses and makes fewer when it finds a difference."""

    game: Game

    @initialize(random=RANDOM)
    def begin(self, random: Random) -> None:
        """Open a conversation of some protocol with a few participants."""
        self.game = Game(random, Counter())

    @rule(random=RANDOM)
    def participant(self, random: Random) -> None:
        """Let a participant speak."""
        self.game.random = random
        self.game.participant()

    @rule(random=RANDOM)
    def initiator(self, random: Random) -> None:
        """Let the initiator speak."""
        self.game.random = random
        self.game.initiator()

    @rule(random=RANDOM)
    def other(self, random: Random) -> None:
        """Let noise, the platform or time happen."""
        self.game.random = random
        random.choice([self.game.noise, self.game.ams, self.game.read])()

    def teardown(self) -> None:
        """Whatever was said, the time-to-live ends it."""
        if hasattr(self, "game"):
            self.game.finish()


def test_engine_and_oracle_agree() -> None:
    """Whatever is said by whomever, both give the same verdicts, states and outcomes."""
    run_state_machine_as_test(
        RandomConversation,
        settings=settings(
            max_examples=150,
            stateful_step_count=20,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )


def test_likely_conversations_come_to_every_end() -> None:
    """Moves that are mostly legal take every row of an act and lead to each protocol's own ends."""
    tally = play(2500, 1)
    good = {"fipa-auction-english": "sold", "fipa-auction-dutch": "sold", "caxton-negotiation": "accepted"}  # fmt: skip
    good |= {"fipa-propose": "accepted"}
    endless = {"fipa-subscribe", "caxton-request-whenever", "fipa-brokering", "fipa-recruiting"}
    for name in PROTOCOLS:
        end = "cancelled" if name in endless else good.get(name, "success")
        assert tally[name, f"ends {end}"], (name, end)
        assert tally[name, "ends expired"]
    for name, protocol in PROTOCOLS.items():
        for source, event, target in protocol.table.moves():
            bare = event.partition("/")[0]
            if source != protocol.initial and bare.partition(":")[0] in {
                "initiator",
                "participant",
            }:
                assert tally[name, f"row {source} {bare} {target}"], (name, source, event)
    for name in ("fipa-auction-english", "fipa-auction-dutch"):
        assert tally[name, "ends unsold"]
