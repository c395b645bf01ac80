"""The direct strategy: a new version gets all new conversations as soon as it runs.

Rules:
- The version before keeps its conversations until they end, and is stopped then.
- Whatever goes wrong before the promotion leaves the version before as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from caxton_core.deployments import (
    Asked,
    Deployment,
    DeploymentState,
    Observation,
    Promoted,
    Strategy,
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
from caxton_core.hookspecs import hookimpl
from caxton_core.units import Percentage

caxton_api = 1

ALL: Final = Percentage(100)


class DirectStrategy:
    """Start, shift everything, promote."""

    name = "direct"

    def decide(
        self, deployment: Deployment[DeploymentState], observation: Observation, /
    ) -> tuple[RolloutEffect, ...]:
        """Answer an observation; what does not fit the deployment's state changes nothing."""
        new, old = deployment.version, deployment.previous
        match deployment.state, observation:
            case DeploymentState.VALIDATING, Validated():
                return (Advance("deploy"), StartVersion(new))
            case DeploymentState.DEPLOYING, VersionStarted():
                return (Advance("promote"), ShiftTraffic(new, ALL), Promote(new))
            case DeploymentState.PROMOTING, Promoted():
                return (Advance("complete"), *((StopVersion(old),) if old else ()))
            case (
                (
                    DeploymentState.VALIDATING
                    | DeploymentState.DEPLOYING
                    | DeploymentState.PROMOTING
                ),
                VersionFailed(reason, detail),
            ):
                back = (
                    (Rollback(old, reason),)
                    if old and deployment.state is DeploymentState.PROMOTING
                    else ()
                )
                return (Advance("fail", f"{reason}: {detail}"), *back, StopVersion(new))
            case ((DeploymentState.VALIDATING | DeploymentState.DEPLOYING), Asked("abort")):
                return (Advance("abort", "asked for"), StopVersion(new))
            case DeploymentState.DEPLOYING, Asked("rollback"):
                return (Advance("rollback", "asked for"), StopVersion(new))
            case ((DeploymentState.PROMOTING | DeploymentState.RUNNING), Asked("rollback")) if old:
                return (
                    Advance("rollback", "asked for"),
                    StartVersion(old),
                    Rollback(old, "asked for"),
                    StopVersion(new),
                )
            case _:
                return ()


@hookimpl
def caxton_strategies() -> Sequence[Strategy]:
    """Bring the direct strategy."""
    return (DirectStrategy(),)
