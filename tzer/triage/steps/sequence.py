"""Steps on what is done to the program: passes, their arguments, the target, the inputs.

They come first: a shorter sequence makes each later test cheaper, and says most about the cause.
"""

from __future__ import annotations

from dataclasses import replace

from harness import compat
from harness.case import Case, PassCall
from harness.ir.script import parsed_back
from harness.passes import CATALOGUE
from harness.passes.build import lower
from harness.targets import get_target
from tzer.triage.steps.edit import (
    Edit,
    ShrinkStep,
    chunks,
    if_readable,
    module_of,
    without_calls,
)

TVMS_OPT_LEVEL = 2
PLAINEST_TARGET = "llvm"
INPUT_SEEDS = 4


def _fewer_passes(case: Case) -> list[Edit]:
    return [without_calls(case, "passes", *part) for part in chunks(len(case.passes))]


def _plain_arguments(case: Case) -> list[Edit]:
    """The arguments of a pass left out, else the first that its row in the catalogue names."""
    edits: list[Edit] = []
    for index, call in enumerate(case.passes):
        info = CATALOGUE.get(call.name)
        for position in range(len(call.args)):
            edits.append(_with_pass(case, index, PassCall(call.name, call.args[:position])))
        for position, argument in enumerate(info.args if info else ()):
            plainest = "{}" if argument.config else next(iter(argument.values), None)
            if position < len(call.args) and call.args[position] != plainest:
                args = (*call.args[:position], plainest, *call.args[position + 1 :])
                edits.append(_with_pass(case, index, PassCall(call.name, args)))
    return edits


def _with_pass(case: Case, index: int, call: PassCall) -> Edit:
    passes = (*case.passes[:index], call, *case.passes[index + 1 :])
    return lambda: replace(case, passes=passes)


def _plain_build(case: Case) -> list[Edit]:
    edits: list[Edit] = []
    if case.target != PLAINEST_TARGET:
        edits.append(lambda: replace(case, target=PLAINEST_TARGET))
    if case.opt_level != TVMS_OPT_LEVEL:
        edits.append(lambda: replace(case, opt_level=TVMS_OPT_LEVEL))
    return edits


def _plain_inputs(case: Case) -> list[Edit]:
    """The small inputs of seed 0 first, then the others that campaigns draw."""
    return [_with_seed(case, seed) for seed in range(min(case.input_seed, INPUT_SEEDS))]


def _with_seed(case: Case, seed: int) -> Edit:
    return lambda: replace(case, input_seed=seed)


def _lowered_program(case: Case) -> list[Edit]:
    """What the first passes leave as the program itself, as many of them as possible."""
    if not get_target(case.target).has_runtime or case.trace:
        return []
    return [_lowered(case, kept) for kept in range(len(case.passes))]


def _lowered(case: Case, kept: int) -> Edit:
    applied = case.passes[: len(case.passes) - kept]

    def made() -> Case | None:
        module = lower(module_of(case.module), applied, opt_level=case.opt_level)
        return if_readable(case, module, passes=case.passes[len(applied) :])

    return made


def _as_parsed(case: Case) -> list[Edit]:
    """The program as TVM's parser understands its text, which a reproducer can hold."""

    def made() -> Case | None:
        module = module_of(case.module)
        try:
            back = parsed_back(module)
        except Exception:  # the printer and the parser fail in many ways
            return None
        return None if compat.structural_equal(back, module) else case.with_module(back)

    return [made]


_AS_PARSED = "what TVMScript can say, a reproducer can show"

FEWER = (
    ShrinkStep("passes", "those that the finding does not need", _fewer_passes),
    ShrinkStep("arguments", "of passes: what is not said need not be read", _plain_arguments),
    ShrinkStep("build", "TVM's usual optimization level and target", _plain_build),
    ShrinkStep("as-parsed", _AS_PARSED, _as_parsed),
)
LOWERED = (
    ShrinkStep("lowered", "a program needs no passes that were applied", _lowered_program, True),
)
INPUTS = (ShrinkStep("inputs", "small numbers are easier to follow", _plain_inputs),)
