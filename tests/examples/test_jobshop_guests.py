"""The job-shop guests on a platform that knows nothing but the contract."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from caxton_server.jobshop import Instance, Placement, check_schedule, parse_instance

from tests.examples.toy_platform import Message, ToyPlatform

DEMO = Path(str(files("caxton_server.demo")))
QUESTION = {"performative": "query-ref"}
START = {"performative": "request", "receiver": "dispatcher", "content": "schedule"}


def load(name: str) -> Instance:
    """Read an instance the package carries."""
    return parse_instance((DEMO / f"{name}.txt").read_text(), name=name).unwrap()


def shop(instance: Instance) -> ToyPlatform:
    """Deploy an agent for each machine and job, and the dispatcher."""
    platform = ToyPlatform()
    for machine in range(instance.machines):
        platform.deploy(f"machine-{machine}", DEMO / "machine.wasm", {"machine": machine})
    for number, job in enumerate(instance.jobs):
        route = [[operation.machine, operation.duration] for operation in job]
        config = {"job": number, "machines": instance.machines, "route": route}
        platform.deploy(f"job-{number}", DEMO / "job.wasm", config)
    config = {
        "work": [sum(operation.duration for operation in job) for job in instance.jobs],
        "operations": [len(job) for job in instance.jobs],
    }
    platform.deploy("dispatcher", DEMO / "dispatcher.wasm", config)
    return platform


def ask(platform: ToyPlatform, agent: str) -> Any:
    """Query an agent from outside and return the answer's content."""
    platform.post("api", QUESTION | {"receiver": agent})
    platform.run()
    return platform.outside[-1]["content"]


def schedule(platform: ToyPlatform, jobs: int) -> list[Placement]:
    """Collect what every job has booked."""
    booked = [ask(platform, f"job-{job}")["schedule"] for job in range(jobs)]
    return [Placement(j, o, *entry) for j, job in enumerate(booked) for o, entry in enumerate(job)]


def by_the_rule(instance: Instance) -> int:
    """The makespan when the operations are simply placed in order of schedule time."""
    placed, ready = [0] * len(instance.jobs), [0] * len(instance.jobs)
    free = [0] * instance.machines

    def urgency(job: int) -> tuple[int, int, int]:
        rest = sum(operation.duration for operation in instance.jobs[job][placed[job] :])
        return ready[job], -rest, job

    while left := [j for j, job in enumerate(instance.jobs) if placed[j] < len(job)]:
        job = min(left, key=urgency)
        operation = instance.jobs[job][placed[job]]
        ready[job] = max(ready[job], free[operation.machine]) + operation.duration
        free[operation.machine] = ready[job]
        placed[job] += 1
    return max(ready)


@pytest.mark.parametrize("name", ["ft06", "ft10", "la01"])
def test_agents_schedule_as_the_rule_says(name: str) -> None:
    """The agents' schedule is feasible, is that of the rule, and is close to the optimum."""
    instance = load(name)
    platform = shop(instance)
    platform.post("api", dict(START))
    platform.run()
    makespan = check_schedule(instance, schedule(platform, len(instance.jobs))).unwrap()
    assert makespan == by_the_rule(instance)
    assert instance.optimum is not None
    assert instance.optimum <= makespan <= 1.35 * instance.optimum


def test_every_operation_is_one_contract_net() -> None:
    """Each operation has one conversation with a call and an answer for each machine, one award and one result."""
    instance = load("ft06")
    platform = shop(instance)
    platform.post("api", dict(START))
    platform.run()
    nets: dict[str, list[Message]] = {}
    for message in platform.delivered:
        if "conversation_id" in message:
            nets.setdefault(message["conversation_id"], []).append(message)
    assert len(nets) == instance.operations
    for messages in nets.values():
        acts = sorted(message["performative"] for message in messages)
        assert acts == ["accept-proposal", *["cfp"] * 6, "inform", "propose", *["refuse"] * 5]
        assert {message["protocol"] for message in messages if "protocol" in message} == {
            "fipa-contract-net"
        }


def test_instances_may_be_lost_between_any_two_messages() -> None:
    """Guests that lose their memory before every message finish all the same: what counts is in the durable state."""
    instance = load("ft06")
    platform = shop(instance)
    platform.post("api", dict(START))
    while platform.queue:
        platform.guests[platform.queue[0][0]].boot() if platform.queue[0][0] != "api" else None
        platform.step()
    makespan = check_schedule(instance, schedule(platform, len(instance.jobs))).unwrap()
    assert makespan == by_the_rule(instance)


def test_losers_are_rejected() -> None:
    """When two machines can do the work, the earlier one gets it and the other is told."""
    platform = ToyPlatform()
    for name in ("machine-0", "machine-1"):
        platform.deploy(name, DEMO / "machine.wasm", {"machine": 0})
    for job in (0, 1):
        config = {"job": job, "machines": 2, "route": [[0, 5]]}
        platform.deploy(f"job-{job}", DEMO / "job.wasm", config)
    platform.deploy("dispatcher", DEMO / "dispatcher.wasm", {"work": [5, 5], "operations": [1, 1]})
    platform.post("api", dict(START))
    platform.run()
    decisions = [
        (message["performative"], message["receiver"])
        for message in platform.delivered
        if message["performative"] in ("accept-proposal", "reject-proposal")
    ]
    assert decisions == [
        ("reject-proposal", "machine-1@toy"),
        ("accept-proposal", "machine-0@toy"),
        ("reject-proposal", "machine-0@toy"),
        ("accept-proposal", "machine-1@toy"),
    ]
    assert ask(platform, "dispatcher") == {"placed": 2, "total": 2, "makespan": 5, "state": "done"}


def test_work_that_no_machine_can_do_is_reported() -> None:
    """When every machine refuses, the job says so and the dispatcher's status is failed."""
    platform = ToyPlatform()
    platform.deploy("machine-0", DEMO / "machine.wasm", {"machine": 7})
    job = platform.deploy("job-0", DEMO / "job.wasm", {"job": 0, "machines": 1, "route": [[0, 5]]})
    platform.deploy("dispatcher", DEMO / "dispatcher.wasm", {"work": [5], "operations": [1]})
    platform.post("api", dict(START))
    platform.run()
    assert job.logged == ["no machine can do it"]
    assert ask(platform, "dispatcher")["state"] == "failed"


def test_a_second_start_changes_nothing() -> None:
    """Asking twice is answered twice and schedules once."""
    platform = shop(load("ft06"))
    platform.post("api", dict(START))
    platform.run(40)
    platform.post("api", dict(START))
    platform.run()
    assert len(platform.outside) == 2
    assert ask(platform, "dispatcher") == {
        "placed": 36,
        "total": 36,
        "makespan": 61,
        "state": "done",
    }
