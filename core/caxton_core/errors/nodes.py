"""What can go wrong around the kernel: storages, security, configuration, plugins, telemetry."""

from __future__ import annotations

from caxton_core.errors.problems import Problem


class StorageUnavailable(Problem, frozen=True):
    """The storage does not answer or refuses to work."""

    detail: str
    code = "storage_unavailable"
    SENTENCE = "Storage unavailable: {detail}."


class StorageFull(Problem, frozen=True):
    """There is no room to write."""

    detail: str
    code = "storage_full"
    SENTENCE = "Storage full: {detail}."


class Unreadable(Problem, frozen=True):
    """The place of the storage can't be read or written, or is no database."""

    place: str
    detail: str
    code = "storage_unavailable"
    SENTENCE = "Can't use {place}: {detail}."


class Locked(Problem, frozen=True):
    """Another process uses the storage."""

    place: str
    detail: str = "another node is using it"
    code = "storage_unavailable"
    SENTENCE = "{place} is locked: {detail}."


class DatabaseTooNew(Problem, frozen=True):
    """The database was written by a newer Caxton."""

    place: str
    found: int
    supported: int
    code = "storage_unavailable"
    SENTENCE = "{place} has schema {found}, newer than {supported}, the newest this Caxton knows."


class Corrupt(Problem, frozen=True):
    """A group of the journal does not match its checksum."""

    group: int
    detail: str
    code = "storage_unavailable"
    SENTENCE = "Journal group {group} is corrupt: {detail}."


class CorruptRow(Problem, frozen=True):
    """A row of a table, an index entry or a module is not as it was written."""

    table: str
    key: str
    detail: str
    code = "storage_unavailable"
    SENTENCE = "Row {key!r} of table {table} is corrupt: {detail}."


class BrokenJournal(Problem, frozen=True):
    """A node can't start: a group that it needs is corrupt or missing; `intact` is the last one before it, 0 for none."""

    group: int
    detail: str
    intact: int
    code = "storage_unavailable"

    def __str__(self) -> str:
        said = f"Journal group {self.group} is corrupt: {self.detail}. Nothing was changed. Restore a backup"
        if not self.intact:
            return f"{said}: `caxton db restore FILE --force`."
        return (
            f"{said} (`caxton db restore FILE --force`), or give up this group and all behind it and keep what is before:"
            f" `caxton db rebuild --upto {self.intact}`."
        )


class Unfinished(Problem, frozen=True):
    """The database is half built: `work` was interrupted, and must be done again."""

    work: str
    code = "storage_unavailable"
    SENTENCE = "The database is half built: a {work} was interrupted; run `caxton db {work}` again."


class NotAuthorized(Problem, frozen=True):
    """No valid token came with the request."""

    detail: str = "a valid token is needed"
    code = "not_authorized"
    SENTENCE = "Not authorized: {detail}."


class Forbidden(Problem, frozen=True):
    """The caller is known but may not do this."""

    detail: str
    code = "forbidden"
    SENTENCE = "Forbidden: {detail}."


class InvalidSetting(Problem, frozen=True):
    """A configuration key that is unknown or has a wrong value; `place` is file:line:column or a variable."""

    place: str
    key: str
    detail: str
    nearest: str = ""
    code = "invalid_setting"

    def __str__(self) -> str:
        hint = f"; did you mean {self.nearest}?" if self.nearest else ""
        return f"{self.place}: {self.key}: {self.detail}{hint}"


class DuplicatePlugin(Problem, frozen=True):
    """Two plugins bring the same name."""

    kind: str
    name: str
    plugins: tuple[str, ...]
    code = "plugin_error"

    def __str__(self) -> str:
        return f"The {self.kind} {self.name!r} comes from more than one plugin: {', '.join(self.plugins)}."


class IncompatiblePlugin(Problem, frozen=True):
    """A plugin was written for another version of the plugin interface, or does not say for which."""

    plugin: str
    wants: str
    has: int
    code = "plugin_error"
    SENTENCE = "Plugin {plugin} has caxton_api = {wants}; this Caxton offers {has}."


class BrokenPlugin(Problem, frozen=True):
    """A plugin can't be imported, has a hook nobody calls, or returned something useless."""

    plugin: str
    detail: str
    code = "plugin_error"
    SENTENCE = "Plugin {plugin} is broken: {detail}."


class TelemetryUnavailable(Problem, frozen=True):
    """Traces, metrics or logs can't be set up or sent."""

    what: str
    detail: str
    code = "telemetry_unavailable"
    SENTENCE = "No {what}: {detail}."
