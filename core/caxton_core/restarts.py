"""Supervision: whether and when an agent whose instance died is started again.

Rules:
- Pure: the caller passes the time and a random number, keeps the history and waits. Times are epoch milliseconds, because
  a history outlives the process; one that lies ahead, since the clock was set back, counts as now.
- The first restart is at once; each further one in a row waits twice as long as the one before, from 0.2 s up to 30 s
  (`delay_before`), shortened at random by up to a fifth so that agents don't come back in step.
- An instance that lives for the policy's span ends the row. No span sees more restarts than the policy allows: the one
  that would be too many is not made, and the agent is given up.
- What dies at a message that is tried again dies of the message: that one's own pause and number of attempts bound it, so it
  is restarted at once, and it does not count.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from caxton_core.resources import RestartPolicy

FIRST_DELAY: Final = 200
LONGEST_DELAY: Final = 30_000


class History(msgspec.Struct, frozen=True, array_like=True):
    """The restarts that still count: when each was due, and how many there were in a row without a healthy span."""

    times: tuple[int, ...] = ()
    streak: int = 0


class Restart(msgspec.Struct, frozen=True):
    """Start the agent again after so many milliseconds; `history` is the one to pass next time."""

    after: int
    history: History


class GiveUp(msgspec.Struct, frozen=True):
    """Start it no more: after an orderly end it is stopped if its policy says so; in any other case it is failed."""

    reason: Literal["policy", "too-many-restarts"]


def delay_before(restart: int) -> int:
    """Return how long the n-th restart in a row waits, in milliseconds, before chance shortens it.

    >>> [delay_before(n) for n in (1, 2, 3, 4, 9, 10, 1000)]
    [0, 200, 400, 800, 25600, 30000, 30000]
    """
    if restart <= 1:
        return 0
    # 2**8 is past the longest delay; a larger exponent could only overflow.
    return min(FIRST_DELAY << min(restart - 2, 8), LONGEST_DELAY)


def supervise(
    policy: RestartPolicy,
    *,
    history: History,
    now: int,
    jitter: float,
    orderly: bool = False,
    retried: bool = False,
) -> Restart | GiveUp:
    """Decide what follows the end of an instance; `jitter` is a random number from 0 to 1.

    Args:
        orderly: it ended itself, without a fault.
        retried: it died at a message that had been tried before.

    >>> supervise(RestartPolicy(), history=History(), now=10_000, jitter=0.0)
    Restart(after=0, history=History(times=(10000,), streak=1))
    >>> supervise(RestartPolicy(), history=History((10_000,), 1), now=11_000, jitter=0.0)
    Restart(after=200, history=History(times=(10000, 11200), streak=2))
    >>> supervise(RestartPolicy("temporary"), history=History(), now=10_000, jitter=0.0)
    GiveUp(reason='policy')
    """
    if policy.policy == "temporary" or (orderly and policy.policy == "transient"):
        return GiveUp("policy")
    if retried and policy.max_restarts:
        return Restart(0, history)
    span = policy.within_s * 1000
    times = tuple([min(time, now) for time in history.times])
    streak = history.streak + 1 if times and now - times[-1] < span else 1
    after = round(delay_before(streak) * (1 - jitter / 5))
    recent = tuple([time for time in times if now + after - time < span])
    if len(recent) >= policy.max_restarts:
        return GiveUp("too-many-restarts")
    return Restart(after, History((*recent, now + after), streak))
