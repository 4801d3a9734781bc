"""Reproducers of findings on a device, or of code that runs nowhere here, which need tzer itself.

What V8, naga, tint or a compiler for another machine makes of generated code can't be shown by tvm
and numpy alone: the script
brings the case along, and has the harness compile, load, run and judge it again, in a process of
its own. What goes wrong before there is any code is shown by an ordinary script (reproducer.py).
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.case import Case
from harness.oracles.verify import Sequence
from harness.passes.build import lower
from harness.targets import get_target
from harness.verdict import Kind
from tzer.triage.source_text import comment, text_literal

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
        if verdict.kind != KIND:
            print(f"not {KIND}, but another finding: {verdict.kind}: {verdict.message}")
            return 2
        print(f"came:     {verdict.kind}: {verdict.message}")
        return 1
    if verdict.kind is Kind.INVALID:
        print(f"this machine can't judge the case: {verdict.message}")
        return 2
    unchecked = getattr(get_target(case.target), "unchecked", lambda: None)()
    if unchecked:
        print(f"this machine can't judge the case: {unchecked}")
        return 2
    print("came:     just that; the bug does not show")
    return 0


if __name__ == "__main__":
    sys.exit(main())
"""
SECONDS = 60
DEADLY = (Kind.CRASH, Kind.HANG, Kind.OUT_OF_MEMORY)


def device_script(
    case: Case, sequence: Sequence, header: str, expected: str, kind: Kind, program: str | None
) -> str:
    """The Python script that shows a finding of a target on a device."""
    return (
        f"{header}\n\nimport sys\n\n{comment(_shown(case, sequence, program, kind))}\n"
        f"CASE = {text_literal(case.to_json())}\nKIND = {str(kind)!r}\nEXPECTED = {expected!r}\n"
        f"SECONDS = {SECONDS}\n{PROGRAM}"
    )


def _shown(case: Case, sequence: Sequence, program: str | None, kind: Kind) -> Iterator[str]:
    """What a reader wants to see of the case."""
    yield f"Target {case.target}, optimisation level {case.opt_level}. Passes:"
    yield from (f"    {call}" for call in sequence.calls)
    yield ""
    yield "Program:"
    yield from (program or "its TVMScript does not parse back to it: see CASE").split("\n")
    yield ""
    # What kills the compiler would kill this process as well.
    for code in [] if kind in DEADLY else _generated(case, sequence):
        yield "Generated:"
        yield from code.strip().split("\n")


def _generated(case: Case, sequence: Sequence) -> list[str]:
    """What TVM generates, where that is text."""
    target = get_target(case.target)
    if not hasattr(target, "generate"):
        return []
    try:
        module = target.prepare(case.load())
        lowered = lower(module, sequence.calls, opt_level=sequence.opt_level)
        made = target.generate(lowered)
        return [made] if isinstance(made, str) else [shader.code for shader in made]
    except Exception:  # then this is what the script shows
        return []
