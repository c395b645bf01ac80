"""A project of one agent: a folder with a manifest, a source file, and scripts that test it.

Rules:
- The language is that of the one source file that is there (`agent.c`, `agent.zig`, ...); the manifest doesn't say it.
- A new project is a copy of the SDK's template, with the language's own files over those that all share.
- Nothing that exists is overwritten.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final, TypeAlias

import caxton_sdk
import msgspec
import yaml
from caxton_core import __version__
from caxton_core.errors import InvalidManifest, InvalidValue, Problem
from caxton_core.ids import AgentName
from caxton_core.resources import Manifest
from returns.result import Failure, Result, Success

from caxton_server.authoring.languages import LANGUAGES
from caxton_server.authoring.toolchains import Language

MANIFEST: Final = "agent.yaml"
SCRIPTS: Final = "tests"
BUILT: Final = "build"
_UNWATCHED: Final = (BUILT, "node_modules", "__pycache__")


class NotAProject(Problem, frozen=True):
    """A folder is no project that can be built."""

    folder: str
    detail: str
    code: ClassVar[str] = "not_a_project"
    SENTENCE: ClassVar[str] = "{folder} is no agent's project: {detail}."


class FolderTaken(Problem, frozen=True):
    """A new project would go where something is."""

    folder: str
    code: ClassVar[str] = "folder_taken"
    SENTENCE: ClassVar[str] = "{folder} exists and is not empty."


class CantWrite(Problem, frozen=True):
    """A file of a new project can't be written."""

    path: str
    detail: str
    code: ClassVar[str] = "cant_write"
    SENTENCE: ClassVar[str] = "Can't write {path}: {detail}."


ProjectError: TypeAlias = NotAProject | InvalidManifest


class Project(msgspec.Struct, frozen=True):
    """A project as it was found; `document` is the manifest as it is written there."""

    folder: Path
    language: Language
    manifest: Manifest
    document: Mapping[str, Any]

    @property
    def source(self) -> Path:
        """Return the file the compiler is given."""
        return self.folder / self.language.source

    @property
    def module(self) -> Path:
        """Return the module that a build makes."""
        return self.folder / self.manifest.module

    @property
    def scripts(self) -> list[Path]:
        """Return the files of scripts that test it, by name."""
        return sorted(
            path
            for ending in ("yaml", "yml")
            for path in (self.folder / SCRIPTS).glob(f"*.{ending}")
        )

    def watched(self) -> Iterator[Path]:
        """Yield every file a build or a deployment depends on."""
        yield self.folder / MANIFEST
        for parent, folders, files in os.walk(self.folder):
            # Neither what was built nor what was installed is looked into, which may be a great deal.
            folders[:] = [
                each for each in folders if each not in _UNWATCHED and not each.startswith(".")
            ]
            for name in files:
                if any(fnmatch.fnmatchcase(name, pattern) for pattern in self.language.watched):
                    yield Path(parent, name)


def find(folder: Path) -> Result[Project, ProjectError]:
    """Read the project in a folder."""
    folder = folder.resolve()
    try:
        text = (folder / MANIFEST).read_text("utf-8")
        document = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        return Failure(NotAProject(str(folder), f"{MANIFEST} can't be read: {reason}"))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        return Failure(NotAProject(str(folder), f"{MANIFEST} is no YAML: {error}"))
    parsed = Manifest.parse(document)
    if isinstance(parsed, Failure):
        return Failure(parsed.failure())
    manifest = parsed.unwrap()
    language = _language(folder)
    if isinstance(language, Failure):
        return Failure(language.failure())
    module = Path(manifest.module)
    inside = folder in (folder / module).resolve().parents
    # A build writes there: it must not be the source.
    if manifest.digest is not None or module.suffix != ".wasm" or not inside:
        wanted = f"`module:` in {MANIFEST} must be the path of a .wasm file inside the project"
        return Failure(NotAProject(str(folder), f"{wanted}, such as {BUILT}/{manifest.name}.wasm"))
    return Success(Project(folder, language.unwrap(), manifest, document))


def _language(folder: Path) -> Result[Language, NotAProject]:
    """Return the language of the one source file there is."""
    found = [each for each in LANGUAGES.values() if (folder / each.source).is_file()]
    if len(found) == 1:
        return Success(found[0])
    if found:
        names = " and ".join(each.source for each in found)
        return Failure(NotAProject(str(folder), f"it has {names}, and one is the source"))
    names = ", ".join(each.source for each in LANGUAGES.values())
    return Failure(NotAProject(str(folder), f"it has no source, which is one of {names}"))


def create(
    name: str, language: Language, folder: Path
) -> Result[list[Path], InvalidValue | FolderTaken | CantWrite]:
    """Write a new project and return its files."""
    checked = AgentName.of(name)
    if isinstance(checked, Failure):
        return Failure(checked.failure())
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            return Failure(FolderTaken(str(folder)))
        return Success([_write(folder / path, text) for path, text in _files(name, language)])
    except OSError as error:
        return Failure(CantWrite(str(error.filename or folder), error.strerror or str(error)))


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def _files(name: str, language: Language) -> Iterator[tuple[str, str]]:
    """Yield the path and the text of every file of a new project."""
    words = {"name": name, "title": language.title, "source": language.source, "language": language.name,
             "version": __version__}  # fmt: skip
    templates: dict[str, Path] = {}
    for root in (caxton_sdk.ROOT / "template", caxton_sdk.ROOT / language.name / "template"):
        for parent, _, names in os.walk(root):
            for each in names:
                path = Path(parent, each)
                templates[str(path.relative_to(root))] = path
    for inside, path in sorted(templates.items()):
        text = path.read_text("utf-8")
        for word, value in words.items():
            text = text.replace("{{" + word + "}}", value)
        # Under its own name it would be one of the SDK's.
        yield (".gitignore" if inside == "gitignore" else inside), text
