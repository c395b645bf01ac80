"""Reading scripts: what they say, and every way to get one wrong, with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from caxton_server.authoring.scripts import InvalidScript, Peer, Script, Step, read
from returns.result import Result


def parse(folder: Path, text: str) -> Result[list[Script], InvalidScript]:
    """Read a file of scripts."""
    path = folder / "some.yaml"
    path.write_text(text)
    return read(path, "some.yaml")


def test_a_file_holds_scripts_with_the_lines_of_their_steps(tmp_path: Path) -> None:
    """Each document is a script; empty ones are none; who speaks is a peer."""
    text = """# first
name: one
peers: [ann, {name: ben, services: [{type: selling}]}]
config: {cost: 3}
steps:
  - send: {sender: kim, performative: inform}

  - expect: {performative: agree}
  - advance: 5s
  - restart
---
---
steps:
  - nothing:
"""
    assert parse(tmp_path, text).unwrap() == [
        Script(
            "some.yaml", 2, "one", {"cost": 3},
            (Peer("ann"), Peer("ben", ({"type": "selling"},)), Peer("kim")),
            (
                Step(6, "send", {"sender": "kim", "performative": "inform"}),
                Step(8, "expect", [{"performative": "agree"}]), Step(9, "advance", 5000), Step(10, "restart", None),
            ),
        ),
        Script("some.yaml", 13, "line 13", {}, (), (Step(14, "nothing", None),)),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "line", "detail"),
    [
        ("- 1", 1, "a script is a mapping with `steps`"),
        ("name: x", 1, "`steps` is a list of steps"),
        ("stebs: []", 1, "a script has no 'stebs'; did you mean 'steps'?"),
        ("steps:\n- sned: {}", 2, "a step has no 'sned'; did you mean 'send'?"),
        ("steps:\n- {send: {}, expect: {}}", 2, "a step has one key, which is one of send, reply"),
        ("steps:\n- send: hello", 2, "a message is a mapping"),
        ("steps:\n- send: {content: 1}", 2, "a message has a `performative`"),
        (
            "steps:\n- send: {performative: inform, sender: [a]}",
            2,
            "`sender` is the name of a peer",
        ),
        ("steps:\n- send: {performative: inform, sender: Ann}", 2, "'Ann' is no agent name"),
        ("steps:\n- expect: []", 2, "`expect` is a list of messages"),
        ("steps:\n- nothing\n- advance: soon", 3, "`advance` is a duration"),
        ("steps:\n- restart: now", 2, "this step says nothing more than its name"),
        ("steps:\n- expect_state: n", 2, "`expect_state` is a mapping"),
        ("steps:\n- expect_log: 1", 2, "`expect_log` is a text"),
        ("peers: ann\nsteps: [nothing]", 1, "`peers` is a list of names"),
        ("peers: [{nam: ann}]\nsteps: [nothing]", 1, "a peer has no 'nam'; did you mean 'name'?"),
        ("config: 1\nsteps: [nothing]", 1, "`config` is a mapping"),
        ("steps:\n- send: {performative: inform, content: .nan}", 0, ""),
        ("steps:\n- send: {performative: inform, content: 2026-01-01}", 0, ""),
        ("steps: [", 1, "it is no YAML"),
        ("a: &a [*a]", 1, ""),
    ],
)
def test_what_is_wrong_is_said_with_its_line(
    tmp_path: Path, text: str, line: int, detail: str
) -> None:
    """A file that can't be played is an error that names the place and the reason."""
    parsed = parse(tmp_path, text)
    if not line:
        assert parsed.unwrap()
        return
    error = parsed.failure()
    assert (error.line, error.path) == (line, "some.yaml")
    assert detail in error.detail


def test_a_file_that_can_not_be_read_is_an_error(tmp_path: Path) -> None:
    """Neither a missing file nor one that is no text raises."""
    assert "No such file" in read(tmp_path / "none.yaml", "none.yaml").failure().detail
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    assert read(tmp_path / "bytes.yaml", "bytes.yaml").failure().line == 1
