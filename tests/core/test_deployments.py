"""Deployments: the moves of a rollout, and what can be stored of them."""

from __future__ import annotations

import msgspec
import pytest
from caxton_core import deployments
from caxton_core.deployments import (
    DEPLOYMENT,
    LIVE,
    BlueGreen,
    Canary,
    CanaryStage,
    Deployment,
    DeploymentState,
    DeploymentStrategy,
    Direct,
    MetricComparison,
    Shadow,
)
from caxton_core.ids import AgentId, DeploymentId, ModuleDigest
from caxton_core.units import Duration, Percentage
from returns.result import Success


def in_state(
    state: DeploymentState, *, plan: DeploymentStrategy | None = None
) -> Deployment[DeploymentState]:
    """Return a deployment in a state."""
    return Deployment(
        id=DeploymentId("d"),
        agent=AgentId(7),
        version="2",
        module=ModuleDigest.of(b""),
        state=state,
        created=1,
        plan=plan or Direct(),
    )


@pytest.mark.parametrize(("state", "event", "target"), list(DEPLOYMENT.moves()))
def test_legal_events_change_the_state_only(
    state: DeploymentState, event: str, target: DeploymentState
) -> None:
    """A legal event leads to the table's state and leaves the rest as it was."""
    assert deployments.fire(in_state(state), event) == Success(in_state(target))


def test_an_ended_deployment_stays_ended() -> None:
    """Failed, rolled back, aborted and superseded are final."""
    assert set(DEPLOYMENT.final_states()) == {
        DeploymentState.FAILED,
        DeploymentState.ROLLED_BACK,
        DeploymentState.ABORTED,
        DeploymentState.SUPERSEDED,
    }


@pytest.mark.parametrize("state", sorted(LIVE))
def test_a_rollout_under_way_can_fail(state: DeploymentState) -> None:
    """Every state of a rollout under way answers the event of a version that does not run."""
    assert DEPLOYMENT.fire(state, "fail") == Success(DeploymentState.FAILED)


def test_a_typed_row_gives_a_typed_deployment() -> None:
    """Following a row by its type is the same as firing its event."""
    deployment = in_state(DeploymentState.VALIDATING)
    taken = deployments.take(deployments.DEPLOY, deployment)  # type: ignore[misc]  # known at run time only
    assert Success(taken) == deployments.fire(deployment, "deploy")


@pytest.mark.parametrize(
    "plan",
    [
        Direct(),
        BlueGreen(warm_up=Duration(5000)),
        Canary(stages=(CanaryStage(Percentage(5), Duration(60_000)),)),
        Shadow(duration=Duration(1), compare=(MetricComparison("p99", Percentage(10)),)),
    ],
)
def test_a_deployment_survives_its_codec(plan: DeploymentStrategy) -> None:
    """A deployment can be stored and read back with its plan, whichever it is."""
    deployment = in_state(DeploymentState.PAUSED, plan=plan)
    for codec in (msgspec.json, msgspec.msgpack):
        assert (
            codec.decode(codec.encode(deployment), type=Deployment[DeploymentState]) == deployment
        )
