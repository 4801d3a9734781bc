"""Changed meaning: what the passes leave means what the program does, by the interpreter.

The module is interpreted as it is before the packed API, which no pass on the program's own code
comes after; where the interpreter doesn't support that form, as the case's own passes left it. So a
miscompilation by a pass shows without any code.
"""

from __future__ import annotations

from harness.oracles.culprit import CODE_GENERATION, Culprit, culprit
from harness.oracles.meaning import Unknown, difference_after
from harness.oracles.oracle import AfterLowering, Oracle
from harness.verdict import Verdict
from harness.worker.progress_page import STAGES


def _check(view: AfterLowering) -> Verdict | None:
    compilation = view.compilation
    STAGES.enter(compilation.sequence.at("compare"))
    for form in view.forms:
        try:
            found = difference_after(form.module, compilation)
        except Unknown:
            continue
        if found is None:
            return None
        where = culprit(compilation)
        if where.name == CODE_GENERATION:
            where = Culprit(form.pass_name)
        return compilation.found(
            found.kind,
            found.message,
            place=where.name,
            shows="|".join((found.shows, *where.suspects(compilation.reference.module))),
            pass_name=where.name,
            detail=found.detail,
        )
    return None


CHANGED_MEANING = Oracle("changed-meaning", _check)
