"""Supervision: whether and when an agent whose instance died is started again.

Rules:
- Pure: the caller passes the time and a random number, keeps the history and waits.
- The first restart is at once; each further one within the policy's span waits twice as long as the one before,
  from 0.2 s up to 30 s, shortened at random by up to a half so that agents don't come back in step.
- A span without a restart resets the delay; more restarts than allowed within one span end in giving up.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

from caxton_core.resources import RestartPolicy

FIRST_DELAY: Final = 0.2
LONGEST_DELAY: Final = 30.0

History: TypeAlias = tuple[float, ...]
"""The times (seconds, monotonic) of the restarts that still count."""


class Restart(msgspec.Struct, frozen=True):
    """Start the agent again after so many seconds; `history` is the one to pass next time."""

    after: float
    history: History


class GiveUp(msgspec.Struct, frozen=True):
    """Leave the agent as it is: it is failed after a fault, stopped after an orderly end."""

    reason: Literal["policy", "too-many-restarts"]


def supervise(
    policy: RestartPolicy, *, history: History, now: float, jitter: float, orderly: bool = False
) -> Restart | GiveUp:
    """Decide what follows the end of an instance; `jitter` is a random number from 0 to 1.

    >>> supervise(RestartPolicy(), history=(), now=10.0, jitter=0.0)
    Restart(after=0.0, history=(10.0,))
    >>> supervise(RestartPolicy(), history=(10.0,), now=11.0, jitter=0.0)
    Restart(after=0.2, history=(10.0, 11.0))
    >>> supervise(RestartPolicy("temporary"), history=(), now=10.0, jitter=0.0)
    GiveUp(reason='policy')
    """
    if policy.policy == "temporary" or (orderly and policy.policy == "transient"):
        return GiveUp("policy")
    recent = tuple(time for time in history if now - time < policy.within_s)
    if len(recent) >= policy.max_restarts:
        return GiveUp("too-many-restarts")
    delay = 0.0
    if recent:
        # 2**8 is past the longest delay; a larger exponent could only overflow.
        delay = min(FIRST_DELAY * 2 ** min(len(recent) - 1, 8), LONGEST_DELAY)
    return Restart(delay * (1 - jitter / 2), (*recent, now))
