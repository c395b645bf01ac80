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
_ = DeploymentState


class DirectStrategy:
    """Start, shift everything, promote."""

    name = "direct"

    def decide(
        self, deployment: Deployment[DeploymentState], observation: Observation, /
    ) -> tuple[RolloutEffect, ...]:
        """Answer an observation; what does not fit the deployment's state changes nothing."""
        new, old = deployment.version, deployment.previous
        match deployment.state, observation:
            case _.VALIDATING, Validated():
                return (Advance("deploy"), StartVersion(new))
            case _.DEPLOYING, VersionStarted():
                return (Advance("promote"), ShiftTraffic(new, ALL), Promote(new))
            case _.PROMOTING, Promoted():
                return (Advance("complete"), *((StopVersion(old),) if old else ()))
            case ((_.VALIDATING | _.DEPLOYING | _.PROMOTING), VersionFailed(reason, detail)):
                back = (Rollback(old, reason),) if old and deployment.state is _.PROMOTING else ()
                return (Advance("fail", f"{reason}: {detail}"), *back, StopVersion(new))
            case ((_.VALIDATING | _.DEPLOYING), Asked("abort")):
                return (Advance("abort"), StopVersion(new))
            case ((_.PROMOTING | _.RUNNING), Asked("rollback")) if old:
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
