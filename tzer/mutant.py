"""Mutant: a program with its trace, while mutators are applied to either. Used by `job.py`."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.case import PrimitiveCall
from harness.oracles.schedule import without_threads
from harness.schedules import Replay
from tzer.mutate import IR_MUTATORS, SCHEDULE_MUTATORS
from tzer.mutate.schedules import LONGEST, Tries, Unapplied, replayed

PROGRAMS = {mutator.name: mutator for mutator in IR_MUTATORS}
SCHEDULES = {mutator.name: mutator for mutator in SCHEDULE_MUTATORS}


@dataclass
class Mutant:
    """A program with its trace, while mutators are applied to either.

    A mutation of the program leaves the trace; primitives that no longer apply drop out.
    """

    module: Any
    trace: tuple[PrimitiveCall, ...]
    tries: Tries
    replay: Replay | None = None  # of all of the trace, if it has been replayed
    ended: bool = False  # by a primitive that must not be applied here

    def mutate(self, names: Sequence[str], count: int, rng: random.Random) -> tuple[str, str]:
        """Apply the first `count` mutators that can; the name of the first, and the last error."""
        used, last, left = "", "", count
        for name in names:
            try:
                changed = self._mutate(name, rng)
            except Unapplied as end:
                self.trace, self.ended = (*self.trace, *end.calls), True
                return used or name, last
            except Exception as error:  # a mutator's fault must not end the child with all it keeps
                last = f"{name}: {type(error).__name__}: {error}"[:300]
                continue
            if changed:
                used, left = used or name, left - 1
                if left == 0:
                    break
        return used, last

    def _mutate(self, name: str, rng: random.Random) -> bool:
        if name in SCHEDULES:
            if len(self.trace) >= LONGEST:
                return False
            call = SCHEDULES[name].extend(self._replayed(), rng, self.tries)
            if call is not None:
                self.trace = (*self.trace, call)
            return call is not None
        mutator = PROGRAMS[name]
        changed = mutator.mutate(self.module, rng) if mutator.can_mutate(self.module) else None
        if changed is not None:
            self.module, self.replay = changed, None
        return changed is not None

    def _replayed(self) -> Replay:
        if self.replay is None:
            self.replay, self.trace = replayed(self.module, self.trace, self.tries)
        return self.replay

    def scheduled(self) -> Any | None:
        """The module that the passes begin with; None if not all of the trace may be applied."""
        if self.ended:
            return None
        try:
            return without_threads(self._replayed().module)
        except Unapplied:
            return None
