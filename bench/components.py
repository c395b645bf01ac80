"""Measure what a component costs: compiling, starting, memory of many instances, a call, and core agents beside them.

    python bench/components.py agent.wasm [--agents 1000] [--beside 10000] [--starts 200]

The component must answer a request. Memory is what its instances have of their own (private pages): pages of a
component that nobody wrote to are shared by all of its instances, though `ps` counts them for each.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
from caxton_core.ids import ModuleDigest
from caxton_core.ports import SUSPENDED, Guest, Host, Outcome
from caxton_core.resources import Limits
from caxton_core.units import ByteSize, CpuMillis, Duration
from caxton_plugins.sandboxes.components import ComponentSandbox
from caxton_plugins.sandboxes.wasm import WasmSandbox

LIMITS = Limits(memory=ByteSize(64 << 20), cpu_ms=CpuMillis(5_000), time_ms=Duration(60_000))
WIRE = b'{"performative":"request","sender":"ann@home","receiver":"ben@home","content":%s}'
CALLS = 20
IDLE = Path(__file__).parent.parent / "server/caxton_server/bench/guests/idle.wasm"


class Quiet:
    """A host that keeps state and forgets the rest."""

    def __init__(self) -> None:
        self.state: dict[bytes, bytes] = {}

    def send(self, data: bytes) -> int:
        """Queue nothing."""
        return 0

    def log(self, level: int, text: bytes) -> None:
        """Keep nothing."""

    def now_ms(self) -> int:
        """Return a fixed time."""
        return 1_700_000_000_000

    def random(self, size: int) -> bytes:
        """Return bytes."""
        return bytes(size)

    def state_get(self, key: bytes) -> bytes | None:
        """Read."""
        return self.state.get(key)

    def state_put(self, key: bytes, value: bytes) -> int:
        """Write."""
        self.state[key] = value
        return 0

    def state_delete(self, key: bytes) -> int:
        """Remove."""
        return 0 if self.state.pop(key, None) is not None else -1

    def set_timer(self, delay_ms: int, payload: bytes) -> int:
        """Set none."""
        return 1

    def cancel_timer(self, timer: int) -> int:
        """Know none."""
        return -1


def finish(guest: Guest, outcome: Outcome) -> Outcome:
    """Resume a call until it ends."""
    while outcome is SUSPENDED:
        outcome = guest.resume()
    return outcome


def private_kib() -> int:
    """Return the memory that this process shares with nobody."""
    return int(psutil.Process().memory_full_info().uss) // 1024


def maps() -> int:
    """Return how many mappings this process has."""
    with open("/proc/self/maps", "rb") as lines:
        return sum(1 for _ in lines)


def tell(what: str, value: str) -> None:
    """Print one figure."""
    sys.stdout.write(f"{what:<58} {value}\n")


def spread(seconds: Sequence[float]) -> str:
    """Return the median and the 99th percentile in milliseconds."""
    ordered = sorted(seconds)
    return f"{statistics.median(ordered) * 1e3:.2f} / {ordered[int(len(ordered) * 0.99) - 1] * 1e3:.2f} ms"


def main() -> None:
    """Measure a component."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("component", type=Path)
    parser.add_argument("--agents", type=int, default=1_000)
    parser.add_argument("--beside", type=int, default=10_000)
    parser.add_argument("--starts", type=int, default=200)
    parser.add_argument("--content", default='"hello"', help="what each agent is asked, as JSON")
    parser.add_argument("--cache", default="", help="a folder to keep the compiled component in")
    arguments = parser.parse_args()
    wire = WIRE % arguments.content.encode()
    sandbox = ComponentSandbox(arguments.cache)
    sandbox.fuel_per_ms("component")
    data = arguments.component.read_bytes()
    began = time.perf_counter()
    info = sandbox.check(data, "component").unwrap()
    tell(
        "check, " + ("from the cache" if info.cached else "compiled"),
        f"{time.perf_counter() - began:.2f} s",
    )
    digest = ModuleDigest(info.sha256)

    def start() -> Guest:
        guest = sandbox.open(digest, "component", LIMITS, Quiet()).unwrap()
        assert finish(guest, guest.start(b"{}")) is None
        return guest

    measure_starts(start, arguments.starts)
    agents = measure_agents(start, wire, arguments.agents)
    measure_core_agents(arguments.beside)
    for guest in agents:
        guest.close()
    sandbox.close()


def measure_starts(start: Callable[[], Guest], count: int) -> None:
    """Start and close instances."""
    seconds = []
    for _ in range(count):
        began = time.perf_counter()
        guest = start()
        seconds.append(time.perf_counter() - began)
        guest.close()
    tell(f"start, median / p99 of {count}", spread(seconds))


def measure_agents(start: Callable[[], Guest], wire: bytes, count: int) -> list[Guest]:
    """Start many instances and have each handle messages."""
    agents = [start()]
    assert isinstance(finish(agents[0], agents[0].handle(wire)), bytes)
    kib, mapped = private_kib(), maps()
    agents += [start() for _ in range(count - 1)]
    tell(
        f"an idle agent of {count:,}, of its own", f"{(private_kib() - kib) / (count - 1):.0f} KiB"
    )
    for _ in range(CALLS):
        for guest in agents:
            finish(guest, guest.handle(wire))
    tell(f"the same after {CALLS} messages each", f"{(private_kib() - kib) / (count - 1):.0f} KiB")
    process = psutil.Process().memory_info()
    tell("as `ps` counts it, shared pages for each agent", f"{process.rss / count / 1024:.0f} KiB")
    tell("address space of all", f"{process.vms / 1e12:.2f} TB")
    tell("mappings of an agent", f"{(maps() - mapped) / (count - 1):.1f}")
    seconds, fuel = [], agents[0].fuel_used
    for _ in range(300):
        began = time.perf_counter()
        finish(agents[0], agents[0].handle(wire))
        seconds.append(time.perf_counter() - began)
    tell("a message, median / p99 of 300", spread(seconds))
    tell("its fuel", f"{(agents[0].fuel_used - fuel) // 300:,}")
    return agents


def measure_core_agents(count: int) -> None:
    """Start core agents beside them."""
    sandbox = WasmSandbox()
    info = sandbox.check(IDLE.read_bytes(), "strict").unwrap()
    digest = ModuleDigest(info.sha256)
    host: Host = Quiet()
    kib = private_kib()
    agents = []
    for _ in range(count):
        guest = sandbox.open(digest, "strict", Limits(), host).unwrap()
        assert finish(guest, guest.start(b"{}")) is None
        agents.append(guest)
    tell(
        f"a core agent of {count:,} beside them", f"{(private_kib() - kib) / max(1, count):.1f} KiB"
    )
    for guest in agents:
        guest.close()
    sandbox.close()


if __name__ == "__main__":
    main()
