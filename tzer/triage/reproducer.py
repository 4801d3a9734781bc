"""Reproducers: one file a finding, which needs only tvm and numpy.

What a store says reaches a script as data alone: values as `repr` of checked types, passes that the
catalogue has, free text in literals and comments that it can't end, the program as what TVM's
printer makes of a checked module (`program.py`).

The script spells out what the oracles did: the module, every pass with its arguments, the inputs
and the expected outputs. It exits 1 and says what was expected and what came where the bug shows, 0
where it doesn't, and 2 where the TVM at hand can't even express the case. What may kill or hang a
process is done in a child, so that the script itself survives.
"""

from __future__ import annotations

import base64
import json
import pprint
import textwrap
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness import compat
from harness.case import Case, PassCall
from harness.ir.untrusted import check_program
from harness.oracles.schedule import scheduled
from harness.oracles.verify import Sequence, sequences
from harness.passes import (
    CATALOGUE,
    State,
    check_call,
    context,
    initial_states,
    states_after,
)
from harness.schedules.replay import DoesNotApply, Replay
from harness.semantics.reference import Invalid, Reference, reference_of
from harness.targets import get_target
from harness.targets.executable import RaisedByTVM
from harness.verdict import Kind, Verdict
from tzer.triage import reproducer_checks as checks
from tzer.triage import reproducer_parts as parts
from tzer.triage import schedule_reproducer as schedules
from tzer.triage.constructors import PREAMBLE
from tzer.triage.device_reproducer import device_script
from tzer.triage.program import PrintedProgram, constructor_function, program_of
from tzer.triage.source_text import clean, comment, lines_literal, text_literal

LONGEST_LIST = 64
# Kinds that are shown by running the compiled code, and so need inputs.
RUN_KINDS = (Kind.WRONG_RESULT, Kind.OUT_OF_BOUNDS, Kind.SLOW_CODE)
LOWERING_KINDS = (Kind.ILL_FORMED_IR, Kind.ROUND_TRIP, Kind.NONDETERMINISM)
CHILD_KINDS = (Kind.CRASH, Kind.HANG, Kind.OUT_OF_MEMORY, Kind.OUT_OF_BOUNDS)


@dataclass(frozen=True)
class Subject:
    """A finding with all that its script needs."""

    program: PrintedProgram
    verdict: Verdict
    reference: Reference
    sequence: Sequence

    @property
    def runs(self) -> bool:
        """Whether the compiled code is run, not only compiled."""
        step = self.verdict.stage.step
        return self.verdict.kind in RUN_KINDS or step == "run" or self.verdict.pass_name == "run"

    @property
    def lowers_only(self) -> bool:
        """Whether it shows before there is any code."""
        if self.runs:
            return False
        return self.verdict.kind in LOWERING_KINDS or self.verdict.pass_name in CATALOGUE

    @property
    def calls(self) -> tuple[PassCall, ...]:
        """The passes; without those after the culprit, where the bug shows before there is code."""
        calls, culprit = self.sequence.calls, self.verdict.pass_name
        last = max((i for i, call in enumerate(calls, 1) if call.name == culprit), default=0)
        cut = self.lowers_only and self.verdict.kind is not Kind.NONDETERMINISM
        return calls[:last] if cut and last else calls

    @property
    def in_child(self) -> bool:
        return self.verdict.kind in CHILD_KINDS

    @property
    def kind_shown(self) -> Kind:
        """The kind whose check the script has."""
        return Kind.CRASH if self.in_child else self.verdict.kind

    @property
    def writes_json(self) -> bool:
        """Whether the bug is in TVM's JSON itself, so that nothing else can show it."""
        return self.verdict.kind is Kind.ROUND_TRIP and "TVM's JSON" in self.verdict.message


def write_reproducer(case: Case, verdict: Verdict) -> str:
    """The Python script that shows the finding.

    Raises:
        CaseError: the TVM at hand can't load the case, or the catalogue does not have a pass.
        UserError: the case is of a target that there is not.
        Invalid: the case has no meaning that could be shown (it is at fault itself).
    """
    case = Case.from_json(case.to_json())  # its numbers and names are within what they may be
    target = get_target(case.target)
    for call in case.passes:
        check_call(call)
    case = original = schedules.with_applied_primitives(case, verdict)
    if not target.has_runtime:  # on a device the program begins as a kernel
        case = case.with_module(target.prepare(case.load()))
    if not verdict.is_finding:
        raise Invalid(f"the verdict {verdict.kind} is not that of a finding")
    program = program_of(case, verdict)
    if verdict.stage.sequence == "schedule":
        return _joined(_schedule_pieces(program, verdict))
    reference = scheduled(program.case, reference_of(program.case))
    if verdict.kind is Kind.WRONG_RESULT and reference.expectation is None:
        raise Invalid("the reference interpreter can't say what the program means")
    plain, mutated = sequences(program.case, reference)
    sequence = plain if verdict.stage.sequence == "plain" else mutated
    subject = Subject(program, verdict, reference, sequence)
    if not (target.has_runtime and target.runs) and not subject.lowers_only:
        needs = f"tzer and the {'device' if target.runs else 'compilers of its extra sources'}"
        header, expected = _header(subject, needs), _expected(verdict)
        text = program.script
        return device_script(original, sequence, header, expected, verdict.kind, text)
    alone = subject.lowers_only or not target.has_runtime
    passes = [_passes("passes", subject.calls, reference, verdict.pass_name)]
    if verdict.kind is Kind.SLOW_CODE:
        passes.append(_passes("plain_passes", plain.calls, reference))
    compiler = ", numpy and gcc" if case.target == "c" and not alone else " and numpy"
    pieces = [
        _header(subject, f"tvm{compiler}"),
        _constants(subject),
        _program(program),
        *_schedule(program.case, None),
        *passes,
        parts.lowering("".join(passes), case.target, alone=alone),
        *_inputs(subject),
        checks.JSON_CHECK if subject.writes_json else checks.CHECKS[subject.kind_shown],
        *_child(subject),
        parts.expressible(reads_json=program.is_json, writes_json=subject.writes_json),
        parts.MAIN_IN_CHILD if subject.in_child else parts.MAIN,
    ]
    return _joined(pieces)


def _joined(pieces: list[str]) -> str:
    """The script: a header, what it imports, and the rest."""
    header, *rest = (piece.strip("\n") for piece in pieces)
    imports = parts.imports("\n".join(rest)).strip("\n")
    return "\n\n\n".join((header, imports, *rest)) + "\n"


def _schedule_pieces(program: PrintedProgram, verdict: Verdict) -> list[str]:
    """The script of a finding of which a schedule primitive is the culprit."""
    case, kind = program.case, verdict.kind
    in_child = kind in CHILD_KINDS or kind not in schedules.EXPECTED
    should = schedules.EXPECTED.get(kind, schedules.EXPECTED_MEANING)
    pieces = [
        _preface(verdict, should, "tvm and numpy"),
        "RUNS = False  # but what the primitives return",
        f"SHOULD = {should!r}",
        _program(program),
        schedules.scheduling(case.trace, len(case.trace) - 1),
        schedules.ALONE,
    ]
    if kind is Kind.ILL_FORMED_IR:
        pieces.append(schedules.ILL_FORMED)
    elif kind in schedules.EXPECTED:
        pieces.append(checks.CHECKS[Kind.CRASH if in_child else kind])
    else:
        reference = reference_of(case)
        _check_scheduled(case, reference)
        reference.refine_expectation()
        target = get_target("llvm").description()
        pieces += [
            f"TARGET = {dict(target)!r}\n{schedules.judged(case, verdict)}",
            *_arrays(reference, expected=True),
            schedules.WITHOUT_THREADS,
            schedules.OTHER_MEANING,
            checks.DIFFERENT,
        ]
    if in_child:
        pieces.append(_limits(kind))
    pieces += [
        parts.expressible(reads_json=program.is_json, writes_json=False),
        parts.MAIN_IN_CHILD if in_child else parts.MAIN,
    ]
    return pieces


def _check_scheduled(case: Case, reference: Reference) -> None:
    """Check what the trace makes of the program: the script compiles that, and runs it.

    Raises:
        CaseError: it calls out of itself, as an annotation of a primitive may bring about.
    """
    replay = Replay(reference.module)
    for call in case.trace:
        with suppress(DoesNotApply, RaisedByTVM):
            replay.apply(call)
    check_program(replay.module)


def _schedule(case: Case, culprit: int | None) -> list[str]:
    """The functions that apply the case's trace, if it has one, and load what it leaves."""
    if not case.trace:
        return []
    return [
        "program = load",
        schedules.scheduling(case.trace, culprit),
        schedules.WITHOUT_THREADS,
        "def load():\n    return without_threads(scheduled(program()))",
    ]


def _header(subject: Subject, needs: str) -> str:
    verdict = subject.verdict
    illegal = "illegal, so TVM may refuse it, but not die of it"
    order = f"The pass order is {'legal' if subject.sequence.legal else illegal}."
    return _preface(verdict, _expected(verdict), needs, order)


def _preface(verdict: Verdict, expected: str, needs: str, *more: str) -> str:
    lines = [
        f"{verdict.kind}: {clean(verdict.message)}",
        f"Signature: {clean(verdict.signature)}",
        *more,
        f"Expected: {expected}",
    ]
    # A fixed first line: what is free text below can't be taken for the encoding of the file.
    return (
        f'"""A finding in TVM {compat.tvm_version()}; needs {needs}.\n\n'
        "Exit status: 1 the bug shows, 0 it does not, 2 this TVM can't express the case.\n"
        f'"""\n\n{comment(lines)}'
    )


def _expected(verdict: Verdict) -> str:
    if verdict.kind is Kind.INVALID_CODEGEN and verdict.detail.get("error") != "CompilerRejected":
        return "the device accepts the generated code."
    return checks.EXPECTED[verdict.kind]


def _constants(subject: Subject) -> str:
    verdict = subject.verdict
    lines = [
        f"SHOULD = {_expected(verdict)!r}",
        f"TARGET = {dict(get_target(subject.program.case.target).description())!r}",
        f"OPT_LEVEL = {subject.sequence.opt_level!r}",
        f"CULPRIT = {clean(verdict.pass_name)!r}",
        f"RUNS = {subject.runs!r}",
    ]
    if verdict.kind is Kind.ROUND_TRIP:  # what it changes, if the module parses
        meaning = "" if "does not parse" in verdict.message else clean(verdict.message)
        lines.append(f"MEANING = {meaning!r}")
    return "\n".join(lines)


def _program(program: PrintedProgram) -> str:
    if program.calls is not None:
        return PREAMBLE.strip() + "\n" + constructor_function(program.calls)
    if program.script is not None:
        return f'MODULE = "\\n".join({lines_literal(program.script)})\n\n{parts.LOAD_SCRIPT}'
    return f"MODULE_JSON = {text_literal(program.case.module)}\n\n{parts.LOAD_JSON}"


def _passes(
    name: str, calls: tuple[PassCall, ...], reference: Reference, culprit: str | None = None
) -> str:
    states = initial_states(reference.module)
    lines, with_blocks = [], False
    for call in calls:
        mark = "  # <- here" if call.name == culprit else ""
        shared = compat.takes_blocks(call.name, has_blocks=State.NO_BLOCKS not in states)
        lines.append(f"        {_call(call, shared)},{mark}")
        states, with_blocks = states_after(states, [call]), with_blocks or shared
    return (
        (parts.WITH_BLOCKS if with_blocks else "") + f"def {name}():\n"
        '    """Every pass in its order, as (name, pass)."""\n'
        "    target = tvm.target.Target(TARGET)\n"
        "    bound = target.with_host(target)\n"
        "    return [\n" + "\n".join(lines) + "\n    ]"
    )


def _call(call: PassCall, with_blocks: bool) -> str:
    info = check_call(call)
    if info.name == context.SET:
        return f"({info.name!r}, Entries({context.config(json.loads(str(call.args[0])))!r}))"
    dialect, _, function = info.name.partition(".")
    constructor = f"{dialect}.transform.{function}"
    if with_blocks:
        constructor = f"with_blocks({function!r})"
    if info.name == "tirx.BindTarget":
        return f"({info.name!r}, {constructor}(bound))"
    arguments, config = [], {}
    for argument, value in zip(info.args, call.args, strict=False):
        if argument.config:
            config = {argument.config: json.loads(str(value))}
        else:
            arguments.append(repr(value))
    made = f"{constructor}({', '.join(arguments)})"
    if any(config.values()):
        made = f"configured({made}, {config!r})"
    return f"({info.name!r}, {made})"


def _inputs(subject: Subject) -> list[str]:
    """The inputs, and what the reference interpreter makes of them, where they are needed."""
    if not subject.runs:
        return []
    return _arrays(subject.reference, expected=subject.verdict.kind is Kind.WRONG_RESULT)


def _arrays(reference: Reference, *, expected: bool) -> list[str]:
    pieces = [parts.ARRAYS, "INPUTS = " + _values(reference.inputs)]
    if expected and reference.expectation is not None:
        expectation = reference.expectation
        allowed = []
        for output, tolerance, mask in zip(
            expectation.outputs, expectation.tolerances, expectation.unstable, strict=True
        ):
            allowed.append(_allowed(output, tolerance, mask))
        pieces += [
            "# What the program means, by a reference interpreter.\n"
            "EXPECTED = " + _values(list(expectation.outputs)),
            "# How far each element may deviate; infinite where rounding decides.\n"
            "TOLERANCES = " + _values(allowed),
        ]
    return pieces


def _allowed(output: Any, tolerance: np.ndarray | None, mask: np.ndarray | None) -> Any:
    if not isinstance(output, np.ndarray):
        return np.float64(0)
    allowed = np.zeros(output.shape) if tolerance is None else np.asarray(tolerance, np.float64)
    allowed = np.broadcast_to(allowed, output.shape).astype(np.float64)
    # A little more, in three digits, which can be read.
    short = [float(f"{each * 1.01:.2e}") for each in allowed.ravel()]
    allowed = np.array(short, np.float64).reshape(output.shape)
    return allowed if mask is None else np.where(mask, np.inf, allowed)


def _values(values: list[Any]) -> str:
    return "[\n" + "".join(f"    {_value(value)},\n" for value in values) + "]"


def _value(value: Any) -> str:
    if not isinstance(value, np.ndarray):
        return f"{_value(np.asarray(value))}[()]"
    name, plain = value.dtype.name, value.dtype.kind in "biu" or value.dtype.kind == "f"
    finite = bool(np.isfinite(value).all()) if value.dtype.kind == "f" else True
    equal = value.size > 0 and value.tobytes() == value.flat[:1].tobytes() * value.size
    if plain and finite and equal:
        return f"np.full({value.shape!r}, {value.flat[0].item()!r}, {name!r})"
    if plain and finite and value.size <= LONGEST_LIST:
        numbers = pprint.pformat(value.ravel().tolist(), width=88, compact=True)
        return f"array({name!r}, {value.shape!r}, {textwrap.indent(numbers, '        ').strip()})"
    text = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()
    return (
        f"packed({name!r}, {value.shape!r}, {textwrap.indent(text_literal(text), '    ').strip()})"
    )


def _child(subject: Subject) -> list[str]:
    return [_limits(subject.verdict.kind)] if subject.in_child else []


def _limits(kind: Kind) -> str:
    limits = {Kind.HANG: parts.HANG_SECONDS}.get(kind, parts.CHILD_SECONDS)
    memory = parts.MEMORY_BYTES if kind is Kind.OUT_OF_MEMORY else 0
    return f"SECONDS = {limits}\nMEMORY_BYTES = {memory}  # of address space; 0: no limit"


__all__ = ["Invalid", "write_reproducer"]
