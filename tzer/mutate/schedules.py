"""Schedules: extends a case's trace by one primitive, drawn for the program as scheduled so far.

The program itself stays as it is, so that what a primitive makes of it is judged
(`harness.oracles.schedule`). A drawn primitive is applied here too, so that none is tested which
TVM refuses. It may end the process: then the campaign asks again, with the number of the
application that did, and gets the case with that primitive untried.
"""

from __future__ import annotations

import random
from typing import Any

from harness import compat
from harness.case import PrimitiveCall
from harness.schedules import PRIMITIVES, DoesNotApply, Primitive, Replay, is_schedulable
from harness.schedules.draw import CannotDraw, Drawing
from harness.schedules.known import known_failure
from harness.targets.executable import RaisedByTVM
from harness.verdict import Stage
from harness.worker.progress_page import STAGES
from tzer.mutate.base import prim_funcs

ATTEMPTS = 4
# The share of the primitives that are drawn although TVM is known to fail with them.
KNOWN = 0.02
LONGEST = 40


class Unapplied(Exception):
    """Nothing may follow this primitive: TVM fails with it, what it leaves is not well formed, or
    an earlier try died of it.

    `calls` is the primitive, if it is not yet in the trace.
    """

    def __init__(self, *calls: PrimitiveCall) -> None:
        super().__init__(*map(str, calls))
        self.calls = calls


class Tries:
    """Counts the applications of primitives in a job; number `fatal` is not to be tried again.

    With `careful`, what TVM is known to fail on is drawn seldom.
    """

    def __init__(self, fatal: int | None = None, *, careful: bool = False) -> None:
        self._fatal = fatal
        self.careful = careful
        self._count = 0

    def apply(self, replay: Replay, call: PrimitiveCall, drawn: bool) -> None:
        """Apply the primitive.

        Raises:
            DoesNotApply: TVM refuses.
            Unapplied: it is the fatal one, or TVM fails in another way.
        """
        number, self._count = self._count, self._count + 1
        ended = Unapplied(call) if drawn else Unapplied()
        if number == self._fatal:
            raise ended
        with STAGES.inside_tvm(Stage("schedule", "pass", number, call.name)):
            try:
                replay.apply(call)
            except RaisedByTVM:
                raise ended from None
            if compat.why_ill_formed(replay.module) is not None:
                raise ended


class ScheduleMutator:
    """Draws one of the primitives and appends it to the trace."""

    def __init__(self, primitive: Primitive) -> None:
        self.primitive = primitive
        self.name = f"schedule-{primitive.name.replace('_', '-')}"

    def extend(self, replay: Replay, rng: random.Random, tries: Tries) -> PrimitiveCall | None:
        """A primitive that applies, and has been applied; None if none was found.

        Raises:
            Unapplied: with the primitive that is the last one of the trace.
        """
        for function in _schedulable(replay.module, rng):
            for _ in range(ATTEMPTS):
                before = replay.module
                try:
                    call = self._drawn(replay, function, rng, tries.careful)
                    tries.apply(replay, call, drawn=True)
                except CannotDraw:
                    break
                except DoesNotApply:
                    continue
                if not replay.module.same_as(before):
                    return call
        return None

    def _drawn(
        self, replay: Replay, function: str, rng: random.Random, careful: bool
    ) -> PrimitiveCall:
        drawing, name = Drawing(replay.schedule(function), rng), self.primitive.name
        arguments = self.primitive.draw(drawing)
        if careful and rng.random() >= KNOWN:
            for _ in range(ATTEMPTS):
                if not known_failure(drawing, name, arguments):
                    break
                arguments = self.primitive.draw(drawing)
            else:
                raise CannotDraw
        return PrimitiveCall(name, arguments, function)


def replayed(
    module: Any, trace: tuple[PrimitiveCall, ...], tries: Tries
) -> tuple[Replay, tuple[PrimitiveCall, ...]]:
    """The module under the trace, and those of its primitives that applied.

    Raises:
        Unapplied: TVM fails with one of them, or an earlier try died of it.
    """
    replay, applied = Replay(module), []
    for call in trace:
        try:
            tries.apply(replay, call, drawn=False)
        except DoesNotApply:
            continue
        applied.append(call)
    return replay, tuple(applied)


def _schedulable(module: Any, rng: random.Random) -> list[str]:
    """The functions that can be scheduled, in random order."""
    names = [str(var.name_hint) for var, _ in prim_funcs(module)]
    names = [name for name in names if is_schedulable(module, name)]
    rng.shuffle(names)
    return names


SCHEDULE_MUTATORS = tuple(map(ScheduleMutator, PRIMITIVES.values()))
