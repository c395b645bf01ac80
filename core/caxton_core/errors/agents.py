"""What can go wrong with agents and their deployments."""

from __future__ import annotations

from caxton_core.errors.problems import FieldError, Problem


class InvalidManifest(Problem, frozen=True):
    """A manifest with at least one wrong or unknown key; all of them are named."""

    errors: tuple[FieldError, ...]
    code = "invalid_manifest"

    def __str__(self) -> str:
        return f"Invalid manifest: {'; '.join(map(str, self.errors))}."


class InvalidModule(Problem, frozen=True):
    """Bytes that are no module this node may run."""

    detail: str
    code = "invalid_module"
    SENTENCE = "Invalid module: {detail}."


class InvalidSignature(Problem, frozen=True):
    """A text that is no signature in minisign's form."""

    detail: str
    code = "invalid_signature"
    SENTENCE = "Invalid signature: {detail}."


class UntrustedModule(Problem, frozen=True):
    """A module the node may not run: `reason` is unsigned, unknown-key, revoked-key or wrong-signature."""

    module: str
    reason: str
    detail: str
    code = "untrusted_module"
    SENTENCE = "Module {module} is not trusted ({reason}): {detail}."


class AgentNotFound(Problem, frozen=True):
    """No agent has this name, address or handle."""

    agent: str
    code = "agent_not_found"
    SENTENCE = "Agent {agent} not found."


class AgentExists(Problem, frozen=True):
    """The name is taken."""

    agent: str
    code = "agent_exists"
    SENTENCE = "Agent {agent} exists already."


class InvalidTransition(Problem, frozen=True):
    """A state table has no row for this state and event; `allowed` are the events it has."""

    machine: str
    state: str
    event: str
    allowed: tuple[str, ...] = ()
    code = "invalid_transition"

    def __str__(self) -> str:
        legal = ", ".join(self.allowed) or "nothing, it is final"
        return (
            f"The {self.machine} is {self.state}: {self.event} is not legal now (legal: {legal})."
        )


class StartFailed(Problem, frozen=True):
    """A version did not start: `reason` is that of a fault (trap, cpu, time, memory, agent-error...)."""

    agent: str
    reason: str
    detail: str
    code = "start_failed"
    SENTENCE = "Agent {agent} did not start ({reason}): {detail}."


class ExecutionFailed(Problem, frozen=True):
    """A running guest failed at a message."""

    agent: str
    reason: str
    detail: str
    code = "execution_failed"
    SENTENCE = "Agent {agent} failed ({reason}): {detail}."


class ValidationFailed(Problem, frozen=True):
    """A version was refused before it got any traffic."""

    errors: tuple[str, ...]
    code = "validation_failed"

    def __str__(self) -> str:
        return f"The version was refused: {'; '.join(self.errors)}."


class RolledBack(Problem, frozen=True):
    """A deployment went back to the version before."""

    deployment: str
    reason: str
    code = "rolled_back"
    SENTENCE = "Deployment {deployment} was rolled back: {reason}."
