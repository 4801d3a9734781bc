"""What an oracle sees, made by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from harness.case import Case, PassCall, module_text
from harness.oracles.guarded import guarded_copies
from harness.oracles.oracle import AfterPass, AfterRun, Compilation, Oracle
from harness.oracles.verify import sequences
from harness.semantics.reference import reference_of
from harness.targets import get_target

CALL = PassCall("s_tir.CanonicalizeLoop")


def compilation(module: Any, *calls: PassCall, target: str = "llvm") -> Compilation:
    """The module on its way through its own sequence."""
    case = Case(module_text(module), calls or (CALL,), target)
    reference = reference_of(case)
    return Compilation(case, reference, sequences(case, reference)[1], get_target(target))


def after_pass(module: Any, result: Any) -> AfterPass:
    """The module, of which the one pass of its case has made the result."""
    return AfterPass(compilation(module), 0, CALL, result, packed=False)


def after_run(module: Any) -> AfterRun:
    """The module after a run that has left its arguments as they were."""
    made = compilation(module)
    arguments, guards = guarded_copies(made.reference.inputs)
    return AfterRun(made, Nothing(), None, arguments, guards)


class Nothing:
    """Compiled code that does nothing."""

    def run(self, args: Any) -> None:
        pass


def picked(oracle: Oracle[Any], case: Case) -> Case:
    """The case on such inputs that it is of the oracle's share."""
    for seed in range(1000):
        found = replace(case, input_seed=seed)
        if int(found.digest[:8], 16) % oracle.every == 0:
            return found
    raise AssertionError("no case is of the oracle's share")
