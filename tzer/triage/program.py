"""The program of a reproducer: TVMScript wherever that shows the finding, TVM's JSON elsewhere.

TVMScript is what TVM's developers read, and every apache-tvm-ffi can parse it. Its parser folds
constants and adds layouts, so that what it makes of a module is often another one. Where that is
so, it serves if the oracles say the same of it; else only JSON says what was found.
"""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass, replace
from itertools import dropwhile

from harness import compat
from harness.case import Case, module_text
from harness.ir.script import full_script, parsed_back
from harness.oracles.verify import verify
from harness.targets import get_target
from harness.verdict import Kind, Verdict
from tzer.in_subprocess import Died, Refused, in_subprocess

SECONDS = 60
# Kinds that the oracles look for in every case, and so find again if they are there.
FOUND_AGAIN = (
    Kind.CRASH,
    Kind.INTERNAL_ERROR,
    Kind.REJECTED_VALID,
    Kind.ILL_FORMED_IR,
    Kind.WRONG_RESULT,
    Kind.OUT_OF_BOUNDS,
    Kind.INVALID_CODEGEN,
)


@dataclass(frozen=True)
class PrintedProgram:
    """The case that a script shows, and its module's TVMScript: None where only JSON says it."""

    case: Case
    text: str | None


def program_of(case: Case, verdict: Verdict) -> PrintedProgram:
    """The program of the script that shows the finding; all work for TVM is done in children."""
    try:
        printed = json.loads(in_subprocess(lambda: _printed(case), SECONDS))
    except (Died, Refused):  # the printer or the parser can't do it
        return _as_json(case)
    if printed["equal"]:
        return PrintedProgram(case, printed["text"])
    other = replace(case, module=printed["module"])
    return PrintedProgram(other, printed["text"]) if _shows(other, verdict) else _as_json(case)


def _as_json(case: Case) -> PrintedProgram:
    """The case with its module's JSON as this TVM writes it, not as it stood in a store."""
    return PrintedProgram(case.with_module(case.load()), None)


def _printed(case: Case) -> str:
    """The module's TVMScript, what that parses to, and whether this is the same, as JSON."""
    module = case.load()
    back = parsed_back(module)
    equal = compat.structural_equal(back, module)
    lines = full_script(module).strip().split("\n")
    text = "\n".join(dropwhile(_is_remark, lines))
    return json.dumps({"text": text, "module": module_text(back), "equal": equal})


def _is_remark(line: str) -> bool:
    """Whether this is one of the printer's remarks on how its text would be imported."""
    return not line or line.startswith("#")


def _shows(case: Case, verdict: Verdict) -> bool:
    """Whether the oracles say of the case what the verdict says."""
    if verdict.kind not in FOUND_AGAIN or not get_target(case.target).has_runtime:
        return False
    try:
        again = Verdict.from_json(in_subprocess(lambda: verify(case).to_json(), SECONDS))
    except Refused:
        return False
    except Died as death:
        return _is_death_of(verdict, death.signal)
    return (again.kind, again.signature) == (verdict.kind, verdict.signature)


def _is_death_of(verdict: Verdict, number: int) -> bool:
    if verdict.kind is Kind.OUT_OF_BOUNDS:
        return number in (signal.SIGSEGV, signal.SIGBUS)
    name = signal.Signals(number).name if number else "none"
    return verdict.kind is Kind.CRASH and verdict.message.startswith(name)
