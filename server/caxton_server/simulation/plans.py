"""Plans: what kind of world a seed makes: its storage, its luck, and how much of what is over it keeps."""

from __future__ import annotations

from random import Random

import msgspec
from caxton_core.ports import Durability
from caxton_core.testing_faults import FaultRates
from caxton_core.units import ByteSize, Duration

from caxton_server.config import Config
from caxton_server.config_sections import RetentionConfig, RuntimeConfig, StorageConfig

KIB = 1024
DAY_MS = 86_400_000
TTL_MS = 90_000
"""How long a conversation may last: worlds are short."""


class Plan(msgspec.Struct, frozen=True):
    """One kind of world."""

    durability: Durability
    commit_seconds: float
    slow: float
    reading_seconds: float
    rates: FaultRates
    crash_seconds: float
    unrest: float
    jumps: bool
    checkpoint: int
    messages_ms: int
    history_ms: int
    size: int | None

    @property
    def failing(self) -> bool:
        """Tell whether the storage may fail."""
        return self.rates != FaultRates()

    @property
    def forgets_events(self) -> bool:
        """Tell whether events are deleted while the world lives."""
        return self.history_ms < DAY_MS or self.size is not None

    def config(self) -> Config:
        """Return the configuration of its nodes."""
        retention = RetentionConfig(
            messages=Duration(self.messages_ms),
            conversations=Duration(self.history_ms),
            events=Duration(self.history_ms),
            size=None if self.size is None else ByteSize(self.size),
        )
        return Config(
            runtime=RuntimeConfig(conversation_ttl=Duration(TTL_MS)),
            storage=StorageConfig(checkpoint=ByteSize(self.checkpoint), retention=retention),
        )


def draw(chance: Random) -> Plan:
    """Draw the plan of a world."""
    rates = FaultRates()
    if chance.random() < 0.6:
        few = chance.choice((0.01, 0.05, 0.2))
        rates = FaultRates(full=few, unavailable=few, unknown=few, longest=chance.choice((1, 4, 9)))
    luck = chance.random()
    durability: Durability = "disk"
    if luck < 0.2:
        durability = "process"
    elif luck < 0.25:
        durability = "memory"
    return Plan(
        durability=durability,
        commit_seconds=chance.choice((0.000_3, 0.002, 0.02)),
        slow=chance.choice((0.0, 0.01, 0.05)),
        reading_seconds=chance.choice((0.000_01, 0.000_1, 0.001)),
        rates=rates,
        crash_seconds=chance.choice((1.0, 3.0, 10.0)),
        unrest=chance.choice((0.0, 0.05, 0.15)),
        jumps=chance.random() < 0.3,
        checkpoint=chance.choice((2 * KIB, 8 * KIB, 64 * KIB * KIB)),
        messages_ms=chance.choice((0, 1_000, 10_000, DAY_MS)),
        history_ms=chance.choice((5_000, 20_000, 7 * DAY_MS, 7 * DAY_MS)),
        size=chance.choice((None, None, 64 * KIB)),
    )
