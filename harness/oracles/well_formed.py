"""Well formed: every pass returns a module that TVM's own verifier accepts."""

from __future__ import annotations

from harness import compat
from harness.oracles.known_errors import tolerated_form
from harness.oracles.oracle import AfterPass, Oracle
from harness.verdict import Kind, Verdict


def _check(view: AfterPass) -> Verdict | None:
    diagnostic = compat.why_ill_formed(view.module)
    if diagnostic is None or tolerated_form(diagnostic) is not None:
        return None
    name = view.call.name
    return view.compilation.found(Kind.ILL_FORMED_IR, diagnostic, place=name, pass_name=name)


WELL_FORMED = Oracle("well-formed", _check)
