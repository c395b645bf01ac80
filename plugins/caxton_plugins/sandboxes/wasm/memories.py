"""The linear memory of a guest: where it is, how large it has become, and how far it may still grow.

Rules:
- A view is used only after the size was asked, since the last time the guest ran. wasmtime moves a memory only when it
  grows, and a memory never shrinks: an unchanged size is an unchanged place, and a module without a `memory.grow` need
  not be asked.
- What it grows by is told to the node's budget before another guest runs, and the room it then has is taken over
  between two slices: a store's limits are not touched from inside its own imports.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from caxton_plugins.sandboxes.compilation.sections import PAGE
from caxton_plugins.sandboxes.slices import Pace
from caxton_plugins.sandboxes.wasm.calls import (
    NO_MEMORY,
    Place,
    memory_data,
    memory_size,
    view_of,
)

if TYPE_CHECKING:
    from caxton_core.budgets import Budget
    from caxton_core.resources import Limits

    from caxton_plugins.sandboxes.wasm.engines import Loaded


class LinearMemory(Pace):
    """The part of a guest that has its memory, on top of the part that measures its calls: slots have one line of ancestors."""

    __slots__ = (
        "__weakref__", "_memory_limit", "_placed", "_reserved", "budget", "context", "grows", "loaded", "memory", "most", "size", "view",
    )  # fmt: skip

    def __init__(self, loaded: Loaded, limits: Limits, budget: Budget) -> None:
        engine = loaded.engine
        super().__init__(engine, limits)
        self.loaded, self.budget = loaded, budget
        self._memory_limit: int = limits.memory
        self.most = min(limits.memory, loaded.survey.memory_minimum + budget.room)
        self.place: Place = Place(
            engine.address, self.most, engine.table_limit, engine.slice_fuel, engine.mappings
        )
        self.context, self.memory = self.place.context, self.place.memory
        self.size, self._reserved = 0, loaded.survey.memory_minimum
        self._placed = False
        self.view = NO_MEMORY
        self.grows = False  # known once there is a memory to ask: not while a start function runs
        budget.enter(self if loaded.survey.grows else None, self._reserved)

    def place_memory(self) -> None:
        """Begin to follow the memory, which is there from now on."""
        self.grows, self._placed = self.loaded.survey.grows, True
        self.look()
        self.fit()

    def look(self) -> None:
        """Ask how large the memory is, and take a new view when it grew."""
        size = memory_size(self.context, self.memory)
        if size != self.size:
            grown, self.size = size - self.size - self._reserved, size
            self._reserved = 0
            self.budget.grew(grown, self)
            self.view = view_of(memory_data(self.context, self.memory), size)

    def fit(self) -> None:
        """Let the memory grow by what the budget has room for, and to its own limit at most."""
        size = max(self.size, self.loaded.survey.memory_minimum)
        most = min(self._memory_limit, size + self.budget.room)
        if most != self.most:
            self.most = most
            self.place.cap(most)

    def grown(self) -> bool:
        """Notice from inside an import that the memory grew; tell whether the slice should end, to take over what room is left."""
        self.look()
        return self.size + self.budget.room < self._memory_limit or self.most < self._memory_limit

    def settle(self) -> None:
        """Count between two slices what the memory has grown by, or may have grown by where that is not to be seen."""
        if self.grows:
            self.look()
            self.fit()
        elif not self._placed and self._reserved < self.most:
            # What its start function does to its memory is not to be seen: reckon with all it may do.
            more, self._reserved = self.most - self._reserved, self.most
            self.budget.grew(more, self)

    def exhausted(self) -> str:
        """Name the limit that the memory has reached, if any: its own, or the node's."""
        if not self.grows:
            return ""
        if self.size:
            self.look()
        if self.size + PAGE <= self.most:
            return ""
        return "memory" if self.most == self._memory_limit else "node_memory"

    def abandon(self) -> None:
        """Count the memory no more; it is not looked at again."""
        self.budget.leave(self, self.size + self._reserved)
        self.size = self._reserved = 0
        self.view = NO_MEMORY
