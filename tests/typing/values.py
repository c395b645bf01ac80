"""Values with a meaning don't stand in for each other."""

from __future__ import annotations

from typing import assert_type

from caxton_core.agents import Agent
from caxton_core.deployments import DEPLOY, PROMOTE, Deploying, Deployment, Failed, Validating, take
from caxton_core.errors import InvalidManifest, InvalidValue
from caxton_core.ids import AgentId, AgentName, ConversationId, MessageId
from caxton_core.resources import Limits, Manifest
from caxton_core.units import ByteSize, CpuMillis, Duration, Percentage
from returns.result import Result


def plain(number: int, text: str) -> None: ...


def conversation(id: ConversationId) -> None: ...


def legal(validating: Deployment[Validating]) -> None:
    assert_type(AgentId(1), AgentId)
    assert_type(AgentId.parse("1"), Result[AgentId, InvalidValue])
    assert_type(ByteSize.parse("1MiB"), Result[ByteSize, InvalidValue])
    assert_type(Percentage.from_ratio(0.5), Result[Percentage, InvalidValue])
    assert_type(Manifest.parse({}), Result[Manifest, InvalidManifest])
    assert_type(take(DEPLOY, validating), Deployment[Deploying])
    plain(ByteSize(1), AgentName("a"))


def illegal(failed: Deployment[Failed], message: MessageId) -> None:
    AgentName.address(5, "caxton")  # type: ignore[arg-type]
    Agent.new(5, AgentName("a"), version="1")  # type: ignore[arg-type]
    Agent.new(AgentId(5), "a", version="1")  # type: ignore[arg-type]
    Agent.new(AgentId(5), AgentName("a"), version="1", module=message)  # type: ignore[arg-type]
    conversation(message)  # type: ignore[arg-type]
    Limits(memory=Duration(5))  # type: ignore[arg-type]
    Limits(cpu_ms=Duration(5))  # type: ignore[arg-type]
    Limits(memory=CpuMillis(5))  # type: ignore[arg-type]
    Limits(memory=1024)  # type: ignore[arg-type]
    take(PROMOTE, failed)  # type: ignore[misc]
