"""A platform of a hundred lines for trying guests: no journal, no checks, one message after the other.

It follows docs/guests.md and nothing of the server, so a guest that works here and there works by the contract.
"""

from __future__ import annotations

import json
from collections import deque
from pathlib import Path
from typing import Any

import wasmtime

Message = dict[str, Any]


class ToyGuest:
    """One instance with its durable state."""

    def __init__(
        self, platform: ToyPlatform, name: str, module: wasmtime.Module, config: Any
    ) -> None:
        self.platform, self.name, self.module = platform, name, module
        self.config = json.dumps(config).encode()
        self.state: dict[bytes, bytes] = {}
        self.logged: list[str] = []
        self.boot()

    def boot(self) -> None:
        """Make a new instance; only the durable state stays."""
        self.store = wasmtime.Store(self.platform.engine)
        linker = wasmtime.Linker(self.platform.engine)
        i32 = wasmtime.ValType.i32()
        for name, arity, function in (
            ("send", 2, self._send),
            ("log", 3, self._log),
            ("state_get", 4, self._get),
            ("state_put", 4, self._put),
        ):
            results = [] if name == "log" else [i32]
            kind = wasmtime.FuncType([i32] * arity, results)
            linker.define_func("caxton", name, kind, function)
        self.exports = linker.instantiate(self.store, self.module).exports(self.store)
        if "caxton_init" in self.exports:
            assert self._call("caxton_init", self.config) == 0, f"{self.name} did not start"

    def _memory(self) -> wasmtime.Memory:
        memory = self.exports["memory"]
        assert isinstance(memory, wasmtime.Memory)
        return memory

    def _read(self, at: int, length: int) -> bytes:
        return bytes(self._memory().read(self.store, at, at + length))

    def _call(self, export: str, data: bytes) -> int:
        self.inbox = self.exports["caxton_alloc"](self.store, max(len(data), 8))  # type: ignore[operator]
        self._memory().write(self.store, data, self.inbox)
        result = self.exports[export](self.store, self.inbox, len(data))  # type: ignore[operator]
        assert isinstance(result, int)
        return result

    def _send(self, at: int, length: int) -> int:
        return self.platform.post(self.name, json.loads(self._read(at, length)))

    def _log(self, _level: int, at: int, length: int) -> None:
        self.logged.append(self._read(at, length).decode())

    def _get(self, key: int, key_length: int, at: int, capacity: int) -> int:
        value = self.state.get(self._read(key, key_length))
        if value is None:
            return -1
        if len(value) <= capacity:
            self._memory().write(self.store, value, at)
        return len(value)

    def _put(self, key: int, key_length: int, at: int, length: int) -> int:
        self.state[self._read(key, key_length)] = self._read(at, length)
        return 0

    def handle(self, message: Message) -> Message | None:
        """Give the guest one message and return its response."""
        code = self._call("handle_message", json.dumps(message).encode())
        assert code in (0, 1), f"{self.name} answered {code} to {message}"
        if code == 0:
            return None
        place = self._read(self.inbox, 8)
        at, length = int.from_bytes(place[:4], "little"), int.from_bytes(place[4:], "little")
        response: Message = json.loads(self._read(at, length))
        return response


class ToyPlatform:
    """All guests and one queue."""

    def __init__(self) -> None:
        config = wasmtime.Config()
        config.wasm_relaxed_simd = config.wasm_simd = False
        config.wasm_bulk_memory = False
        self.engine = wasmtime.Engine(config)
        self.guests: dict[str, ToyGuest] = {}
        self.queue: deque[tuple[str, Message]] = deque()
        self.delivered: list[Message] = []
        self.outside: list[Message] = []
        self._ids = 0

    def deploy(self, name: str, module: Path, config: Any = None) -> ToyGuest:
        """Start an agent."""
        compiled = wasmtime.Module.from_file(self.engine, str(module))
        self.guests[name] = ToyGuest(self, name, compiled, config)
        return self.guests[name]

    def post(self, sender: str, message: Message) -> int:
        """Queue a message for each of its receivers."""
        receivers = message.pop("receiver")
        for receiver in receivers if isinstance(receivers, list) else [receivers]:
            name = receiver.partition("@")[0]
            if name not in self.guests and name != "api":
                return -2
            self._ids += 1
            whole = {
                **message,
                "sender": f"{sender}@toy",
                "receiver": f"{name}@toy",
                "id": f"m{self._ids}",
            }
            self.queue.append((name, whole))
        return 0

    def step(self) -> None:
        """Deliver the next message and queue the response."""
        name, message = self.queue.popleft()
        self.delivered.append(message)
        if name == "api":
            self.outside.append(message)
            return
        response = self.guests[name].handle(message)
        if response is not None:
            defaults = {"receiver": message["sender"], "in_reply_to": message["id"]}
            for field in ("conversation_id", "protocol"):
                if field in message:
                    defaults[field] = message[field]
            assert self.post(name, defaults | response) == 0

    def run(self, steps: int = 1_000_000) -> None:
        """Deliver until nothing is queued."""
        while self.queue and steps:
            self.step()
            steps -= 1
