"""Reproducers of findings on a device, which need tzer itself.

What V8, naga or tint makes of compiled code can't be shown by tvm and numpy alone: the script
brings the case along, and has the harness compile, load, run and judge it again, in a process of
its own. What goes wrong before there is any code is shown by an ordinary script (reproducer.py).
"""

from __future__ import annotations

import json
import textwrap

from harness.case import Case
from harness.ir.script import script
from harness.oracles.verify import Sequence
from harness.passes.build import lower
from harness.targets import get_target
from harness.verdict import Kind

PROGRAM = """

def main():
    try:
        return judge()
    except ImportError as error:
        print(f"this script needs tzer ({error}); its README says how to install it")
    except Exception as error:  # of another tzer, or this machine's: it says nothing of the bug
        print(f"the case can't be judged here: {type(error).__name__}: {error}")
    return 2


def judge():
    from harness.case import Case
    from harness.worker.post_mortem import verdict_of
    from harness.worker.sandbox import Settings, Worker
    from harness.targets import get_target
    from harness.verdict import Kind, Verdict

    case = Case.from_json(CASE)
    missing = get_target(case.target).available()
    if missing:
        print(f"target {case.target}: {missing}")
        return 2
    case.load()
    with Worker(Settings(seconds=SECONDS)) as worker:
        outcome = worker.run({"case": CASE})
    done = outcome.status == "done"
    verdict = Verdict.from_json(outcome.reply["verdict"]) if done else verdict_of(outcome)
    print(f"expected: {EXPECTED}")
    if verdict.is_finding:
        other = "" if verdict.kind == KIND else f", where a finding of the kind {KIND} was"
        print(f"came:     {verdict.kind}: {verdict.message}{other}")
        return 1
    if verdict.kind is Kind.INVALID:
        print(f"this machine can't judge the case: {verdict.message}")
        return 2
    print("came:     just that; the bug does not show")
    return 0


if __name__ == "__main__":
    sys.exit(main())
"""
SECONDS = 60


def device_script(case: Case, sequence: Sequence, header: str, expected: str, kind: Kind) -> str:
    """The Python script that shows a finding of a target on a device."""
    told = script(case.load())
    program = told.strip() if told else "its TVMScript does not parse back to it: see CASE"
    shown = [f"Target {case.target}, optimisation level {case.opt_level}. Passes:"]
    shown += [f"    {call}" for call in sequence.calls]
    shown += ["", "Program:", program, "", *_generated(case, sequence)]
    comment = textwrap.indent("\n".join(shown), "# ", lambda line: True)
    text = case.to_json()
    chunks = "\n".join(f"    {text[start : start + 90]!r}" for start in range(0, len(text), 90))
    return (
        f"{header}\n\nimport sys\n\n{_stripped(comment)}\n"
        f"CASE = (\n{chunks}\n)\nKIND = {str(kind)!r}\nEXPECTED = {json.dumps(expected)}\n"
        f"SECONDS = {SECONDS}\n{PROGRAM}"
    )


def _generated(case: Case, sequence: Sequence) -> list[str]:
    """What TVM generates, where that is text."""
    target = get_target(case.target)
    if not hasattr(target, "generate"):
        return []
    try:
        module = target.prepare(case.load())
        lowered = lower(module, sequence.calls, target=target, opt_level=sequence.opt_level)
        shaders = target.generate(lowered)
    except Exception:  # then this is what the script shows
        return []
    return ["Generated:", *(shader.code.strip() for shader in shaders)]


def _stripped(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.splitlines())
