"""Keys: requests that a client may send again, whatever became of the first one.

Rules:
- The answer is kept in the go of the effect, and so in its group. An answer that takes longer than the effect (a reply, the
  end of a conversation, a deployment) is kept when it is known; until then the key holds a reference to what was made, and
  who sends the request again waits for the answer to that.
- Only what had an effect uses a key up: a request that was refused may be sent again.
- One request under a key is under way at a time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec
from caxton_core.errors import KeyReused, KeyUnderWay
from returns.result import Failure, Result, Success

if TYPE_CHECKING:
    from caxton_server.runtime.client_ids import ClientIds

PREFIX: Final = "key:"
_EMPTY: Final = msgspec.Raw(b"null")


class Kept(msgspec.Struct, frozen=True):
    """What a key stands for: an answer, or while there is none (`status` 0) a reference to what the request made."""

    digest: str
    reference: str = ""
    status: int = 0
    headers: Mapping[str, str] = {}
    body: msgspec.Raw = _EMPTY


Render: TypeAlias = Callable[[Any], Kept]
"""Makes of a view what is answered; its `digest` is filled in here."""


class Claim:
    """One request under a key."""

    def __init__(self, keys: Keys, name: str, digest: str, *, reference: str = "") -> None:
        self._keys, self._name, self._digest = keys, name, digest
        self.reference = reference
        """What an earlier request under this key made, whose answer is still owed; empty when there was none."""
        self.render: Render = lambda _view: Kept("", status=204)
        self.kept: Kept | None = None
        """The answer, once it is known."""

    def refer(self, reference: str) -> None:
        """Keep what was made; call it in the go that makes it."""
        self.reference = reference
        self._keep(Kept(self._digest, reference))

    def settle(self, view: Any) -> None:
        """Keep the answer; call it in the go of the effect, or after `refer` when the answer is known."""
        self.kept = kept = msgspec.structs.replace(self.render(view), digest=self._digest)
        self._keep(kept)

    def _keep(self, kept: Kept) -> None:
        self._keys.ids.keep(self._name, self._digest, msgspec.json.encode(kept))

    def end(self) -> None:
        """Let another request under this key begin."""
        self._keys.under_way.pop(self._name, None)


class Keys:
    """The keys of all clients."""

    def __init__(self, ids: ClientIds) -> None:
        self.ids = ids
        self.under_way: dict[str, str] = {}

    async def begin(
        self, client: str, key: str, digest: str
    ) -> Result[Claim | Kept, KeyReused | KeyUnderWay]:
        """Claim a key for a request, or return the answer that was given to it before."""
        name = PREFIX + hashlib.sha256(f"{client}\n{key}".encode()).hexdigest()
        running = self.under_way.get(name)
        if running is not None:
            return Failure(KeyUnderWay(key) if running == digest else KeyReused(key))
        self.under_way[name] = digest
        claimed = False
        try:
            body = await self.ids.find(name)
            known = None if body is None else msgspec.json.decode(body, type=Kept)
            if known is not None and known.digest != digest:
                return Failure(KeyReused(key))
            if known is not None and known.status:
                journal = self.ids.kernel.journal
                await journal.wait(journal.position)
                return Success(known)
            claimed = True
            return Success(
                Claim(self, name, digest, reference="" if known is None else known.reference)
            )
        finally:
            if not claimed:
                del self.under_way[name]
