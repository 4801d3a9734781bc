"""Oracle: a property, when it is checked, and for which cases.

An oracle is one file with one `Oracle`, which is listed in `table.py`. Its check gets a view (after
a pass, after the last pass, or after the run) and returns a verdict, or None. Any exception that it
raises is a bug of ours and never a finding; each call of TVM that may fail is wrapped in
`harness.targets.executable.raised_by_tvm`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from harness.case import Case, PassCall
from harness.oracles.guarded import GuardedArray
from harness.semantics.inputs import Argument
from harness.semantics.reference import Reference
from harness.targets import Runnable, Target
from harness.verdict import Kind, SequenceName, Stage, Verdict, normalise, result_signature

# What moves an allocation of a block to where a parallel loop's iterations each have their own.
PLACES_ALLOCATIONS = "s_tir.PlanAndUpdateBufferAllocationLocation"
# From these passes on main takes packed arguments, which the interpreter doesn't model.
SIGNATURE_CHANGES = ("tirx.SplitHostDevice", "tirx.MakePackedAPI")


def interpretable(calls: Iterable[PassCall]) -> int:
    """How many of the calls come before those that change the signature of main."""
    names = [call.name for call in calls]
    changes = [names.index(name) for name in SIGNATURE_CHANGES if name in names]
    return min(changes, default=len(names))


class Found(Exception):
    """An oracle returned a finding; carries the verdict."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.message)
        self.verdict = verdict


@dataclass(frozen=True)
class Sequence:
    """A complete pass sequence up to code generation: the "plain" one, or a case's own."""

    name: SequenceName
    calls: tuple[PassCall, ...]
    opt_level: int

    @property
    def legal(self) -> bool:
        return self.name != "illegal"

    def at(self, step: str) -> Stage:
        """The stage of this step of the sequence."""
        return Stage(self.name, step)


@dataclass(frozen=True)
class Compilation:
    """The compilation of a case with one of its two pass sequences.

    `oracles` are the names of those to run, each on every case; None for the choice of the table.
    """

    case: Case
    reference: Reference
    sequence: Sequence
    target: Target
    oracles: Collection[str] | None = None

    @property
    def places_allocations(self) -> bool:
        """Whether an allocation of a block that a parallel loop uses is its iterations' own."""
        return any(call.name == PLACES_ALLOCATIONS for call in self.sequence.calls)

    @property
    def own_passes(self) -> int:
        """The number of passes at the start of the sequence that are the case's own."""
        return 0 if self.sequence.name == "plain" else len(self.case.passes)

    def found(
        self,
        kind: Kind,
        message: str,
        *,
        place: str = "",
        shows: str | None = None,
        pass_name: str = "",
        detail: dict[str, Any] | None = None,
    ) -> Verdict:
        """A finding. Its signature consists of `place` and `shows` (by default the message)."""
        signature = result_signature(kind, place, normalise(message) if shows is None else shows)
        stage = Stage(self.sequence.name)
        return Verdict(kind, True, message, signature, pass_name, stage, detail or {})


@dataclass(frozen=True)
class AfterPass:
    """The module after one of the case's own passes.

    `packed`: main has packed arguments. `changed`: it isn't equal to the module that was last
    checked; the first always is.
    """

    compilation: Compilation
    index: int
    call: PassCall
    module: Any
    packed: bool
    changed: bool = True


@dataclass(frozen=True, eq=False)
class LoweredForm:
    """A module on its way, and the pass that left it so."""

    pass_name: str
    module: Any


@dataclass(frozen=True)
class AfterLowering:
    """The module after the last pass.

    `forms` are those that the interpreter may support: the last one before the packed API, and the
    one that the case's own passes left.
    """

    compilation: Compilation
    lowered: Any
    forms: tuple[LoweredForm, ...] = ()


@dataclass(frozen=True)
class AfterRun:
    """The arguments after a run; arrays are in `guards`.

    `plain` is the plain build of the same program, or None if this run is of the plain build.
    """

    compilation: Compilation
    executable: Runnable
    plain: Runnable | None
    arguments: list[Argument]
    guards: list[GuardedArray | None] = field(default_factory=list)


View = TypeVar("View", AfterPass, AfterLowering, AfterRun)


@dataclass(frozen=True)
class Oracle(Generic[View]):
    """One property. Checks one case in `every`, and by default only legal sequences.

    Cases are selected by their digest, so that every run selects the same ones, and a finding can
    be confirmed by running the case again.
    """

    name: str
    check: Callable[[View], Verdict | None]
    every: int = 1
    needs_legal: bool = True

    def looks_at(self, compilation: Compilation) -> bool:
        """Whether the case is selected, and its sequence can be checked."""
        if self.needs_legal and not compilation.sequence.legal:
            return False
        return self.picks(compilation.case, compilation.oracles)

    def picks(self, case: Case, oracles: Collection[str] | None = None) -> bool:
        """Whether the case is of its share, or, where `oracles` are named, it is one of them."""
        if oracles is not None:
            return self.name in oracles
        return self.every == 1 or int(case.digest[:8], 16) % self.every == 0
