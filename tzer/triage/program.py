"""The program of a reproducer: TVMScript, or calls of constructors; TVM's JSON as a last resort.

TVMScript is what TVM's developers read. Its parser folds constants and adds layouts, so that what
it makes of a module is often another one. Where that is so, it serves if the oracles say the same
of it. Where it doesn't, or where it is one release's own, the constructors of TVM make the module
(`constructors.py`). Both are the same text on every supported release; JSON is not.
"""

from __future__ import annotations

import ast
import json
import re
import signal
import textwrap
from dataclasses import dataclass, replace
from itertools import dropwhile
from typing import Any

import tvm
from tvm import s_tir, tirx

from harness import compat
from harness.case import Case, CaseError, module_text
from harness.ir.script import full_script, parsed_back
from harness.oracles.verify import verify
from harness.targets import get_target
from harness.verdict import Kind, Verdict
from tzer.in_subprocess import Died, Refused, in_subprocess
from tzer.triage.constructors import PREAMBLE, CantWrite, as_constructors

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
    """The case that a script shows, and how its module is written.

    `script` is TVMScript, `calls` the lines of a function that returns the module; None where the
    module isn't written so. Where both are, the script has the calls.
    """

    case: Case
    script: str | None
    calls: str | None = None

    @property
    def is_json(self) -> bool:
        """Whether only TVM's JSON says what the module is."""
        return self.script is None and self.calls is None


def program_of(case: Case, verdict: Verdict) -> PrintedProgram:
    """The program of the script that shows the finding; all work for TVM is done in children."""
    script = _script_of(case, verdict)
    if script is not None and _is_shared(str(script.script)):
        return script
    try:
        calls = in_subprocess(lambda: _constructed(case.load()), SECONDS)
    except (Died, Refused):
        return script or _as_json(case)
    return PrintedProgram(case, None, calls)


def _script_of(case: Case, verdict: Verdict) -> PrintedProgram | None:
    """The program as TVMScript, if that shows the finding."""
    try:
        printed = json.loads(in_subprocess(lambda: _printed(case), SECONDS))
    except (Died, Refused):  # the printer or the parser can't do it
        return None
    if printed["equal"]:
        return PrintedProgram(case, printed["text"])
    other = replace(case, module=printed["module"])
    return PrintedProgram(other, printed["text"]) if _shows(other, verdict) else None


def _is_shared(script: str) -> bool:
    """Whether the parser of every supported release makes the same of this TVMScript."""
    names = set(re.findall(r"\bT\.(\w+)", script))
    if names & compat.SCRIPT_NAMES_OF_ONE_RELEASE or "metadata" in script:
        return False
    tree = ast.parse(script)
    regions = (_slices(call) for call in ast.walk(tree) if _takes_regions(call))
    # The indices of a vector are a slice in one release's text, and that a region in another's.
    return not _slices(tree) - {slice for found in regions for slice in found}


def _slices(tree: ast.AST) -> set[ast.Slice]:
    return {node for node in ast.walk(tree) if isinstance(node, ast.Slice)}


def _takes_regions(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(attr="reads" | "writes" | "match_buffer")):
            return True
    return False


def _constructed(module: Any) -> str:
    """The calls that make the module.

    Raises:
        CaseError: there is none, or they make another module.
    """
    try:
        calls = as_constructors(module)
    except (CantWrite, RecursionError) as error:
        raise CaseError(f"no constructor for {error}") from None
    # Ours alone: nothing of the module is in it but literals.
    names: dict[str, Any] = {"tvm": tvm, "tirx": tirx, "s_tir": s_tir}
    exec(PREAMBLE + constructor_function(calls), names)
    if not compat.structural_equal(names["load"](), module):
        raise CaseError("the constructors make another module")
    return calls


def constructor_function(calls: str) -> str:
    """The function `load` of these lines."""
    return "\n\ndef load():\n" + textwrap.indent(calls, "    ") + "\n"


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
