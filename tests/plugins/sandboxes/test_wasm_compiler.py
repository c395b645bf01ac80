"""The compiler's process and the cache: bombs, deaths and damage."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from caxton_core.errors import InvalidModule
from caxton_core.hookspecs import SandboxOptions
from caxton_core.ids import ModuleDigest
from caxton_core.ports import Fault
from caxton_core.resources import Limits
from caxton_core.units import CpuMillis
from caxton_plugins.sandboxes import wasm
from caxton_plugins.sandboxes.compilation import compiling
from caxton_plugins.sandboxes.compilation.cache import Entry
from caxton_plugins.sandboxes.compilation.compiler import Compiler
from caxton_plugins.sandboxes.compilation.compiling import Answer, Job
from caxton_plugins.sandboxes.compilation.surveys import JobLimits
from caxton_plugins.sandboxes.wasm import WasmSandbox
from returns.result import Failure, Success

from tests.plugins.sandboxes.guests import Host, finish, handled, module, reply, started


@pytest.fixture
def node(tmp_path: Path) -> Iterator[WasmSandbox]:
    """Yield a sandbox over a cache in the test's folder."""
    made = WasmSandbox(str(tmp_path))
    yield made
    made.close()


def again(node: WasmSandbox, tmp_path: Path) -> WasmSandbox:
    """Return another sandbox over the same cache, as after a restart."""
    node.close()
    return WasmSandbox(str(tmp_path))


def code_file(tmp_path: Path) -> Path:
    """Return the only compiled module of the cache."""
    (found,) = tmp_path.rglob("*.cwasm")
    return found


def test_a_module_is_compiled_once(node: WasmSandbox, tmp_path: Path) -> None:
    """The second check, the second profile and a restart know what is there."""
    data = module(reply(0, 1))
    answers = [
        node.check(data, "strict"),
        node.check(data, "strict"),
        node.check(data, "standard"),
    ]
    assert [answer.unwrap().cached for answer in answers] == [False, True, False]
    restarted = again(node, tmp_path)
    digest = ModuleDigest(answers[0].unwrap().sha256)
    guest = restarted.open(digest, "strict", Limits(), Host()).unwrap()
    assert guest.start(b"{}") is None
    assert handled(guest) == b"\0"
    assert restarted.check(data, "strict").unwrap().cached
    guest.close()
    restarted.close()


def test_nothing_is_left_in_the_cache_but_entries(node: WasmSandbox, tmp_path: Path) -> None:
    """Sources and half-done files are removed, after success and refusal."""
    node.check(module(), "strict").unwrap()
    node.check(module("(unreachable)"), "strict").unwrap()
    node.check(b"\0asm\1\0\0\0", "strict").failure()
    kinds = sorted(path.suffix for path in tmp_path.rglob("*") if path.is_file())
    assert kinds == ["", ".cwasm", ".cwasm", ".json", ".json"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda code: code.write_bytes(code.read_bytes()[:-100]),
        lambda code: code.write_bytes(
            code.read_bytes()[:2000] + b"\xcc" + code.read_bytes()[2001:]
        ),
        lambda code: code.unlink(),
        lambda code: code.with_suffix(".json").write_text("{}"),
        lambda code: code.with_suffix(".json").unlink(),
        lambda code: code.write_bytes(b""),
    ],
)
def test_a_damaged_entry_is_compiled_again(
    node: WasmSandbox, tmp_path: Path, damage: object
) -> None:
    """An entry whose checksum is wrong is not loaded, not even to look at it."""
    data = module(reply(0, 1))
    info = node.check(data, "strict").unwrap()
    assert callable(damage)
    damage(code_file(tmp_path))
    restarted = again(node, tmp_path)
    refused = restarted.open(ModuleDigest(info.sha256), "strict", Limits(), Host()).failure()
    assert "was not compiled" in str(refused)
    assert not restarted.check(data, "strict").unwrap().cached
    assert handled(started(restarted, data)) == b"\0"
    restarted.close()


def test_foreign_code_with_a_right_checksum_is_refused(node: WasmSandbox, tmp_path: Path) -> None:
    """Code that wasmtime does not take for its own is compiled again."""
    data = module(reply(0, 1))
    info = node.check(data, "strict").unwrap()
    code = code_file(tmp_path)
    note = code.with_suffix(".json")
    entry = msgspec.json.decode(note.read_bytes(), type=Entry)
    code.write_bytes(b"not compiled code at all")
    entry = Entry(hashlib.sha256(code.read_bytes()).hexdigest(), entry.survey)
    note.write_bytes(msgspec.json.encode(entry))
    restarted = again(node, tmp_path)
    refused = restarted.open(ModuleDigest(info.sha256), "strict", Limits(), Host()).failure()
    assert "can't be loaded" in str(refused)
    assert not restarted.check(data, "strict").unwrap().cached
    restarted.close()


def test_a_dead_compiler_is_replaced(node: WasmSandbox) -> None:
    """Killing the compiler's process costs nothing but its next start."""
    node.check(module(reply(0, 1)), "strict").unwrap()
    child = node._compiler._child
    assert child is not None
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert not node.check(module(reply(0, 2)), "strict").unwrap().cached


def test_a_compiler_that_dies_at_work_is_an_answer(node: WasmSandbox) -> None:
    """When the process ends in the middle of a job the module is refused, and the next is served."""
    node.check(module(reply(0, 1)), "strict").unwrap()
    child = node._compiler._child
    assert child is not None
    assert child.stdin is not None
    child.stdin.write(b"no job\n")
    child.stdin.flush()
    refused = node.check(module(reply(0, 2)), "strict").failure()
    assert "compiler process ended" in str(refused)
    assert not node.check(module(reply(0, 3)), "strict").unwrap().cached


@pytest.mark.parametrize(
    ("number", "detail"),
    [
        (signal.SIGXCPU, "more than 10 s of CPU"),
        (signal.SIGALRM, "more than 13 s"),
        (signal.SIGABRT, "1024 MiB of memory"),
        (signal.SIGSEGV, "the compiler died of SIGSEGV"),
    ],
)
def test_every_death_of_a_job_says_why(
    monkeypatch: pytest.MonkeyPatch, number: signal.Signals, detail: str
) -> None:
    """A job's signal becomes a sentence."""
    compiler = Compiler()
    monkeypatch.setattr(compiler, "_read_line", lambda child, patience: b'{"signal":%d}' % number)
    refused = compiler.compile(Path("in"), Path("out"), "strict").failure()
    compiler.close()
    assert detail in str(refused)


@pytest.mark.parametrize(
    ("harm", "answer"),
    [
        ("os.kill(os.getpid(), signal.SIGXCPU)", Answer(signal=signal.SIGXCPU)),
        ("os.abort()", Answer(signal=signal.SIGABRT)),
        ("bytearray(2 << 30)", Answer(detail="compiling it takes more than 1024 MiB of memory")),
        ("1 / 0", Answer(detail="ZeroDivisionError: division by zero")),
    ],
)
def test_a_job_may_end_in_any_way(tmp_path: Path, harm: str, answer: Answer) -> None:
    """The waiting process survives its jobs and says how they ended; limits hold in them only."""
    script = f"""
import os, signal, sys, msgspec
from caxton_plugins.sandboxes.compilation import compiling
compiling.work = lambda job: {harm}
print(msgspec.json.encode(compiling.fork(compiling.Job("strict"))).decode())
print(bytearray(1 << 20)[0])
"""
    environment = {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, env=environment, check=True, timeout=60
    )
    first, last = done.stdout.splitlines()
    assert msgspec.json.decode(first, type=Answer) == answer
    assert last == b"0"


def test_a_job_has_limits() -> None:
    """What the process takes from itself is what docs/architecture.md says."""
    assert compiling.kind_of("strict").limits == JobLimits(
        cpu_seconds=10, wall_seconds=13, memory=1 << 30, niceness=10
    )
    assert Job("strict") == Job("strict", "", "")


def test_an_engine_is_probed_before_its_first_use(node: WasmSandbox, tmp_path: Path) -> None:
    """A profile that can't be built in the child process is never built here."""
    info = node.check(module(), "strict").unwrap()
    (probed,) = tmp_path.rglob("probed")
    probed.unlink()
    restarted = again(node, tmp_path)
    restarted._compiler.probe = lambda profile: Failure(InvalidModule("boom"))  # type: ignore[method-assign]  # a probe that fails
    refused = restarted.open(ModuleDigest(info.sha256), "strict", Limits(), Host()).failure()
    assert str(refused) == "Invalid module: boom."
    restarted.close()


def test_the_probe_builds_engines(node: WasmSandbox) -> None:
    """Both profiles can be built here, and an impossible one is answered, not suffered."""
    assert node._compiler.probe("strict").unwrap() is None
    assert node._compiler.probe("standard").unwrap() is None
    assert "KeyError" in str(node._compiler.probe("impossible").failure())


def test_a_large_honest_module_compiles(node: WasmSandbox) -> None:
    """Thousands of functions are well within the limits."""
    more = "".join(
        f"(func (param i32) (result i32) (i32.add (local.get 0) (i32.const {number})))"
        for number in range(2000)
    )
    assert node.check(module(more=more), "strict").unwrap().size > 10_000


def test_the_plugin_offers_both_profiles(tmp_path: Path) -> None:
    """The hook gives one kind, which makes a sandbox whose compiler is already starting."""
    (kind,) = wasm.caxton_sandboxes()
    assert (kind.name, kind.profiles) == ("wasm", ("strict", "standard"))
    made = kind.make(SandboxOptions(cache=str(tmp_path))).unwrap()
    assert not made.check(module(), "strict").unwrap().cached
    made.close()


def test_mutations_of_a_module_never_harm_the_host(node: WasmSandbox) -> None:
    """Modules with random bytes changed are refused, or run to an outcome."""
    dice = random.Random(11)
    body = f"""(drop (call $send (local.get $p) (local.get $n)))
      (if (i32.gt_u (local.get $n) (i32.const 3)) (then (call $log (i32.const 1) (i32.const 8) (i32.const 9))))
      {reply(16, 12)}"""
    original = module(body, more="(table 2 funcref) (global $g (mut i32) (i32.const 1))")
    code = original.rindex(b"\x0a", 0, len(original) - 60)
    accepted = 0
    for _ in range(60):
        data = bytearray(original)
        for _ in range(dice.randint(1, 3)):
            data[dice.randrange(code, len(data))] = dice.randrange(256)
        info = node.check(bytes(data), "strict")
        if not isinstance(info, Success):
            continue
        accepted += 1
        digest = ModuleDigest(info.unwrap().sha256)
        guest = node.open(digest, "strict", Limits(cpu_ms=CpuMillis(1)), Host()).unwrap()
        outcome = finish(guest, guest.start(b"{}"))
        for wire in (b"", b"message", bytes(3000)):
            if guest.alive and not isinstance(outcome, Fault):
                outcome = handled(guest, wire)
        guest.close()
    assert accepted > 0
