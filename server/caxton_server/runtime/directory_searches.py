"""A search in the directory: what is registered, looked at a slice at a time.

Rules:
- A search sees the registry as it was when the search began; a subscription's first search also what changed meanwhile.
- What is found has to fit in an answer that its receiver can take; `cut` says that it does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias, final

import msgspec
from caxton_core.agents import AgentState
from caxton_core.directory_descriptions import AmsAgent, DfAgent
from caxton_core.directory_matching import Shape, ams_matches, matches
from caxton_core.directory_terms import show
from caxton_core.directory_writing import ams_agent_term, df_agent_term

if TYPE_CHECKING:
    from caxton_server.runtime.cells import Cell
    from caxton_server.runtime.directory_entries import Entries
    from caxton_server.runtime.kernel import PlatformAgent

ANSWER_BYTES = 131_072
_MATCH, _FOUND = 1, 20
"""What it takes to look at an entry, and to write one down: about two microseconds each."""

AMS_STATE = {
    AgentState.UNLOADED: "initiated",
    AgentState.LOADED: "initiated",
    AgentState.RUNNING: "active",
    AgentState.DRAINING: "active",
    AgentState.SUSPENDED: "suspended",
    AgentState.FAILED: "initiated",
    AgentState.STOPPED: "initiated",
}
"""The AMS's name (FIPA SC00023) for the state of an agent: one that can be started is as if it had not been yet."""

Entry: TypeAlias = "Shape | Cell | PlatformAgent"


def room_for(to: Cell | PlatformAgent, besides: int) -> int:
    """Return how many bytes of descriptions an answer to somebody may have, beside so many other ones."""
    size = getattr(to, "message_size", 2 * ANSWER_BYTES)
    # Quotation marks take two bytes in JSON, and the message has other fields.
    return max(min(ANSWER_BYTES, size - 2 * besides - 1_024), 0)


def ams_entry(entry: Cell | PlatformAgent, owners: dict[str, str]) -> AmsAgent:
    """Describe an agent as the AMS does."""
    state = getattr(entry, "state", AgentState.RUNNING)
    return AmsAgent(entry.address, AMS_STATE[state], owners.get(entry.address, ""))


@final
class Scan:
    """One search under way."""

    def __init__(
        self,
        entries: Entries,
        template: DfAgent | AmsAgent,
        candidates: Sequence[Entry] | None,
        *,
        most: int,
        room: int,
    ) -> None:
        """Begin to look at `candidates`; without any, at what the DF shows that could match."""
        self.entries, self.most, self.room = entries, most, room
        self.number = entries.number
        self.template = template
        self._shape = (
            Shape(template, template=True) if isinstance(template, DfAgent) else Shape(DfAgent())
        )
        self._candidates = entries.candidates(self._shape) if candidates is None else candidates
        self._next = 0
        self._later: dict[str, Shape | None] = {}
        self.found: dict[str, str] = {}
        self.full = most == 0
        self.cut = False

    def look(self, units: int, now: int) -> int:
        """Look at entries until so much work is done; return how much was."""
        done = 0
        candidates = self._candidates
        while not self.over and done < units:
            entry = candidates[self._next]
            self._next += 1
            done += _MATCH
            if isinstance(entry, Shape):
                done += len(self._shape.services) * len(entry.services) // 4
                if self.entries.valid(entry, now) and matches(self._shape, entry):
                    self._add(entry.agent.name, show(df_agent_term(entry.agent)))
                    done += _FOUND
            elif isinstance(self.template, AmsAgent):
                described = ams_entry(entry, self.entries.owners)
                if ams_matches(self.template, described):
                    self._add(described.name, show(ams_agent_term(described)))
                    done += _FOUND
        return done

    @property
    def over(self) -> bool:
        """Tell whether there is nothing more to look at."""
        return self.full or self._next >= len(self._candidates)

    def _add(self, name: str, text: str) -> None:
        size = len(msgspec.json.encode(text))
        if size > self.room:
            self.full = self.cut = True
            return
        self.room -= size
        self.found[name] = text
        self.full = len(self.found) == self.most

    def catch_up(self) -> None:
        """Take note of what has changed since the search began, as long as the registry keeps those changes."""
        for change in self.entries.log:
            if change.number > self.number:
                self._later[change.name] = change.after
        self.number = self.entries.number

    def finish(self, now: int) -> None:
        """Make what was found what there is now."""
        self.catch_up()
        for name, shape in self._later.items():
            self.found.pop(name, None)
            if shape is not None and self.entries.valid(shape, now) and matches(self._shape, shape):
                self._add(name, show(df_agent_term(shape.agent)))
