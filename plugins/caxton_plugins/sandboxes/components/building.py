"""How a component is compiled and its types compared with the world's, in the compile service's child process."""

from __future__ import annotations

from typing import Final

from returns.result import Failure, Success
from wasmtime import Engine
from wasmtime.component import Component

from caxton_plugins.sandboxes.compilation.surveys import Built, Found, JobLimits, Kind
from caxton_plugins.sandboxes.components import sections
from caxton_plugins.sandboxes.components.engines import SETTINGS
from caxton_plugins.sandboxes.components.signatures import refuse_types


def _survey(data: bytes) -> Found:
    return sections.survey(data)


def _probe(_profile: str) -> None:
    Component(Engine(SETTINGS.config()), b"\0asm\x0d\0\1\0")


def _build(data: bytes, _profile: str) -> Built:
    engine = Engine(SETTINGS.config())
    component = Component(engine, data)
    if refusal := refuse_types(engine, component):
        return Failure(refusal)
    return Success(component.serialize())


# What bounds a compilation is how much code there may be (`sections.CODE`). These are for what that does not foresee: an
# interpreter takes 6 seconds of CPU on an idle machine, and on a crowded one was seen to take three times as much.
_LIMITS: Final = JobLimits(cpu_seconds=40, wall_seconds=60, memory=2 << 30, niceness=0)

KIND: Final = Kind(_LIMITS, _survey, _probe, _build)
