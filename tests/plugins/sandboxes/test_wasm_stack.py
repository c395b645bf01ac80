"""The deepest guest and the deepest JSON at once: host calls run on the guest's own stack."""

from __future__ import annotations

import os
import subprocess
import sys

SCRIPT = """
import json, sys
import msgspec
from caxton_core.messages import Draft, parse_draft
from caxton_core.ports import Fault
from caxton_core.resources import Limits
from caxton_core.units import CpuMillis
from caxton_plugins.sandboxes.wasm import WasmSandbox
from tests.plugins.sandboxes.guests import Host, handled, module, started

sandbox = WasmSandbox()
# Each message's first 4 bytes say how deep to go before the rest is sent.
BODY = "(call $down (i32.load (local.get $p)) (local.get $p) (local.get $n))"
MORE = '''(func $down (param $left i32) (param $p i32) (param $n i32) (result i32)
  (if (i32.eqz (local.get $left))
    (then (return (call $send (i32.add (local.get $p) (i32.const 4)) (i32.sub (local.get $n) (i32.const 4))))))
  (i32.add (i32.const 0) (call $down (i32.sub (local.get $left) (i32.const 1)) (local.get $p) (local.get $n))))'''
data = module(BODY, more=MORE, memory="20")
limits = Limits(cpu_ms=CpuMillis(10_000))

def run(depth, text, host):
    guest = started(sandbox, data, host, limits=limits)
    outcome = handled(guest, depth.to_bytes(4, "little") + text)
    guest.close()
    return outcome

low, high = 0, 1 << 20
while high - low > 1:
    middle = (low + high) // 2
    outcome = run(middle, b"{}", Host())
    if isinstance(outcome, Fault):
        assert "stack" in outcome.detail, outcome
        high = middle
    else:
        low = middle
assert low > 1000, low

def nested(depth):
    return b'{"performative":"inform","content":' + b"[" * depth + b"]" * depth + b"}"

def python_deep(left):
    return 0 if left == 0 else python_deep(left - 1)

parsed = []
host = Host()
def on_send(text):
    draft = parse_draft(text, "json")
    parsed.append(isinstance(draft, Draft))
    if len(text) < 1000:
        json.loads(text)
        msgspec.json.encode(msgspec.json.decode(text))
        sorted(str(number) for number in range(100))
        python_deep(200)
    return 0
host.on_send = on_send
for depth in (1, 60, 500, 9_000, 100_000):
    assert run(low, nested(depth), host) is None, depth
assert parsed == [True, True, False, False, False], parsed
sandbox.close()
print("survived at", low)
"""


def test_the_deepest_guest_may_send_the_deepest_json() -> None:
    """At the guest's deepest recursion every nesting of JSON is parsed or refused, and the process lives."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(__file__))))
    environment = {"PYTHONPATH": os.pathsep.join([root, *sys.path]), "RUST_BACKTRACE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        capture_output=True,
        text=True,
        env=environment,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("survived at")
