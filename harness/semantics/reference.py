"""Reference: the expected outputs of a module on its inputs, cached.

Interpreting and plainly building a module is half the work of a verdict and the same for every pass
sequence, so both are cached for the most recent modules.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from harness import compat
from harness.case import Case, CaseError, load_module
from harness.ir.untrusted import check_program
from harness.semantics import (
    AssertFailed,
    Program,
    StepLimit,
    UndefinedBehaviour,
    Unsupported,
    compile_program,
)
from harness.semantics.dtypes import SUB_BYTE
from harness.semantics.expectation import Expectation, Mismatch, expect
from harness.semantics.inputs import Argument, InputError, copy_arguments, draws_of, make_inputs
from harness.semantics.program import STEP_LIMIT
from harness.verdict import Stage
from harness.worker.progress_page import STAGES, Spent

CACHE_SIZE = 8
# lavapipe, Mesa's software Vulkan driver, silently ends all loops after 65,535 iterations.
WGSL_STEP_LIMIT = 60_000
# What a wide input makes long is tried no further: a narrower one makes it short.
WIDE_STEP_LIMIT = 100_000
# Perturbed runs cost time, and most results agree to the bit: a few where one doesn't, many before
# a report.
FEW_PERTURBED_RUNS = 1
PERTURBED_RUNS = 24
Extents = tuple[tuple[str, int], ...]


class Invalid(Exception):
    """The case itself is invalid; the message says why."""


@dataclass
class Reference:
    """A module with its inputs and the expectation of its outputs (None: not interpretable).

    `cache` holds what later steps compute from the module alone, such as its plain build.
    """

    module: Any
    inputs: list[Argument]
    program: Program | None
    expectation: Expectation | None
    cache: dict[str, Any] = field(default_factory=dict)

    @property
    def sub_byte(self) -> bool:
        """Whether a parameter has elements of less than a byte: targets pack them differently."""
        return any(value.dtype.name in SUB_BYTE for value in self.inputs)

    def mismatch(self, actual: list[Argument], *, strict: bool = True) -> Mismatch | None:
        """The first element of the outputs that no correct compilation could compute, or None.

        `strict=False` is for a device that is only as accurate as WGSL requires.

        Raises:
            Invalid: rounding decides whether the program has a meaning at all.
        """
        if not strict:
            return self._wgsl_mismatch(actual)
        if self.expectation is None:
            return None
        found = self.expectation.mismatch(actual)
        for runs in (FEW_PERTURBED_RUNS, PERTURBED_RUNS):
            if found is None:
                return None
            self._perturb(runs)
            found = self.expectation.mismatch(actual)
        return found

    def _wgsl_mismatch(self, actual: list[Argument]) -> Mismatch | None:
        if self.program is None or self.expectation is None:
            return None
        if self.expectation.mismatch(actual) is None:
            return None
        if "wgsl expectation" not in self.cache:
            runs = 0 if self.program.is_exact else PERTURBED_RUNS
            self.cache["wgsl expectation"] = _expectation(
                self.program, self.inputs, runs, wgsl_accuracy=True, step_limit=WGSL_STEP_LIMIT
            )
        expectation: Expectation = self.cache["wgsl expectation"]
        return expectation.mismatch(actual)

    def refine_expectation(self) -> None:
        """Determine with many perturbed runs how far rounding may move the outputs.

        Raises:
            Invalid: a perturbed run has undefined behaviour.
        """
        self._perturb(PERTURBED_RUNS)

    def _perturb(self, runs: int) -> None:
        """Expect what so many perturbed runs allow, or more if there were more."""
        if self.program is None or self.program.is_exact:
            return
        known: dict[int, Expectation] = self.cache.setdefault("perturbed", {})
        if PERTURBED_RUNS not in known and runs not in known:
            known[runs] = _expectation(self.program, self.inputs, runs)
        self.expectation = known[max(known)]

    def fresh_inputs(self) -> list[Argument]:
        return copy_arguments(self.inputs)


def clear_cache() -> None:
    """Drop all cached modules, so that the next use of one computes everything again."""
    _cached.cache_clear()


def reference_of(case: Case) -> Reference:
    """The reference of the case's module and inputs.

    Raises:
        Invalid: the module is malformed, has undefined behaviour on these inputs, fails an
            assertion, or runs too long.
    """
    found = _cached(case.module, case.input_seed, case.extents)
    if isinstance(found, Invalid):
        raise found
    return found


@lru_cache(CACHE_SIZE)
def _cached(text: str, input_seed: int, extents: Extents) -> Reference | Invalid:
    try:
        return _make(text, input_seed, extents)
    except Invalid as invalid:
        return invalid


def _make(text: str, input_seed: int, extents: Extents) -> Reference:
    with STAGES.inside_tvm(Stage(step="load")):
        try:
            module = load_module(text)
        except CaseError as error:
            raise Invalid(str(error)) from None
        diagnostic = compat.why_ill_formed(module)
    if diagnostic is not None:
        raise Invalid(f"ill-formed: {diagnostic}")
    try:
        check_program(module)
    except CaseError as error:
        raise Invalid(str(error)) from None
    with STAGES.inside_tvm(Stage(step="reference"), Spent.INTERPRETER):
        return _interpreted(module, input_seed, dict(extents))


def _interpreted(module: Any, input_seed: int, extents: dict[str, int]) -> Reference:
    try:
        function = module["main"]
    except Exception:  # the FFI's own error for a missing name
        raise Invalid("the module has no function main") from None
    try:
        draws = draws_of(function, input_seed)
        *wider, inputs = [make_inputs(function, input_seed, draw, extents) for draw in draws]
    except InputError as error:
        raise Invalid(str(error)) from None
    try:
        program = compile_program(module, arguments=inputs)
        for attempt in wider:
            try:
                return _reference(module, program, attempt, WIDE_STEP_LIMIT)
            except Invalid:
                pass  # it has no meaning on these; perhaps it has on narrower ones
        return _reference(module, program, inputs)
    except Unsupported:
        return Reference(module, inputs, None, None)


def interpret(module: Any, inputs: list[Argument]) -> Reference:
    """Run the reference interpreter on the module.

    Raises:
        Invalid: undefined behaviour, a failed assertion or too many steps.
    """
    try:
        return _reference(module, compile_program(module, arguments=inputs), inputs)
    except Unsupported:
        return Reference(module, inputs, None, None)


def outputs_of(
    module: Any, inputs: list[Argument], unwritten: int | None = None
) -> list[Argument] | None:
    """What a module's main leaves in its arguments; None if the interpreter doesn't support it.

    `unwritten` is the value of elements that were never written (`Program.run`).

    Raises:
        UndefinedBehaviour, AssertFailed, StepLimit: it has no result on these inputs.
    """
    with STAGES.spending(Spent.INTERPRETER):
        try:
            program = compile_program(module, arguments=inputs)
        except Unsupported:
            return None
        program.run(inputs, unwritten=unwritten)
    return inputs


def _reference(
    module: Any, program: Program, inputs: list[Argument], step_limit: int = STEP_LIMIT
) -> Reference:
    found = _expectation(program, inputs, 0, step_limit=step_limit)
    return Reference(module, inputs, program, found)


def _expectation(
    program: Program,
    inputs: list[Argument],
    perturbed_runs: int,
    *,
    wgsl_accuracy: bool = False,
    step_limit: int = STEP_LIMIT,
) -> Expectation:
    arguments = copy_arguments(inputs)
    try:
        with STAGES.spending(Spent.INTERPRETER):
            return expect(
                program,
                arguments,
                perturbed_runs,
                wgsl_accuracy=wgsl_accuracy,
                step_limit=step_limit,
            )
    except UndefinedBehaviour as fault:
        raise Invalid(f"{fault.kind}: {fault}") from None
    except AssertFailed as failure:
        raise Invalid(f"assertion: {failure}") from None
    except StepLimit:
        raise Invalid(f"more than {step_limit} steps") from None
