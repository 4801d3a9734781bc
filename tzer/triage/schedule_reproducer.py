"""Reproducers of traced cases: the schedule primitives as Python, and what shows that one is wrong.

Where a primitive is at fault, the script applies the trace and shows what came of it. What only the
reference interpreter sees (an access that is not declared, a read of what nobody wrote) may leave
the right values in a run: then the script compares the module that the primitives return with the
one that was judged, by its text.
"""

from __future__ import annotations

import hashlib
import json
import textwrap
from collections.abc import Sequence
from dataclasses import replace

from harness.case import Case, PrimitiveCall
from harness.schedules import DoesNotApply, Replay
from harness.schedules.text import as_python, helpers
from harness.targets.executable import RaisedByTVM
from harness.verdict import Kind, Verdict
from tzer.in_subprocess import Died, Refused, in_subprocess
from tzer.triage.source_text import clean

SECONDS = 60

EXPECTED = {
    Kind.CRASH: "a schedule primitive applies, or refuses by an exception.",
    Kind.HANG: "a schedule primitive comes to an end.",
    Kind.OUT_OF_MEMORY: "a schedule primitive does with 8 GiB.",
    Kind.INTERNAL_ERROR: "a schedule primitive applies, or refuses by a ScheduleError.",
    Kind.ILL_FORMED_IR: "a schedule primitive returns a well-formed module.",
}
EXPECTED_MEANING = "a schedule primitive refuses, or keeps what the program means."

WITHOUT_THREADS = '''
def without_threads(module):
    """The module with its thread-bound loops serial, so that any processor can run it."""

    def serial(loop):
        if loop.kind != tirx.ForKind.THREAD_BINDING:
            return loop
        return tirx.For(loop.loop_var, loop.min, loop.extent, tirx.ForKind.SERIAL, loop.body)

    functions = {}
    for var, function in module.functions.items():
        body = tvm_ffi.structural_map(function.body, (tirx.For, serial))
        functions[var] = function.with_body(body)
    return tvm.IRModule(functions)
'''

# In place of passes and code generation, where a primitive is at fault.
ALONE = '''
def passes():
    """None: the schedule alone shows it."""
    return []


def build(sequence):
    program = load()
    print(program.script())
    module = scheduled(program)
    print(module.script())
    return module
'''

ILL_FORMED = """
def check():
    module = build(passes())
    analysis = s_tir.analysis if hasattr(s_tir.analysis, "verify_well_formed") else tirx.analysis
    try:
        analysis.verify_well_formed(module, assert_mode=True)
    except Exception as error:
        return said(error)
    return uneven(module)


def uneven(module):
    found = []

    def look(block):
        for buffer in getattr(block, "alloc_buffers", ()):
            strides, rank = len(buffer.ty.strides), len(buffer.ty.shape)
            if strides not in (0, rank):
                found.append(f"buffer {buffer.name} has {strides} strides for {rank} dimensions")

    for function in module.functions.values():
        tvm_ffi.structural_walk(function.body, (tvm_ffi.Object, look))
    return found[0] if found else None
"""

OTHER_MEANING = '''
def attempt():
    """Run what the primitives return; in a child, since it may leave its buffers."""
    import hashlib

    try:
        module = build(passes())
    except Exception as error:
        print("raised, which is fine:", said(error))
        return
    judged = hashlib.sha256(str(module.script()).encode()).hexdigest() == JUDGED
    if judged:  # said before it is run, which may kill
        print("a reference interpreter says of this module:", MEANING, flush=True)
    shown, damaged = None, False
    try:
        built = tvm.compile(without_threads(module), target=tvm.target.Target(TARGET))
        actual, damaged = run(built)
        shown = different(actual)
        print("compiled and run:", shown or "the right values")
    except Exception as error:
        if not judged:
            raise
        print("not compiled and run:", said(error))
    if shown or damaged or judged:
        print(shown or (damaged and "bytes beside the buffers were written") or MEANING)
        sys.exit(SHOWN)
'''


def with_applied_primitives(case: Case, verdict: Verdict) -> Case:
    """The case with those primitives that matter: that applied, up to the culprit if it is one.

    They are applied in a child, which may die of it; then all of them stay.
    """
    trace = case.trace
    if not trace:
        return case
    culprits: tuple[PrimitiveCall, ...] = ()
    if verdict.stage.sequence == "schedule" and verdict.stage.pass_index is not None:
        index = verdict.stage.pass_index
        trace, culprits = trace[:index], trace[index : index + 1]

    def applied() -> str:
        replay, found = Replay(case.load()), []
        for index, call in enumerate(trace):
            try:
                replay.apply(call)
            except (DoesNotApply, RaisedByTVM):
                continue
            found.append(index)
        return json.dumps(found)

    try:
        kept = [trace[index] for index in json.loads(in_subprocess(applied, SECONDS))]
    except (Died, Refused):
        kept = list(trace)
    return replace(case, trace=(*kept, *culprits))


def scheduling(trace: Sequence[PrimitiveCall], culprit: int | None) -> str:
    """The function `scheduled`, with a mark at the culprit."""
    before = list(as_python(trace[:culprit]))
    lines = list(as_python(trace))
    marked = [
        line + ("  # <- here" if culprit is not None and number >= len(before) else "")
        for number, line in enumerate(lines)
    ]
    return helpers(trace) + (
        "\n\ndef scheduled(module):\n"
        '    """The module after the schedule primitives."""\n'
        '    s = s_tir.Schedule(module, seed=1, error_render_level="none")\n'
        + textwrap.indent("\n".join(marked), "    ")
        + "\n    return s.mod\n"
    )


def judged(case: Case, verdict: Verdict) -> str:
    """The constants that say which module was judged, and how."""
    return f"JUDGED = {_text_digest(case)!r}\nMEANING = {clean(verdict.message)!r}"


def _text_digest(case: Case) -> str:
    """A digest of the scheduled module's text; "" if TVM can't print it."""

    def digest() -> str:
        replay = Replay(case.load())
        for call in case.trace:
            replay.apply(call)
        return hashlib.sha256(str(replay.module.script()).encode()).hexdigest()

    try:
        return in_subprocess(digest, SECONDS)
    except (Died, Refused):
        return ""
