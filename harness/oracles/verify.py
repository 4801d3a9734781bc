"""Verify: determines the Verdict of a Case by running the oracles of `table.py` in order.

The reference interpreter decides whether the program is valid and computes its result; the case's
trace of schedule primitives is applied and judged by `schedule.py`; what it leaves is lowered with
the case's own passes, checked after each, and interpreted; TVM's code generator runs on it. In a
native verdict it is also built plainly, and both builds are run. A case whose pass sequence is
illegal can only have a crash as a finding: if its precondition is violated, a pass may fail, but
must not crash.

`failures.py` determines the verdict of what TVM raises. Any other exception is a bug of ours: it
propagates, ends the job and is counted as such, but is never a finding.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from harness import UserError, compat
from harness import passes as catalogue
from harness.case import Case, PassCall
from harness.oracles import table
from harness.oracles.culprit import CODE_GENERATION
from harness.oracles.failures import FAILURES, of_failure
from harness.oracles.guarded import guarded_copies
from harness.oracles.oracle import (
    SIGNATURE_CHANGES,
    AfterLowering,
    AfterPass,
    AfterRun,
    Compilation,
    Found,
    LoweredForm,
    Oracle,
    Sequence,
    View,
)
from harness.oracles.schedule import scheduled
from harness.oracles.slow_code import SLOW_CODE
from harness.passes.build import PLAIN_OPT_LEVEL, lower
from harness.semantics.reference import Invalid, Reference, reference_of
from harness.targets import Runnable, Target, get_target
from harness.verdict import Kind, SequenceName, Stage, Verdict
from harness.worker.progress_page import STAGES, Spent

REFERENCE = Stage(step="reference")


def handle(request: dict[str, Any]) -> dict[str, Any]:
    """The sandbox's default handler, from {"case": text} to {"verdict": text}."""
    return {"verdict": verify(Case.from_json(request["case"])).to_json()}


@dataclass(frozen=True)
class Judgement:
    """The verdict of a case; what its passes left before the packed API, if they came so far; and
    whether the interpreter says what its program means."""

    verdict: Verdict
    lowered: Any = None
    interpreted: bool = False


def verify(case: Case) -> Verdict:
    """The verdict of a case, natively: see `judge`."""
    return judge(case).verdict


def judge(
    case: Case,
    *,
    native: bool = True,
    plain: bool = True,
    oracles: Collection[str] | None = None,
) -> Judgement:
    """Judge a case. May crash, hang or eat memory: call it in the sandbox.

    Without `native` nothing is compiled to machine code: the passes are judged by the interpreter,
    and of the code generator it is only seen that it takes what they leave. Without `plain` the
    plain build, which is judged first, is left out unless an oracle compares with it. `oracles` are
    the names of the only oracles to run, on this case whatever their share; by default the table's.

    Raises:
        Exception: a bug of ours, in an oracle or elsewhere, which is unrelated to the case.
    """
    try:
        reference = scheduled(case, reference_of(case))
        target = _target_of(case, reference)
    except Found as found:
        return Judgement(found.verdict)
    except Invalid as invalid:
        return Judgement(Verdict(Kind.INVALID, message=str(invalid), stage=REFERENCE))
    bare, mutated = sequences(case, reference)
    own = _Follower(Compilation(case, reference, mutated, target, oracles))
    try:
        if not mutated.legal:
            _check_calls(case)
        if native:
            plain = plain or SLOW_CODE.picks(case, oracles)
            compiled = Compilation(case, reference, bare, target, oracles)
            own.follow(_plain_build(compiled) if plain else None)
        else:
            own.follow_to_code()
        verdict = Verdict(Kind.OK, mutated.legal)
    except Found as found:
        verdict = found.verdict
    except Invalid as invalid:
        verdict = Verdict(Kind.INVALID, mutated.legal, str(invalid), stage=Stage(mutated.name))
    lowered = own.last.module if own.last is not None else None
    return Judgement(verdict, lowered, reference.expectation is not None)


def _target_of(case: Case, reference: Reference) -> Target:
    try:
        target = get_target(case.target)
    except UserError as error:
        raise Invalid(str(error)) from None
    refusal = target.refusal(reference.module["main"])
    if refusal is not None:
        raise Invalid(f"not for {case.target}: {refusal}")
    return target


def _check_calls(case: Case) -> None:
    """Raises Invalid if this TVM doesn't have one of the passes, or not with these arguments."""
    try:
        for call in case.passes:
            catalogue.check_call(call)
    except UserError as error:
        raise Invalid(str(error)) from None


def sequences(case: Case, reference: Reference) -> tuple[Sequence, Sequence]:
    """The plain sequence and the case's own, both completed up to code generation."""
    states = reference.cache.get("states")
    if states is None:
        with STAGES.inside_tvm():
            states = catalogue.initial_states(reference.module)
        reference.cache["states"] = states
    plain = Sequence("plain", catalogue.complete(states, (), case.target), PLAIN_OPT_LEVEL)
    legal = catalogue.is_legal(states, case.passes)
    rest = catalogue.complete(states, case.passes, case.target)
    name: SequenceName = "legal" if legal else "illegal"
    return plain, Sequence(name, (*case.passes, *rest), case.opt_level)


def _plain_build(compilation: Compilation) -> Runnable | None:
    """The plain build, checked; made once for each module and target."""
    cache, key = compilation.reference.cache, f"plain:{compilation.target.name}"
    if key not in cache:
        cache[key] = _Follower(compilation).follow()
    plain: Runnable | None = cache[key]
    return plain


class _Follower:
    """Compiles a case with one sequence and runs the oracles; knows its current place."""

    def __init__(self, compilation: Compilation) -> None:
        self.compilation = compilation
        self.sequence = compilation.sequence
        self.place = ""
        self.packed = False
        self.checked: Any = None  # the last module that the oracles were asked about
        # The last module before the packed API, and that after the case's own passes, each with
        # the pass that left it.
        self.last: LoweredForm | None = None
        self.own: LoweredForm | None = None

    def follow(self, plain: Runnable | None = None) -> Runnable | None:
        """Lower, build and run; returns the executable, if it runs. Raises Found or Invalid."""
        with self._failures():
            lowered = self._lower()
            with STAGES.inside_tvm(self.sequence.at("build"), Spent.LLVM):
                executable = self.compilation.target.build(lowered)
            # The results of an illegal sequence are meaningless, and what the interpreter doesn't
            # support may be a program that leaves its buffers.
            reference = self.compilation.reference
            known = reference.expectation is not None and not reference.sub_byte
            if executable is not None and self.sequence.legal and known:
                self._run(executable, plain)
            return executable

    def follow_to_code(self) -> None:
        """Lower, and generate code that is neither optimised nor run. Raises Found or Invalid."""
        with self._failures():
            lowered = self._lower()
            with STAGES.inside_tvm(self.sequence.at("build"), Spent.CODE_GENERATORS):
                self.compilation.target.generate(lowered)

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except FAILURES as error:
            known = self.compilation.reference.expectation is not None
            raise of_failure(error, self.sequence, self.place, interpreted=known) from None

    def _lower(self) -> Any:
        target, sequence = self.compilation.target, self.sequence
        with STAGES.inside_tvm(sequence.at("lower")):
            lowered = lower(
                target.prepare(self.compilation.reference.module),
                sequence.calls,
                opt_level=sequence.opt_level,
                before_pass=self._before_pass,
                after_pass=self._after_pass,
            )
        forms = tuple(form for form in dict.fromkeys((self.last, self.own)) if form is not None)
        self._ask(table.AFTER_LOWERING, AfterLowering(self.compilation, lowered, forms))
        self.place = CODE_GENERATION
        return lowered

    def _before_pass(self, index: int, call: PassCall) -> None:
        self.place = call.name
        STAGES.enter(Stage(self.sequence.name, "pass", index, call.name))

    def _after_pass(self, index: int, call: PassCall, module: Any) -> None:
        self.packed = self.packed or call.name in SIGNATURE_CHANGES
        if not self.packed:
            self.last = LoweredForm(call.name, module)
        if index == self.compilation.own_passes - 1:
            self.own = self.last
        if index < self.compilation.own_passes:
            # Four passes of five leave a module as it was.
            changed = self.checked is None or not compat.structural_equal(self.checked, module)
            view = AfterPass(self.compilation, index, call, module, self.packed, changed)
            self._ask(table.AFTER_PASS, view)
            self.checked = module

    def _run(self, executable: Runnable, plain: Runnable | None) -> None:
        self.place = "run"
        arguments, guards = guarded_copies(self.compilation.reference.inputs)
        with STAGES.inside_tvm(self.sequence.at("run"), Spent.LLVM):
            executable.run(arguments)
        STAGES.enter(self.sequence.at("compare"))
        view = AfterRun(self.compilation, executable, plain, arguments, guards)
        self._ask(table.AFTER_RUN, view)

    def _ask(self, oracles: tuple[Oracle[View], ...], view: View) -> None:
        with STAGES.spending(Spent.CHECKS):
            for oracle in oracles:
                if oracle.looks_at(self.compilation):
                    verdict = oracle.check(view)
                    if verdict is not None:
                        raise Found(verdict)
