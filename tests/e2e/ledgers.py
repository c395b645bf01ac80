"""A guest that keeps a ledger: how often it has handled each of the texts it was sent."""

from __future__ import annotations

import http.client
import json
import threading
import time
import uuid

from tests.e2e.nodes import Api, until
from tests.e2e.wat import AT, guest, telling

KEY = "(i32.add (local.get $at) (i32.const 1)) (i32.const 36)"
QUERY = int.from_bytes(b"quer", "little")
COUNTER = f"""{AT}
  (i32.store (i32.const 0) (i32.const 0))
  (drop (call $state_get {KEY} (i32.const 0) (i32.const 4)))
  (if (i32.ne (call $act (local.get $p) (local.get $n)) (i32.const {QUERY})) (then
    (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))
    (if (call $state_put {KEY} (i32.const 0) (i32.const 4)) (then (unreachable)))
    (i32.store (i32.const 4) (i32.const 0))
    (drop (call $state_get (i32.const 16) (i32.const 5) (i32.const 4) (i32.const 4)))
    (i32.store (i32.const 4) (i32.add (i32.load (i32.const 4)) (i32.const 1)))
    (if (call $state_put (i32.const 16) (i32.const 5) (i32.const 4) (i32.const 4)) (then (unreachable)))))
  {telling("(i32.load (i32.const 0))")}"""
"""Body: count a text of 36 characters; a query tells the count and changes nothing."""
TOTAL = '(data (i32.const 16) "total")'


def ledger() -> bytes:
    """Build the guest; a query of thirty-six dots tells how many messages it has handled in all."""
    all_ = f"""(if (i32.eq (i32.load8_u offset=1 (call $content (local.get $p) (local.get $n))) (i32.const 46)) (then
      (i32.store (i32.const 0) (i32.const 0))
      (drop (call $state_get (i32.const 16) (i32.const 5) (i32.const 0) (i32.const 4)))
      (return {telling("(i32.load (i32.const 0))")})))"""
    return guest(all_ + COUNTER, TOTAL)


class Load:
    """Clients that post messages with ids of their own, and try each again until it is acknowledged."""

    def __init__(self, receiver: str, clients: int = 4) -> None:
        self.receiver, self.clients = receiver, clients
        self.acknowledged: list[str] = []
        self.answers: dict[str, dict[str, str]] = {}
        self.wrong: list[str] = []
        self.pending: list[str | None] = [None] * clients
        self._threads: list[threading.Thread] = []
        self._stop = threading.Event()
        self._new = True

    def start(self, api: Api) -> None:
        """Post until stopped, or until the node is gone."""
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._post, args=(api, number))
            for number in range(self.clients)
        ]
        for thread in self._threads:
            thread.start()

    def wait_for(self, more: int) -> None:
        """Wait until so many more are acknowledged."""
        enough = len(self.acknowledged) + more
        until(lambda: len(self.acknowledged) >= enough)

    def join(self) -> None:
        """Wait until every client has given up."""
        for thread in self._threads:
            thread.join()

    def stop(self) -> None:
        """End after the message that each client is at."""
        self._stop.set()
        self.join()

    def settle(self, api: Api) -> None:
        """Have what was never acknowledged acknowledged."""
        self._new = False
        self.start(api)
        self.join()
        assert self.pending == [None] * self.clients, self.wrong

    def _post(self, api: Api, number: int) -> None:
        connection = http.client.HTTPConnection(api.host, api.port, timeout=60)
        try:
            while not self._stop.is_set():
                key = self.pending[number]
                if key is None:
                    if not self._new:
                        return
                    key = self.pending[number] = str(uuid.uuid4())
                message = {
                    "performative": "inform", "receiver": self.receiver, "content": key, "id": key,
                }  # fmt: skip
                headers = {"Content-Type": "application/json"}
                connection.request("POST", "/api/v1/messages", json.dumps(message), headers)
                answer = connection.getresponse()
                body = answer.read()
                if answer.status == 202:
                    self.answers[key] = json.loads(body)
                    self.acknowledged.append(key)
                    self.pending[number] = None
                elif answer.status == 503:
                    # Busy, or ending: that is no acknowledgement, and the same message comes again.
                    time.sleep(0.01)
                    if b"stopping" in body:
                        return
                else:
                    self.wrong.append(f"{answer.status} {body!r}")
                    return
        except (OSError, http.client.HTTPException):
            return
        finally:
            connection.close()


def audit(api: Api, load: Load) -> None:
    """See that every acknowledged message was handled exactly once, and nothing else was."""
    assert load.wrong == []
    assert len(set(load.acknowledged)) == len(load.acknowledged)
    until(lambda: api.get(f"agents/{load.receiver}")["queue"] == 0)
    total = int(api.ask(load.receiver, "." * 36, performative="query-ref")["content"])
    connection = http.client.HTTPConnection(api.host, api.port, timeout=60)
    counts = {}
    for key in load.acknowledged:
        message = {"performative": "query-ref", "receiver": load.receiver, "content": key}
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/api/v1/messages?wait=30s", json.dumps(message), headers)
        counts[key] = int(json.loads(connection.getresponse().read())["reply"]["content"])
    connection.close()
    strange = {key: count for key, count in counts.items() if count != 1}
    stories = [api.call("GET", f"/api/v1/messages/{key}").data for key in strange]
    assert strange == {}, (stories, api.all("dead-letters"))
    assert total == len(load.acknowledged)
    assert api.letters(load.receiver) == []
