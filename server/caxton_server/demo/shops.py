"""A job shop as agents: which ones there are, what runs them, what they are told."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import msgspec

from caxton_server.jobshop import Instance

DISPATCHER = "dispatcher"
KINDS = ("machine", "job", DISPATCHER)
SERVICE = "machining"
NET = "fipa-contract-net"
VERSION = "1.0.0"


def module_of(kind: str) -> bytes:
    """Return the module of one kind of agent."""
    return (files(__package__) / f"{kind}.wasm").read_bytes()


def bundled() -> dict[str, str]:
    """Return the text of each instance that comes with the package, by name."""
    return {
        entry.name.removesuffix(".txt"): entry.read_text(encoding="utf-8")
        for entry in sorted(files(__package__).iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".txt")
    }


def job_name(job: int) -> str:
    """Name the agent of a job."""
    return f"job-{job}"


def manifests(instance: Instance) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield kind and manifest of every agent, those that are addressed before those that address them.

    Their version ends with a checksum of the instance, so agents of another one are told apart.
    """
    version = f"{VERSION}+{zlib.crc32(msgspec.json.encode(instance.jobs)):08x}"

    def manifest(name: str, config: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {"name": name, "version": version, "config": config, **more}

    crowd = max(100, instance.machines + 10)
    limits = {"mailbox": 10 * crowd, "fan_out": crowd}
    for machine in range(instance.machines):
        service = {"type": SERVICE, "name": f"machine-{machine}", "protocols": [NET]}
        config: dict[str, Any] = {"machine": machine}
        # Answers are always allowed; of its own accord a machine writes to nobody.
        yield "machine", manifest(f"machine-{machine}", config, services=[service], send_to=[])
    for number, job in enumerate(instance.jobs):
        route = [[operation.machine, operation.duration] for operation in job]
        config = {"job": number, "machines": instance.machines, "route": route}
        partners = [SERVICE, DISPATCHER]
        yield "job", manifest(job_name(number), config, limits=limits, send_to=partners)
    config = {
        "work": [sum(operation.duration for operation in job) for job in instance.jobs],
        "operations": [len(job) for job in instance.jobs],
    }
    yield DISPATCHER, manifest(DISPATCHER, config, send_to=["job-*"])
