"""The option type of durations such as `5s` or `250ms`."""

from __future__ import annotations

import click


class DurationType(click.ParamType[float]):
    """A duration with its unit; the command gets seconds."""

    name = "duration"

    def convert(
        self, value: str | float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read the text, or fail as click does."""
        from caxton_core.units import Duration
        from returns.result import Failure

        if isinstance(value, float):
            return value
        parsed = Duration.parse(str(value))
        if isinstance(parsed, Failure):
            self.fail(str(parsed.failure()), param, ctx)
        return Duration.seconds(parsed.unwrap())


DURATION = DurationType()
