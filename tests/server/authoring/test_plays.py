"""Playing scripts: every kind of step, passed and failed, against an agent in the real sandbox."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import wasmtime
from caxton_core.resources import Manifest
from caxton_server.authoring import plays, rehearsals
from caxton_server.authoring.plays import Played
from caxton_server.authoring.scripts import read

from tests.server.authoring.agents import module

Play = Callable[[str], Played]


@pytest.fixture(scope="module")
def stage() -> Iterator[Callable[[Path, str], Played]]:
    """Yield what plays a script against the agent, in one sandbox."""
    registry = plays.plugins().unwrap()
    manifest = Manifest.parse({"name": "counter"}).unwrap()
    agent = module()
    with rehearsals.shared_sandboxes(registry, "strict") as made:

        def play(path: Path, text: str, agent: bytes = agent) -> Played:
            path.write_text(text)
            (script,) = read(path, "some.yaml").unwrap()
            return plays.play(registry, made.unwrap(), manifest, agent, script)

        yield play


@pytest.fixture
def play(stage: Callable[[Path, str], Played], tmp_path: Path) -> Play:
    """Play the steps of a script."""
    return lambda steps: stage(tmp_path / "some.yaml", f"steps:\n{steps}")


ASK = "- send: {performative: request, content: hi"


@pytest.mark.parametrize(
    "steps",
    [
        f"{ASK}}}\n- expect: {{performative: inform, content: {{n: 1}}}}\n- nothing",
        f"{ASK}, sender: ann}}\n- expect: {{receiver: ann, in_reply_to: '*', ontology: null}}",
        f"{ASK}}}\n{ASK}, sender: ann}}\n- expect: [{{content: {{n: 1}}}}, {{receiver: ann, content: {{n: 2}}}}]",
        f"{ASK}}}\n- restart\n{ASK}}}\n- expect: {{content: {{n: 2}}}}\n- expect: {{content: {{n: 1}}}}",
        "- send: {performative: subscribe}\n- advance: 4s\n- nothing\n- advance: 1s\n- expect: {content: tick, receiver: api}",
        f"{ASK}}}\n- expect_log: counted\n- expect_state: {{n: '1', m: null}}\n- expect_state: {{n: 1}}\n- expect_state: {{n: '*'}}",
        f"{ASK}, protocol: fipa-request, sender: ann}}\n- expect: {{}}\n- nothing",
        "- send: {performative: request, content: unreachable}\n- expect: {sender: ams, performative: failure}\n- nothing",
    ],
)
def test_a_script_that_is_true_passes(play: Play, steps: str) -> None:
    """What the agent does is found as it was expected."""
    assert play(steps).failed is None


@pytest.mark.parametrize(
    ("steps", "line", "detail"),
    [
        (f"{ASK}}}\n- expect: {{content: {{n: 2}}}}", 3, "content.n: expected 2, got 1"),
        (f"{ASK}}}\n- expect: {{content: {{n: true}}}}", 3, "content.n: expected true, got 1"),
        (f"{ASK}}}\n- nothing", 3, "said      counter: inform to api"),
        ("- expect: {content: 1}", 2, "but nothing was said"),
        (f"{ASK}}}\n{ASK}}}\n- expect: [{{content: {{n: 2}}}}, {{content: {{n: 1}}}}]", 4, "before what stands above it"),
        (f"{ASK}}}\n- expect: {{receiver: ann}}", 3, 'receiver: expected "ann@caxton", got "api@caxton"'),
        (f"{ASK}}}\n- expect_state: {{n: '2'}}", 3, 'expected  n = "2"\nkept      "1"'),
        ("- expect_state: {n: '2'}", 2, "kept      nothing"),
        ("- expect_log: counted", 2, "but nothing was logged"),
        (f"{ASK}}}\n- expect_log: [counted]\n- expect_log: [counted]", 4, "nothing was logged"),
        ("- reply: {performative: inform}", 2, "none can be answered"),
        ("- send: {performative: shout}", 2, "Invalid enum value 'shout'"),
        ("- send: {performative: inform, receiver: nobody}", 2, "nobody"),
        ("- send: {performative: inform, receiver: nobody, sender: ann}", 2, "ann can't send it: there is no such receiver"),
        ("- send: {performative: agree, sender: ann}", 2, "it is not legal in this conversation"),
        ("- send: {performative: request, content: unreachable}\n- nothing", 3, "ams: failure to api"),
    ],
)  # fmt: skip
def test_the_first_step_that_is_not_true_is_named(
    play: Play, steps: str, line: int, detail: str
) -> None:
    """A failure says at which line, and how what happened differs."""
    failed = play(steps).failed
    assert failed is not None
    assert failed.line == line
    assert detail in failed.detail


def test_a_failed_script_shows_what_the_agent_logged(play: Play) -> None:
    """The last lines of its log come with the failure."""
    failed = play(f"{ASK}}}\n- nothing").failed
    assert failed is not None
    assert failed.log == ("info counted",)


def test_an_agent_that_does_not_start_fails_the_script(
    stage: Callable[[Path, str], Played], tmp_path: Path
) -> None:
    """A peer with the agent's own name is refused as any second agent of a name."""
    script = "peers: [counter]\nsteps: [nothing]"
    failed = stage(tmp_path / "some.yaml", script).failed
    assert failed is not None
    assert (failed.line, failed.step) == (1, "start")
    assert "counter" in failed.detail


LOOP = r"""
(module
  (import "caxton" "send" (func $send (param i32 i32) (result i32)))
  (import "caxton" "set_timer" (func $timer (param i64 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 64) "{\22performative\22:\22inform\22,\22receiver\22:\22counter\22}")
  (func (export "caxton_alloc") (param i32) (result i32) (i32.const 4096))
  (func (export "handle_message") (param $at i32) (param $length i32) (result i32) %s))
"""


@pytest.mark.parametrize(
    ("does", "detail"),
    [
        ("(call $send (i32.const 64) (i32.const 46))", "messages there are still more"),
        (
            "(i32.lt_s (call $timer (i64.const 1) (i32.const 0) (i32.const 1)) (i32.const 0))",
            "10000 timers rang",
        ),
    ],
)
def test_an_agent_that_never_rests_fails_the_script(
    stage: Callable[..., Played], tmp_path: Path, does: str, detail: str
) -> None:
    """Messages to itself without end, or timers, are cut off and said."""
    script = "steps:\n- send: {performative: inform}\n- advance: 1h\n- nothing"
    agent = bytes(wasmtime.wat2wasm(LOOP % does))
    failed = stage(tmp_path / "some.yaml", script, agent).failed
    assert failed is not None
    assert detail in failed.detail
