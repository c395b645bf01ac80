"""What the node thinks of the modules it is given: judged by what it trusts, and the policy applied.

Rules:
- The policy `off` asks nothing; `warn` lets everything in and says what it would not trust; `require` refuses that.
- Every warning and every refusal is an event, a count and a line in the log.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from caxton_core.errors import UntrustedModule
from caxton_core.events import Event, ModuleRefused, ModuleUntrusted
from caxton_core.signatures import Doubt, PublicKey, Signature, Trust
from returns.result import Failure, Result

from caxton_server import signatures

if TYPE_CHECKING:
    from caxton_server.runtime.kernel import Kernel

_log = logging.getLogger(__name__)
_MOST_KEPT = 10_000


class Signatures:
    """Judges modules, and remembers how."""

    def __init__(self, kernel: Kernel, trust: Trust, publish: Callable[[Event], None]) -> None:
        self.kernel, self.trust, self.publish = kernel, trust, publish
        self._judged: dict[tuple[str, str], Result[PublicKey, Doubt]] = {}

    @property
    def asked(self) -> bool:
        """Tell whether anybody wants to know who made a module."""
        return self.trust.policy != "off"

    def known(self, digest: str, signature: Signature | None) -> Result[PublicKey, Doubt] | None:
        """Return what was found of this module and signature before."""
        return self._judged.get((digest, str(signature)))

    def judge(
        self, digest: str, data: bytes, signature: Signature | None
    ) -> Result[PublicKey, Doubt]:
        """Tell who made a module; hashes all of it, so call it in a thread."""
        verdict = signatures.judge(self.trust, data, signature)
        if len(self._judged) >= _MOST_KEPT:
            self._judged.clear()
        self._judged[digest, str(signature)] = verdict
        return verdict

    def rule(
        self, digest: str, verdict: Result[PublicKey, Doubt], agent: str | None
    ) -> UntrustedModule | None:
        """Apply the policy to a verdict: returns the refusal, if it is one."""
        counts = self.kernel.counters.signatures
        if not isinstance(verdict, Failure):
            counts["trusted", "accepted"] += 1
            return None
        doubt = verdict.failure()
        refused = self.trust.policy == "require"
        counts[doubt.reason, "refused" if refused else "warned"] += 1
        kind = ModuleRefused if refused else ModuleUntrusted
        self.kernel.tick()
        self.publish(kind(digest, doubt.reason, doubt.detail, agent))
        _log.warning(
            "module %s %s (%s): %s; agent %s",
            digest,
            "refused" if refused else "is not trusted",
            doubt.reason,
            doubt.detail,
            agent or "none",
        )
        return UntrustedModule(digest, doubt.reason, doubt.detail) if refused else None
