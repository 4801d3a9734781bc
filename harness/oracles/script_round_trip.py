"""Script round trip: the TVMScript of a module parses to a program of the same meaning.

The parser folds constants, so a different module is not a finding; one with another meaning,
according to the reference interpreter, is. Printing and parsing are slow: they are done after one
pass of one case in eight.
"""

from __future__ import annotations

from typing import Any

from harness import compat
from harness.case import CaseError
from harness.ir.script import parsed_back
from harness.oracles.known_errors import tolerated_form
from harness.oracles.oracle import AfterPass, Oracle
from harness.semantics.reference import Invalid, Reference, interpret
from harness.system.text import first_line
from harness.targets.executable import RaisedByTVM, raised_by_tvm
from harness.verdict import Kind, Verdict, lacking, normalise
from harness.worker.progress_page import STAGES


def _check(view: AfterPass) -> Verdict | None:
    compilation = view.compilation
    picked = int(compilation.case.digest, 16) % max(1, compilation.own_passes)
    if compilation.oracles is None and view.index != picked:
        return None
    if view.packed:  # packed functions are not meant to be read back
        return None
    diagnostic = _lost(view, view.module)
    if diagnostic is None:
        return None
    # If the original program can't be printed and parsed, the pass is not at fault.
    own = _lost(view, compilation.reference.module)
    pass_name = "" if own else view.call.name
    # The signature has no place: the bug is in the printer, whichever pass made the module.
    message = own or diagnostic
    # What the parser lacks tells one gap from another; `normalise` takes quoted names away.
    shows = "|".join((normalise(message), *filter(None, [lacking(message)])))
    return compilation.found(Kind.ROUND_TRIP, message, shows=shows, pass_name=pass_name)


def _lost(view: AfterPass, module: Any) -> str | None:
    """None, or how printing and parsing changes the program."""
    reference = view.compilation.reference
    try:
        with raised_by_tvm():
            back = parsed_back(module)
    except (CaseError, RecursionError):  # names or nesting that the parser must not get
        return None
    except (RaisedByTVM, SyntaxError) as error:
        if any(tolerated_form(line.strip()) for line in str(error).splitlines()):
            return None
        return f"its TVMScript does not parse: {first_line(error)}"
    if reference.expectation is None or compat.structural_equal(back, module):
        return None
    STAGES.enter(view.compilation.sequence.at("compare"))
    lost = _other_meaning(back, reference)
    if lost is not None and _other_meaning(module, reference) is not None:
        return None  # the pass has changed it, and not the printer
    return lost


def _other_meaning(back: Any, reference: Reference) -> str | None:
    try:
        meaning = interpret(back, reference.fresh_inputs())
    except Invalid as invalid:
        return f"its TVMScript parses to a program that is invalid: {invalid}"
    if meaning.expectation is None:
        return None
    mismatch = reference.mismatch(list(meaning.expectation.outputs))
    return None if mismatch is None else f"its TVMScript means another program: {mismatch}"


SCRIPT_ROUND_TRIP = Oracle("script-round-trip", _check, every=8)
