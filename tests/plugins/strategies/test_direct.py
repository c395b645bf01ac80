"""The direct strategy: everything at once, and nothing lost when it goes wrong."""

from __future__ import annotations

from typing import Literal

import pytest
from caxton_core.deployments import (
    DEPLOYMENT,
    Asked,
    Deployment,
    DeploymentState,
    Measured,
    Observation,
    Promoted,
    TimerFired,
    Validated,
    VersionFailed,
    VersionStarted,
)
from caxton_core.effects import (
    Advance,
    Promote,
    Rollback,
    RolloutEffect,
    ShiftTraffic,
    StartVersion,
    StopVersion,
)
from caxton_core.ids import AgentId, DeploymentId, ModuleDigest
from caxton_core.units import Percentage
from caxton_plugins.strategies.direct import DirectStrategy
from returns.result import Success

STATE = DeploymentState
FAULT = VersionFailed("trap", "unreachable executed")


def decide(
    state: DeploymentState, observation: Observation, *, previous: str = "1"
) -> tuple[RolloutEffect, ...]:
    """Ask the strategy about version 2 after `previous`."""
    deployment = Deployment(
        id=DeploymentId("d"),
        agent=AgentId(7),
        version="2",
        previous=previous,
        module=ModuleDigest.of(b""),
        state=state,
        created=1,
    )
    return DirectStrategy().decide(deployment, observation)


def test_a_good_version_takes_over() -> None:
    """It is started, gets all traffic, is promoted, and the version before is stopped."""
    assert decide(STATE.VALIDATING, Validated()) == (Advance("deploy"), StartVersion("2"))
    assert decide(STATE.DEPLOYING, VersionStarted()) == (
        Advance("promote"),
        ShiftTraffic("2", Percentage(100)),
        Promote("2"),
    )
    assert decide(STATE.PROMOTING, Promoted()) == (Advance("complete"), StopVersion("1"))


def test_the_first_version_stops_nothing() -> None:
    """An agent's first deployment has no version before it."""
    assert decide(STATE.PROMOTING, Promoted(), previous="") == (Advance("complete"),)


def test_a_version_that_does_not_start_fails_alone() -> None:
    """It is stopped, and the version before never lost its traffic."""
    assert decide(STATE.DEPLOYING, FAULT) == (
        Advance("fail", "trap: unreachable executed"),
        StopVersion("2"),
    )


def test_a_version_that_dies_while_promoted_gives_the_traffic_back() -> None:
    """Traffic that was shifted goes back to the version before."""
    assert decide(STATE.PROMOTING, FAULT) == (
        Advance("fail", "trap: unreachable executed"),
        Rollback("1", "trap"),
        StopVersion("2"),
    )


@pytest.mark.parametrize(
    ("state", "verb", "event"),
    [
        (STATE.VALIDATING, "abort", "abort"),
        (STATE.DEPLOYING, "abort", "abort"),
        (STATE.DEPLOYING, "rollback", "rollback"),
        (STATE.PROMOTING, "rollback", "rollback"),
        (STATE.RUNNING, "rollback", "rollback"),
    ],
)
def test_somebody_may_ask_to_go_back(
    state: DeploymentState, verb: Literal["abort", "rollback"], event: str
) -> None:
    """Abort and rollback end the deployment and stop its version."""
    effects = decide(state, Asked(verb))
    assert (effects[0], effects[-1]) == (Advance(event, "asked for"), StopVersion("2"))


OBSERVATIONS: list[Observation] = [
    Validated(),
    VersionStarted(),
    FAULT,
    Promoted(),
    TimerFired("t"),
    Measured(1, 0, {}),
    *(Asked(verb) for verb in ("pause", "resume", "promote", "abort", "rollback")),
]


@pytest.mark.parametrize("state", list(STATE))
@pytest.mark.parametrize("observation", OBSERVATIONS, ids=repr)
@pytest.mark.parametrize("previous", ["", "1"])
def test_every_advance_is_legal(
    state: DeploymentState, observation: Observation, previous: str
) -> None:
    """Whatever is observed in whatever state, the strategy asks for no move the table refuses."""
    for effect in decide(state, observation, previous=previous):
        if isinstance(effect, Advance):
            assert isinstance(DEPLOYMENT.fire(state, effect.event), Success)
