"""Everything that can go wrong, as values: one frozen tagged Struct for each fact, one union for each domain.

Rules:
- `code` is the API's code (docs/rest.md); errors that an API client can't tell apart share one.
- `SENTENCE` is filled from the fields; `detail` is a sentence of its own, `reason` a word from a closed list.
- Fields hold plain text and numbers: this module imports nothing of Caxton, and any error can be stored or sent.
- Nothing here is an exception but `StorageFault`, for an iterator that finds a broken group on its way.
"""

from __future__ import annotations

from typing import TypeAlias

from caxton_core.errors.agents import (
    AgentExists,
    AgentNotFound,
    ExecutionFailed,
    InvalidManifest,
    InvalidModule,
    InvalidSignature,
    InvalidTransition,
    RolledBack,
    StartFailed,
    UntrustedModule,
    ValidationFailed,
)
from caxton_core.errors.messages import (
    ConversationNotFound,
    DeliveryFailed,
    InvalidAclString,
    InvalidMessage,
    LimitExceeded,
    MailboxFull,
    NotAdmitted,
    PayloadTooLarge,
    RateLimited,
    Timeout,
    UnknownProtocol,
)
from caxton_core.errors.nodes import (
    BrokenJournal,
    BrokenPlugin,
    Corrupt,
    CorruptRow,
    DatabaseTooNew,
    DuplicatePlugin,
    Forbidden,
    IncompatiblePlugin,
    InvalidSetting,
    Locked,
    NotAuthorized,
    StorageFull,
    StorageUnavailable,
    TelemetryUnavailable,
    Unfinished,
    Unreadable,
)
from caxton_core.errors.problems import (
    Conflict,
    FieldError,
    InvalidValue,
    KeyReused,
    KeyUnderWay,
    NotFound,
    NotImplementedYet,
    Problem,
)

__all__ = [
    "AgentError",
    "AgentExists",
    "AgentNotFound",
    "BrokenJournal",
    "BrokenPlugin",
    "CaxtonError",
    "ConfigurationError",
    "Conflict",
    "ConversationNotFound",
    "Corrupt",
    "CorruptRow",
    "DatabaseTooNew",
    "DeliveryFailed",
    "DeploymentError",
    "DuplicatePlugin",
    "ExecutionFailed",
    "FieldError",
    "Forbidden",
    "IncompatiblePlugin",
    "InvalidAclString",
    "InvalidManifest",
    "InvalidMessage",
    "InvalidModule",
    "InvalidSetting",
    "InvalidSignature",
    "InvalidTransition",
    "InvalidValue",
    "KeyReused",
    "KeyUnderWay",
    "LimitExceeded",
    "Locked",
    "MailboxFull",
    "NotAdmitted",
    "NotAuthorized",
    "NotFound",
    "NotImplementedYet",
    "ObservabilityError",
    "PayloadTooLarge",
    "PluginError",
    "Problem",
    "RateLimited",
    "ResourceError",
    "RolledBack",
    "RoutingError",
    "SecurityError",
    "StartFailed",
    "StorageError",
    "StorageFault",
    "StorageFull",
    "StorageUnavailable",
    "TelemetryUnavailable",
    "Timeout",
    "Unfinished",
    "UnknownProtocol",
    "Unreadable",
    "UntrustedModule",
    "ValidationFailed",
]

AgentError: TypeAlias = (
    AgentNotFound | AgentExists | InvalidTransition | InvalidManifest | InvalidModule | StartFailed
    | ExecutionFailed
)  # fmt: skip
ResourceError: TypeAlias = LimitExceeded | PayloadTooLarge | RateLimited | Timeout
StorageError: TypeAlias = (
    StorageUnavailable | StorageFull | Unreadable | Locked | DatabaseTooNew | Corrupt | CorruptRow
    | BrokenJournal | Unfinished
)  # fmt: skip
RoutingError: TypeAlias = (
    AgentNotFound | InvalidMessage | InvalidAclString | MailboxFull | UnknownProtocol | ConversationNotFound | NotAdmitted
    | DeliveryFailed | Timeout | Forbidden
)  # fmt: skip
DeploymentError: TypeAlias = (
    ValidationFailed | RolledBack | InvalidManifest | InvalidModule | StartFailed | InvalidTransition
    | LimitExceeded | InvalidSignature | UntrustedModule
)  # fmt: skip
SecurityError: TypeAlias = NotAuthorized | Forbidden | RateLimited
PluginError: TypeAlias = DuplicatePlugin | IncompatiblePlugin | BrokenPlugin
ConfigurationError: TypeAlias = InvalidSetting | InvalidValue | PluginError
ObservabilityError: TypeAlias = TelemetryUnavailable
CaxtonError: TypeAlias = (
    AgentError | RoutingError | DeploymentError | ResourceError | StorageError | SecurityError
    | ConfigurationError | ObservabilityError | NotFound | Conflict | KeyReused | KeyUnderWay | NotImplementedYet
)  # fmt: skip


class StorageFault(Exception):
    """Carries a storage's error out of an iterator or a read, where no Result fits."""

    def __init__(self, error: StorageError) -> None:
        super().__init__(str(error))
        self.error = error
