"""Option types: durations such as `5s` or `250ms`, and numbers that stay whole."""

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


class NumberType(click.ParamType[float]):
    """A number; a whole one stays an integer."""

    name = "number"

    def convert(
        self, value: str | float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read the text, or fail as click does."""
        import json
        import math

        if not isinstance(value, str):
            return value
        try:
            number = json.loads(value)
        except ValueError:
            number = None
        if type(number) not in (int, float) or not math.isfinite(number):
            self.fail(f"{value!r} is no number", param, ctx)
        read: float = number
        return read


NUMBER = NumberType()
