"""A real agent in Python, built and compiled once for a whole run of the tests, whichever worker comes first."""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
import sys
from pathlib import Path

import caxton_sdk
import pytest
from caxton_plugins.sandboxes.components import ComponentSandbox
from returns.result import Success

SOURCE = """
import json

import wit_world
from componentize_py_types import Err
from wit_world.imports import node
from wit_world.imports.messages import Message, Performative


class WitWorld(wit_world.WitWorld):
    def init(self, config):
        self.config = json.loads(config)

    def handle(self, message):
        what = None if message.content is None else json.loads(message.content)
        match what:
            case {"add": number}:
                total = json.loads(node.state_get(b"total") or b"0") + number
                node.state_put(b"total", json.dumps(total).encode())
                return answer(message, total)
            case {"set": delay}:
                return answer(message, node.set_timer(delay, b"ring"))
            case "ring":
                node.state_put(b"total", b"1000")
            case "config":
                return answer(message, self.config)
            case "fail":
                raise Err("as asked")
            case "raise":
                raise ValueError("not as asked")
            case "loop":
                while True:
                    pass
            case "grow":
                kept = []
                while True:
                    kept.append("x" * 1_000_000)
            case "recurse":
                self.handle(message)
            case "deep":
                deep(0)
            case "time":
                import time

                return answer(message, time.time())
            case _:
                node.log(node.Level.INFO, message.content or "")
                return answer(message, what)

    def drain(self):
        node.log(node.Level.INFO, "drained")

    def export_state(self):
        return node.state_get(b"total")

    def import_state(self, state):
        node.state_put(b"total", state)


def deep(number):
    return deep(number + 1)


def answer(message, content):
    nothing = [None] * 11
    return Message(Performative.INFORM, None, [], [], json.dumps(content), *nothing, message.extras)
"""


class Built:
    """Where the component is, and a cache that holds its code."""

    def __init__(self, folder: Path) -> None:
        self.wasm = folder / "agent.wasm"
        self.cache = folder / "cache"
        self.digest = "sha256:" + hashlib.sha256(self.wasm.read_bytes()).hexdigest()


def build(factory: pytest.TempPathFactory) -> Built:
    """Build and compile the agent, or wait for the worker that does."""
    base = factory.getbasetemp()
    folder = (base.parent if base.name.startswith("popen-") else base) / "python-agent"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            _build(folder)
            _compile(folder)
            (folder / "done").touch()
    return Built(folder)


def _build(folder: Path) -> None:
    (folder / "agent.py").write_text(SOURCE)
    wit = str(Path(caxton_sdk.__file__).parent / "wit")
    command = Path(sys.executable).parent / "componentize-py"
    arguments = [
        "-d",
        wit,
        "-w",
        "agent",
        "componentize",
        "--stub-wasi",
        "agent",
        "-o",
        "agent.wasm",
    ]
    done = subprocess.run(
        [command, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def _compile(folder: Path) -> None:
    """Have it compiled as any component is."""
    sandbox = ComponentSandbox(str(folder / "cache"))
    checked = sandbox.check((folder / "agent.wasm").read_bytes(), "component")
    sandbox.close()
    assert isinstance(checked, Success), checked
