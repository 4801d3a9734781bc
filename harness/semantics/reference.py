"""Reference: what a module means on its inputs, and what its plain build makes of it.

Interpreting and plainly building a module is half the work of a verdict and the same for every pass
sequence, so both are kept for the modules seen last.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness import compat
from harness.case import Case, CaseError, load_module
from harness.semantics import (
    AssertFailed,
    Program,
    StepLimit,
    UndefinedBehaviour,
    Unsupported,
    compile_program,
)
from harness.semantics.expectation import Expectation, Mismatch, expect
from harness.semantics.inputs import Argument, InputError, make_inputs
from harness.worker.progress_page import STAGES

KEPT = 8
STEP_LIMIT = 2_000_000
# lavapipe, the GPU of machines that have none, quietly ends all loops after 65,535 rounds.
LOOSE_STEP_LIMIT = 60_000
# Noise runs cost time, and most programs agree without: few at first, many before anything is said.
FIRST_NOISE_RUNS = 1
NOISE_RUNS = 24


class Invalid(Exception):
    """The case itself is at fault; the message says how."""


@dataclass
class Reference:
    """A module with its inputs and the expectation of its outputs (None: not interpretable).

    `kept` holds what later steps want to keep beside the module, such as its plain build.
    """

    module: Any
    inputs: list[Argument]
    program: Program | None
    expectation: Expectation | None
    kept: dict[str, Any] = field(default_factory=dict)

    def mismatch(self, actual: list[Argument], *, strict: bool = True) -> Mismatch | None:
        """The first element of the outputs that no correct compilation could give, or None.

        With `strict=False`, on a device that is as inexact as WGSL allows.

        Raises:
            Invalid: rounding decides whether the program has a meaning at all.
        """
        if not strict:
            return self._loose_mismatch(actual)
        if self.expectation is None or self.expectation.mismatch(actual) is None:
            return None
        self.be_certain()
        return self.expectation.mismatch(actual)

    def _loose_mismatch(self, actual: list[Argument]) -> Mismatch | None:
        if self.program is None or self.expectation is None:
            return None
        if self.expectation.mismatch(actual) is None:
            return None
        if "loose" not in self.kept:
            runs = 0 if self.program.is_exact else NOISE_RUNS
            self.kept["loose"] = _expectation(
                self.program, self.inputs, runs, loose=True, step_limit=LOOSE_STEP_LIMIT
            )
        expectation: Expectation = self.kept["loose"]
        return expectation.mismatch(actual)

    def be_certain(self) -> None:
        """Find out with many noise runs how far rounding may move the outputs.

        Raises:
            Invalid: as far as to where the program has no meaning.
        """
        if self.program is None or self.program.is_exact or "certain" in self.kept:
            return
        self.expectation = _expectation(self.program, self.inputs, NOISE_RUNS)
        self.kept["certain"] = True

    def fresh_inputs(self) -> list[Argument]:
        return copy_arguments(self.inputs)


def copy_arguments(arguments: list[Argument]) -> list[Argument]:
    return [item.copy() if isinstance(item, np.ndarray) else item for item in arguments]


def forget() -> None:
    """Forget all modules, so that the next look at one runs everything anew."""
    _kept.clear()


_kept: OrderedDict[tuple[str, int], Reference | Invalid] = OrderedDict()


def reference_of(case: Case) -> Reference:
    """The reference of the case's module and inputs.

    Raises:
        Invalid: the module is malformed, has undefined behaviour on these inputs, fails an
            assertion, or runs too long.
    """
    key = (case.module, case.input_seed)
    found = _kept.pop(key, None)
    if found is None:
        try:
            found = _make(case)
        except Invalid as invalid:
            found = invalid
    _kept[key] = found
    while len(_kept) > KEPT:
        _kept.popitem(last=False)
    if isinstance(found, Invalid):
        raise found
    return found


def _make(case: Case) -> Reference:
    with STAGES.inside_tvm("load"):
        try:
            module = load_module(case.module)
        except CaseError as error:
            raise Invalid(str(error)) from None
        complaint = compat.is_well_formed(module)
    if complaint is not None:
        raise Invalid(f"ill-formed: {complaint}")
    STAGES.enter("reference")
    try:
        function = module["main"]
    except Exception:  # the FFI's own error for a missing name
        raise Invalid("the module has no function main") from None
    try:
        inputs = make_inputs(function, case.input_seed)
    except InputError as error:
        raise Invalid(str(error)) from None
    return interpret(module, inputs)


def interpret(module: Any, inputs: list[Argument]) -> Reference:
    """Run the reference interpreter on the module.

    Raises:
        Invalid: undefined behaviour, a failed assertion or too many steps.
    """
    try:
        program = compile_program(module)
        return Reference(module, inputs, program, _expectation(program, inputs, FIRST_NOISE_RUNS))
    except Unsupported:
        return Reference(module, inputs, None, None)


def _expectation(
    program: Program,
    inputs: list[Argument],
    noise_runs: int,
    *,
    loose: bool = False,
    step_limit: int = STEP_LIMIT,
) -> Expectation:
    arguments = copy_arguments(inputs)
    try:
        return expect(program, arguments, noise_runs, loose=loose, step_limit=step_limit)
    except UndefinedBehaviour as fault:
        raise Invalid(f"{fault.kind}: {fault}") from None
    except AssertFailed as failure:
        raise Invalid(f"assertion: {failure}") from None
    except StepLimit:
        raise Invalid(f"more than {step_limit} steps") from None
