"""Clients that keep a ledger of what was acknowledged, and the comparison of it with those of the guests.

Rules:
- Each client does one thing after the other, and does each again until it is acknowledged: a message under the same id,
  so that it is the same message; a conversation anew.
- A refusal must name a time to come again (Retry-After); anything else that is no acknowledgement is written down as wrong.
- A connection that breaks ends its client when it may (`until_broken`); else it connects again.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from tests.e2e.nodes import Api, until
from tests.faults.guests import total

REFUSALS = (503, 507)
SETTLED_SECONDS = 60.0
"""How long timers and mailboxes may take, once all has been acknowledged."""
LARGE = {"state": "64MiB", "mailbox": 10_000}
"""Limits of the agents that keep ledgers."""


class Work(msgspec.Struct, frozen=True):
    """A thing a client does: `document` of a key is posted to `path`, and acknowledged with `status`."""

    name: str
    path: str
    document: Callable[[str], dict[str, Any]]
    status: int = 202


def telling(receiver: str) -> Work:
    """Messages to an agent, each with its own id as content."""
    return Work(
        receiver,
        "messages",
        lambda key: {"performative": "inform", "receiver": receiver, "content": key, "id": key},
    )


def nets(*participants: str, reply_by: str = "+30s") -> Work:
    """Contract nets of the server among some agents."""
    return Work(
        "nets",
        "conversations",
        lambda _key: {
            "protocol": "fipa-contract-net", "participants": list(participants), "content": "a house",
            "select": {"min": "$.cost"}, "reply_by": reply_by,
        },
        status=201,
    )  # fmt: skip


class Broken(msgspec.Struct, frozen=True):
    """A connection that broke, when by the monotonic clock, and with what."""

    at: float
    what: str
    waiting: bool
    """Whether a request had been sent and was not answered."""


class Load:
    """Clients at their work; what was acknowledged is kept by the name of the work, in order, client by client."""

    def __init__(
        self,
        *works: Work,
        clients: int = 4,
        until_broken: bool = True,
        pause: float = 0.0,
        on_acknowledged: Callable[[str], None] = lambda _key: None,
    ) -> None:
        self.works = works
        self.clients = clients
        self.until_broken = until_broken
        self.pause = pause
        self.on_acknowledged = on_acknowledged
        self.acknowledged: dict[str, list[str]] = {work.name: [] for work in works}
        self.by_client: list[list[str]] = [[] for _ in range(clients)]
        self.answers: dict[str, dict[str, Any]] = {}
        self.sent: dict[str, list[str]] = {work.name: [] for work in works}
        self.refused: dict[int, int] = {}
        self.refusals: set[str] = set()
        self.slowest = 0.0
        self.wrong: list[str] = []
        self.broken: list[Broken] = []
        self.pending: list[tuple[Work, str] | None] = [None] * clients
        self._turns = list(range(clients))
        self._threads: list[threading.Thread] = []
        self._stop = threading.Event()
        self._new = True

    @property
    def count(self) -> int:
        """Return how much was acknowledged."""
        return sum(map(len, self.acknowledged.values()))

    def start(self, api: Api) -> None:
        """Work until stopped, or until the node is gone."""
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, args=(api, number), daemon=True)
            for number in range(self.clients)
        ]
        for thread in self._threads:
            thread.start()

    def wait_for(self, more: int, *, seconds: float = 60.0) -> None:
        """Wait until so much more is acknowledged."""
        enough = self.count + more
        until(lambda: self.count >= enough or self.wrong, seconds=seconds)
        assert self.wrong == []

    def join(self) -> None:
        """Wait until every client has given up."""
        for thread in self._threads:
            thread.join()

    def stop(self) -> None:
        """End after what each client is at."""
        self._stop.set()
        self.join()

    def settle(self, api: Api) -> None:
        """Have what was never acknowledged acknowledged."""
        self._new = False
        self.start(api)
        self.join()
        self._new = True
        assert self.pending == [None] * self.clients, (self.wrong, self.broken[-3:])

    def _work(self, api: Api, number: int) -> None:
        connection = http.client.HTTPConnection(api.host, api.port, timeout=90)
        waiting = False
        while not self._stop.is_set():
            pending = self.pending[number]
            if pending is None:
                if not self._new:
                    break
                pending = self.pending[number] = self._next(number)
            work, key = pending
            try:
                waiting = False
                if connection.sock is None:
                    connection.connect()
                began = time.monotonic()
                waiting = True
                body = json.dumps(work.document(key))
                headers = {"Content-Type": "application/json"}
                connection.request("POST", f"/api/v1/{work.path}", body, headers)
                answer = connection.getresponse()
                data = answer.read()
            except (OSError, http.client.HTTPException) as error:
                self.broken.append(Broken(time.monotonic(), repr(error), waiting))
                connection.close()
                if self.until_broken:
                    return
                time.sleep(0.02)
                continue
            self.slowest = max(self.slowest, time.monotonic() - began)
            if answer.status == work.status:
                self._acknowledge(number, work, key, json.loads(data))
                time.sleep(self.pause)
            elif answer.status in REFUSALS and answer.getheader("Retry-After"):
                # That is no acknowledgement, and the same comes again; sooner than asked, to see more of it.
                self.refused[answer.status] = self.refused.get(answer.status, 0) + 1
                detail = json.loads(data)
                self.refusals.add(f"{answer.status} {detail['code']}: {detail['detail']}")
                if "stopping" in detail["detail"] and self.until_broken:
                    break
                time.sleep(0.05)
            else:
                self.wrong.append(f"{answer.status} {data!r}")
                break
        connection.close()

    def _next(self, number: int) -> tuple[Work, str]:
        work = self.works[self._turns[number] % len(self.works)]
        self._turns[number] += 1
        key = str(uuid.uuid4())
        self.sent[work.name].append(key)
        return work, key

    def _acknowledge(self, number: int, work: Work, key: str, body: dict[str, Any]) -> None:
        self.on_acknowledged(key)
        self.answers[key] = body
        # A conversation is known by the id the node gave it.
        known = str(body["id"])
        self.acknowledged[work.name].append(known)
        self.by_client[number].append(known)
        self.pending[number] = None


def asked(api: Api, name: str, what: str) -> int:
    """Ask a guest's ledger for one number."""
    return int(api.ask(name, what, performative="query-ref")["content"])


def totals(api: Api, name: str) -> tuple[int, int]:
    """Return how much a guest has done, and how many different things."""
    return asked(api, name, "." * 36), asked(api, name, "," * 36)


def counts(api: Api, name: str, keys: Sequence[str]) -> dict[str, int]:
    """Return how often a guest did each of some things."""
    connection = http.client.HTTPConnection(api.host, api.port, timeout=60)
    found = {}
    for key in keys:
        message = {"performative": "query-ref", "receiver": name, "content": key}
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/api/v1/messages?wait=30s", json.dumps(message), headers)
        found[key] = int(json.loads(connection.getresponse().read())["reply"]["content"])
    connection.close()
    return found


def audit(api: Api, load: Load, *, sum: bool = False) -> None:
    """See that all that was acknowledged was done exactly once, and nothing else was; by guests that `sum`, or not."""
    assert load.wrong == []
    for name, keys in load.acknowledged.items():
        assert len(set(keys)) == len(keys)
        if name == "nets":
            _audit_nets(api, keys, sum=sum)
        else:
            _audit_texts(api, name, keys, sum=sum)
    assert api.all("dead-letters") == []


def _once(keys: Sequence[str], *, sum: bool) -> tuple[int, int]:
    """Return what a guest tells that did each of these once.

    That is as many things as these, all different: as it knows no others, it can only be these.
    """
    return len(keys), total(keys) if sum else len(keys)


def _audit_texts(api: Api, name: str, keys: list[str], *, sum: bool) -> None:
    """A guest did each text that was acknowledged once."""
    end = time.monotonic() + SETTLED_SECONDS
    while (found := totals(api, name))[0] < len(keys) and time.monotonic() < end:
        time.sleep(0.05)
    if found != _once(keys, sum=sum):
        strange = {key: n for key, n in counts(api, name, keys).items() if n != 1}
        stories = [api.call("GET", f"/api/v1/messages/{key}").data for key in strange]
        raise AssertionError((name, found, len(keys), strange, stories))


def _audit_nets(api: Api, keys: list[str], *, sum: bool) -> None:
    """Every contract net has ended with an award to the cheapest, and the work was done once for each."""

    def ended() -> bool:
        return all(net["outcome"] for net in api.all("conversations?protocol=fipa-contract-net"))

    until(ended)
    found = {net["id"]: net for net in api.all("conversations?protocol=fipa-contract-net")}
    missing = [key for key in keys if key not in found]
    assert missing == [], missing
    ends = {(net["state"], net["outcome"]) for net in found.values()}
    assert len(ends) == 1, ends
    done: dict[str, list[str]] = {}
    for key, net in found.items():
        done.setdefault(net["winner"].partition("@")[0], []).append(key)
    for winner, awarded in done.items():
        assert totals(api, winner) == _once(awarded, sum=sum)
