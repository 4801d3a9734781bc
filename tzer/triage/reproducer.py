"""Reproducers: one file a finding, which needs only tvm and numpy.

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
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness import compat
from harness.case import Case, PassCall
from harness.ir.script import script
from harness.oracles.verify import Sequence, sequences
from harness.passes import CATALOGUE
from harness.semantics.reference import Invalid, Reference, reference_of
from harness.targets import get_target
from harness.verdict import Kind, Verdict
from tzer.triage import reproducer_parts as parts
from tzer.triage.device_reproducer import device_script

LONGEST_LIST = 64
# Kinds that are shown by running the compiled code, and so need inputs.
RUN_KINDS = (Kind.WRONG_RESULT, Kind.OUT_OF_BOUNDS, Kind.SLOW_CODE)
LOWERING_KINDS = (Kind.ILL_FORMED_IR, Kind.ROUND_TRIP, Kind.NONDETERMINISM)
CHILD_KINDS = (Kind.CRASH, Kind.HANG, Kind.OUT_OF_MEMORY, Kind.OUT_OF_BOUNDS)


@dataclass(frozen=True)
class Subject:
    """A finding with all that its script needs."""

    case: Case
    verdict: Verdict
    reference: Reference
    sequence: Sequence
    plain: Sequence

    @property
    def runs(self) -> bool:
        """Whether the compiled code is run, not only compiled."""
        step = self.verdict.stage.partition(":")[2].partition(":")[0]
        return self.verdict.kind in RUN_KINDS or step == "run" or self.verdict.pass_name == "run"

    @property
    def lowers_only(self) -> bool:
        """Whether it shows before there is any code."""
        if self.verdict.kind in RUN_KINDS:
            return False
        return self.verdict.kind in LOWERING_KINDS or self.verdict.pass_name in CATALOGUE

    @property
    def in_child(self) -> bool:
        return self.verdict.kind in CHILD_KINDS


def write_reproducer(case: Case, verdict: Verdict, *, printable: bool = True) -> str:
    """The Python script that shows the finding.

    Raises:
        harness.case.CaseError: the TVM at hand can't load the case.
        Invalid: the case has no meaning that could be shown (it is at fault itself).
    """
    target = get_target(case.target)
    original = case
    if not target.has_runtime:  # on a device the program begins as a kernel
        case = case.with_module(target.prepare(case.load()))
    reference = reference_of(case)
    plain, mutated = sequences(case, reference)
    sequence = plain if verdict.stage.partition(":")[0] == "plain" else mutated
    subject = Subject(case, verdict, reference, sequence, plain)
    if not target.has_runtime and not subject.lowers_only:
        return device_script(original, sequence, _header(subject), _expected(verdict), verdict.kind)
    pieces = [
        _header(subject),
        parts.IMPORTS,
        _constants(subject),
        _passes("passes", subject.sequence.calls, verdict.pass_name),
        parts.LOWERING if target.has_runtime else parts.LOWERING_ALONE,
        *_inputs(subject),
        parts.CHECKS[verdict.kind if not subject.in_child else Kind.CRASH],
        *_child(subject),
        parts.MAIN_IN_CHILD if subject.in_child else parts.MAIN,
    ]
    if verdict.kind is Kind.SLOW_CODE:
        pieces.insert(4, _passes("plain_passes", plain.calls, ""))
    return "\n\n".join(piece.strip("\n") for piece in pieces) + "\n"


def _header(subject: Subject) -> str:
    verdict, order = subject.verdict, "legal" if subject.sequence.legal else "illegal"
    what = _expected(verdict)
    lines = [
        f"{verdict.kind}: {verdict.message}",
        "",
        f"Found with TVM {compat.tvm_version()}. The pass order is {order}"
        + ("." if subject.sequence.legal else ", so TVM may refuse it, but not die of it."),
        f"Expected: {what}",
        "",
        "Exit status: 1 the bug shows, 0 it does not, 2 this TVM can't express the case.",
        f"Signature: {verdict.signature}",
    ]
    wrapped = [part for line in lines for part in (textwrap.wrap(line, 96) or [""])]
    body = "\n".join(wrapped).replace("\\", "\\\\").replace('"""', "'''")
    return f'"""{body}\n"""'


def _expected(verdict: Verdict) -> str:
    if verdict.kind is Kind.INVALID_CODEGEN and verdict.detail.get("error") != "CompilerRejected":
        return "the device accepts the generated code."
    return parts.EXPECTED[verdict.kind]


def _constants(subject: Subject) -> str:
    target = get_target(subject.case.target).description()
    text = script(subject.reference.module)
    if text is None:
        # Its TVMScript does not parse back to the same module: TVM's JSON does.
        chunks = textwrap.wrap(
            subject.case.module, 92, break_on_hyphens=False, drop_whitespace=False
        )
        module = "(\n" + "\n".join(f"    {chunk!r}" for chunk in chunks) + "\n)"
        load = "MODULE_JSON = " + module + "\n\n\n" + parts.LOAD_JSON
    else:
        load = "MODULE = r'''\n" + text.strip() + "\n'''\n\n\n" + parts.LOAD_SCRIPT
    return (
        f"TARGET = {json.dumps(target)}\n"
        f"OPT_LEVEL = {subject.sequence.opt_level}\n"
        f"CULPRIT = {subject.verdict.pass_name!r}\n"
        f"RUNS = {subject.runs}\n"
        f"{_meaning(subject)}"
        f"{load.strip()}"
    )


def _meaning(subject: Subject) -> str:
    """What a round trip changes, where it gives a module that parses but means something else."""
    if subject.verdict.kind is not Kind.ROUND_TRIP:
        return ""
    told = "" if "does not parse" in subject.verdict.message else subject.verdict.message
    return f"EXPECTED_MEANING = {told!r}\n"


def _passes(name: str, calls: tuple[PassCall, ...], culprit: str) -> str:
    lines = []
    for call in calls:
        mark = "  # <- here" if call.name == culprit else ""
        lines.append(f"        {_call(call)},{mark}")
    return (
        f"def {name}():\n"
        '    """Every pass in its order, as (name, pass)."""\n'
        "    target = tvm.target.Target(TARGET)\n"
        "    bound = target.with_host(target)\n"
        "    return [\n" + "\n".join(lines) + "\n    ]"
    )


def _call(call: PassCall) -> str:
    dialect, name = call.name.split(".")
    constructor = f"{dialect}.transform.{name}"
    if name == "BindTarget":
        return f"({call.name!r}, {constructor}(bound))"
    info = CATALOGUE[call.name]
    arguments, config = [], {}
    for argument, value in zip(info.args, call.args, strict=False):
        if argument.config:
            config = {argument.config: json.loads(str(value))}
        else:
            arguments.append(repr(value))
    made = f"{constructor}({', '.join(arguments)})"
    if any(config.values()):
        made = f"configured({made}, {config!r})"
    return f"({call.name!r}, {made})"


def _inputs(subject: Subject) -> list[str]:
    """The inputs, and what the reference interpreter makes of them, where they are needed."""
    if not subject.runs:
        return []
    reference = subject.reference
    pieces = [parts.ARRAYS, "INPUTS = " + _values(reference.inputs)]
    if subject.verdict.kind is Kind.WRONG_RESULT and reference.expectation is not None:
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
    return allowed if mask is None else np.where(mask, np.inf, allowed)


def _values(values: list[Any]) -> str:
    return "[\n" + "".join(f"    {_value(value)},\n" for value in values) + "]"


def _value(value: Any) -> str:
    if not isinstance(value, np.ndarray):
        return f"array({value.dtype.name!r}, (), {value.item()!r})[()]"
    name, plain = value.dtype.name, value.dtype.kind in "biu" or value.dtype.kind == "f"
    finite = bool(np.isfinite(value).all()) if value.dtype.kind == "f" else True
    if plain and finite and value.size <= LONGEST_LIST:
        numbers = pprint.pformat(value.ravel().tolist(), width=88, compact=True)
        return f"array({name!r}, {value.shape!r}, {textwrap.indent(numbers, '        ').strip()})"
    text = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()
    chunks = "\n".join(f"        {chunk!r}" for chunk in textwrap.wrap(text, 84)) or "        ''"
    return f"packed({name!r}, {value.shape!r}, (\n{chunks}\n    ))"


def _child(subject: Subject) -> list[str]:
    if not subject.in_child:
        return []
    limits = {Kind.HANG: parts.HANG_SECONDS}.get(subject.verdict.kind, parts.CHILD_SECONDS)
    memory = parts.MEMORY_BYTES if subject.verdict.kind is Kind.OUT_OF_MEMORY else 0
    return [f"SECONDS = {limits}\nMEMORY_BYTES = {memory}  # of address space; 0: no limit"]


__all__ = ["Invalid", "write_reproducer"]
