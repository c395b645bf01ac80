"""Components in a node of their own process: deployed over HTTP, killed with the node, there again with their state."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest
from caxton_core.messages import Performative

from tests import python_agents
from tests.e2e.nodes import Api, Node, until
from tests.e2e.wat import ECHO, fixed
from tests.plugins.sandboxes.components import DATA, IMPORTS, LOOP, OUT, component, reply
from tests.plugins.sandboxes.test_component_calls import option

RESULT = 4096
CONTENT = OUT + 8 + 32
COUNTER = component(
    f"""
      (call $state-get (i32.const {DATA}) (i32.const 1) (i32.const {RESULT}))
      (if (i32.load8_u (i32.const {RESULT}))
        (then (i32.store8 (i32.const {DATA + 1})
          (i32.add (i32.const 1) (i32.load8_u (i32.load (i32.const {RESULT + 4})))))))
      (drop (call $state-put (i32.const {DATA}) (i32.const 1) (i32.const {DATA + 1}) (i32.const 1)))
      {reply(option(CONTENT, f"(i32.const {DATA + 1})", "(i32.const 1)"))}""",
    data="k1",
)
"""Answers 1, 2, 3, and so on: one digit, kept in the node."""


def test_a_components_state_survives_a_kill(nodes: Callable[..., Node]) -> None:
    """What it has stored is there after kill -9, in a new instance of the same code."""
    node = nodes()
    node.api.agent("counter", COUNTER, profile="component")
    assert [node.api.ask("counter")["content"] for _ in range(3)] == [1, 2, 3]
    node.kill()
    api = node.start()
    assert api.ask("counter")["content"] == 4
    shown = api.get("agents/counter")
    assert (shown["sandbox"], shown["profile"], shown["codec"]) == (
        "component", "component", "json",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("data", "manifest", "words"),
    [
        (COUNTER, {}, "set profile: component"),
        (COUNTER, {"profile": "standard"}, "set profile: component"),
        (fixed(ECHO), {"profile": "component"}, "set profile: strict or standard"),
        (COUNTER, {"profile": "component", "codec": "msgpack"}, "takes json, not msgpack"),
        (component(imports=IMPORTS + '(import "wasi:io/poll@0.2.0" (instance))'), {"profile": "component"}, "--stub-wasi"),
    ],
)  # fmt: skip
def test_what_does_not_fit_its_profile_is_refused(
    api: Api, data: bytes, manifest: dict[str, str], words: str
) -> None:
    """A refusal says what to change: the profile, the codec or how the component is built."""
    answer = api.deploy("none", data, **manifest)
    assert answer.status == 422, answer
    assert words in answer.body["detail"], answer
    assert api.call("GET", "/api/v1/agents/none").status == 404


def test_a_pushed_component_finds_its_profile(api: Api) -> None:
    """Without a profile the node takes that of components by the first bytes."""
    answer = api.call("POST", "/api/v1/modules", COUNTER, kind="application/wasm")
    assert (answer.status, answer.body["profile"]) == (201, "component")
    assert "handle" in answer.body["exports"]


def test_a_component_that_loops_stops_nobody(api: Api) -> None:
    """Its sender learns why it failed, and all the while others are answered."""
    api.agent(
        "looping", component(LOOP), profile="component", limits={"cpu_ms": 200, "time_ms": 60_000}
    )
    sent = api.send("looping", performative="request", content="x")
    assert sent.status == 202
    for _ in range(20):
        assert api.ask("echo")["content"] == "here"
    letter = until(lambda: api.letters("looping"))[0]
    assert (letter["reason"], letter["message"]["performative"]) == ("cpu", Performative.REQUEST)


@pytest.mark.once
@pytest.mark.timeout(600)
def test_an_agent_in_python_lives_on(
    nodes: Callable[..., Node], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """It answers, its timer rings, and after kill -9 it goes on from its state."""
    built = python_agents.build(tmp_path_factory)
    node = nodes()
    shutil.copytree(built.cache, node.data / "modules", dirs_exist_ok=True)
    limits = {"memory": "64MiB", "cpu_ms": 5000, "time_ms": 5000}
    node.api.agent("adder", built.wasm.read_bytes(), profile="component", limits=limits)
    assert node.api.ask("adder", {"add": 1})["content"] == 1
    node.kill()
    api = node.start()
    assert api.ask("adder", {"add": 2})["content"] == 3
    assert api.ask("adder", {"set": 10})["content"] == 1
    assert until(lambda: api.ask("adder", {"add": 0})["content"] == 1000)
    assert api.get("agents/adder/stats")["restarts"] == 0
