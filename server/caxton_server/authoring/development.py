"""Development: a project that is built and deployed again whenever one of its files changes.

Rules:
- A version that can't be built or does not start changes nothing: the one before goes on running.
- Every deployment has a version of its own: that of the manifest and the number of the build, counted per agent.
- Files are looked at twice a second: that works on every file system, and a project has few.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec
from caxton_core.errors import Problem
from caxton_core.registry import Registry
from caxton_core.views import DeploymentView, LogLine
from returns.result import Failure, Result, Success

from caxton_server.authoring import building, projects
from caxton_server.client import Client

LOOK_SECONDS: Final = 0.5
_NUMBER: Final = re.compile(r"\+build\.(\d+)$")
Looks: TypeAlias = Mapping[Path, tuple[int, int]]


class Deployed(msgspec.Struct, frozen=True):
    """What runs now, and what it was before: None for a new agent; `logged` is the last line that was logged before."""

    agent: str
    version: str
    before: str | None
    logged: int


class NotDeployed(Problem, frozen=True):
    """A version did not come to run; the one before still does, if there is one."""

    version: str
    detail: str
    code = "not_deployed"
    SENTENCE = "Version {version} does not run: {detail}"


def look(folder: Path) -> Looks:
    """Note every file that a project depends on, with its time and size; those of a broken project as far as it goes."""
    found = projects.find(folder)
    if isinstance(found, Failure):
        paths = [each for each in folder.resolve().glob("*") if each.is_file()]
    else:
        paths = list(found.unwrap().watched())
    looks = {}
    for path in paths:
        try:
            stat = path.stat()
        except OSError:  # removed meanwhile, or an editor is renaming it
            continue
        looks[path] = (stat.st_mtime_ns, stat.st_size)
    return looks


def wait_for_change(folder: Path, seen: Looks, stop: threading.Event) -> Looks | None:
    """Return what a project's files are once they differ from what was seen, and have come to rest; None when told to stop."""
    changed = False
    while not stop.wait(LOOK_SECONDS):
        now = look(folder)
        if changed and now == seen:
            return now
        if now != seen:
            changed, seen = True, now
    return None


def deploy(
    folder: Path, client: Client, registry: Registry, *, doing: building.Say, say: building.Say
) -> Result[Deployed, Any]:
    """Build a project and deploy it as the next version of its agent."""
    found = projects.find(folder)
    if isinstance(found, Failure):
        return Failure(found.failure())
    project = found.unwrap()
    built = building.build(project, registry, doing=doing, say=say)
    if isinstance(built, Failure):
        return Failure(built.failure())
    module = building.read(project)
    if isinstance(module, Failure):
        return Failure(module.failure())
    name = str(project.manifest.name)
    before = client.agent(name).map(lambda view: view.version).value_or(None)
    version = next_version(project.manifest.version, before or "")
    logged = last_line(client, name)
    doing(f"Deploying version {version}")
    updated = client.update({**project.document, "version": version}, module.unwrap())
    if isinstance(updated, Failure):
        return Failure(updated.failure())
    view: DeploymentView = updated.unwrap()
    if view.state == "failed":
        return Failure(NotDeployed(version, view.detail))
    return Success(Deployed(name, version, before, logged))


def next_version(wanted: str, running: str) -> str:
    """Return a version of the manifest's with a number that follows the running one's.

    >>> next_version("0.1.0", "0.1.0+build.7"), next_version("0.1.0", "0.1.0")
    ('0.1.0+build.8', '0.1.0+build.1')
    """
    found = _NUMBER.search(running)
    number = 1 + int(found[1]) if found else 1
    return f"{wanted}+build.{number}"


def follow(
    client: Client, agent: str, after: int, stop: threading.Event, tell: Callable[[LogLine], None]
) -> None:
    """Tell of every line that an agent logs behind line `after`, as it is written, until told to stop."""
    while not stop.is_set():
        for line in client.follow_logs(agent, after=after):
            after = line.seq
            tell(line)
        # The node ended the stream, or is gone for a moment.
        stop.wait(LOOK_SECONDS)


def last_line(client: Client, agent: str) -> int:
    """Return the number of the line an agent logged last; 0 when there is none."""
    page = client.logs(agent)
    if isinstance(page, Failure) or not page.unwrap().items:
        return 0
    return int(page.unwrap().items[-1].seq)
