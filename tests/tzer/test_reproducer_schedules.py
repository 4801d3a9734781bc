"""A reproducer of a traced case applies the primitives itself, and shows what is wrong with one."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
from tvm.script import from_source

from harness.case import Case, CaseError, PassCall, PrimitiveCall, module_text
from harness.oracles.verify import verify
from harness.schedules.text import as_python
from harness.verdict import Kind, Stage, Verdict
from harness.worker.post_mortem import verdict_of
from harness.worker.sandbox import Settings, Worker
from seeds import reductions
from tests import programs
from tests.harness.oracles.primitive_cases import MATCHED, OUTER
from tests.harness.oracles.test_schedule import IMPERFECT, TWO_STATEMENTS, matmul
from tests.tzer.test_reproducer import imports, run
from tzer.triage.reproducer import write_reproducer

Call = PrimitiveCall
REFUSED = Call("compute_inline", ("nothing",))


def scripted(module: Any, *trace: PrimitiveCall, calls: tuple[PassCall, ...] = ()) -> str:
    case = Case(module_text(module), calls, trace=trace)
    verdict = verify(case)
    assert verdict.is_finding, verdict
    text = write_reproducer(case, verdict)
    assert imports(text) <= {"base64", "contextlib", "hashlib", "ctypes", "json", "ml_dtypes",
                             "mmap", "numpy", "os", "signal", "subprocess", "sys", "tempfile",
                             "tvm", "tvm_ffi", "resource", "time"}  # fmt: skip
    return text


def test_a_wrong_result_of_a_primitive_is_run(tmp_path: Path) -> None:
    partition = Call("loop_partition", (("C", 2), (4, None), True))
    text = scripted(matmul(3, 6, 3), REFUSED, partition)
    assert "nothing" not in text  # what refuses is not part of the script
    assert "s.loop_partition(loop(s, 'C', 2), [4, None], True)  # <- here" in text
    done = run(text, tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search("^came:     .* elements are wrong", done.stdout, re.MULTILINE), done.stdout
    # A release in which the primitive refuses, and one that can't compile what it returns.
    done = run(text.replace("s.loop_partition(", "s.refused("), tmp_path)
    assert done.returncode == 0 and "raised, which is fine" in done.stdout, done.stdout
    other = re.sub("JUDGED = .*", "JUDGED = ''", text)
    done = run(other.replace("tvm.compile(", "tvm.gone("), tmp_path)
    assert done.returncode == 2 and "fails in another way: the process ended" in done.stdout


def test_what_only_the_interpreter_sees_is_shown_by_the_module(tmp_path: Path) -> None:
    done = run(scripted(matmul(7, 5, 6), *IMPERFECT, Call("rfactor", (("C", 4), 0))), tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "a reference interpreter says of this module: block-domain" in done.stdout


def test_an_internal_error_of_a_primitive_is_raised_again(tmp_path: Path) -> None:
    done = run(scripted(programs.matmul(), Call("cache_index", ("c", "local", 0))), tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "An empty SeqStmt is prohibited" in done.stdout


def test_an_ill_formed_module_is_named(tmp_path: Path) -> None:
    done = run(scripted(programs.tall(), Call("cache_index", ("out", "global", 0))), tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 strides for 2 dimensions" in done.stdout


def test_a_death_of_a_primitive_is_shown_in_a_child(tmp_path: Path) -> None:
    trace = (Call("loop_partition", (("next", 0), (None, 2), True)),)
    case = Case(module_text(from_source(TWO_STATEMENTS)), trace=trace)
    with Worker(Settings()) as worker:
        verdict = verdict_of(worker.run({"case": case.to_json()}))
    done = run(write_reproducer(case, verdict), tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "died of signal 11" in done.stdout


def test_passes_after_a_trace_begin_with_what_it_leaves(tmp_path: Path) -> None:
    """Whatever a pass does wrong: the script applies the trace, with its threads serial."""
    trace = (Call("split", (("c", 0), (None, 2), True)), Call("bind", (("c", 0), "threadIdx.x")))
    case = Case(module_text(programs.matmul()), (PassCall("s_tir.CanonicalizeLoop"),), trace=trace)
    assert verify(case).kind is Kind.OK
    stage = Stage("legal", "pass", 0, "s_tir.CanonicalizeLoop")
    claimed = Verdict(Kind.WRONG_RESULT, True, "made up", "made|up", stage.pass_name, stage)
    text = write_reproducer(case, claimed)
    assert "s.bind(loop(s, 'c', 0), 'threadIdx.x')" in text
    done = run(text, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "call",
    [
        Call("transform_block_layout", ("c", "i, j, k -> __import__('os'), j, k")),
        Call("split", (("c'); import os; ('", 0), (None, 2), True)),
        Call("annotate", ("c", "'''\n", "\\")),
        Call("no_such"),
    ],
)
def test_nothing_of_a_trace_becomes_a_statement(call: PrimitiveCall) -> None:
    stage = Stage("schedule", "pass", 0, "split")
    verdict = Verdict(Kind.INTERNAL_ERROR, True, "x", "x", "split", stage)
    case = Case(module_text(programs.matmul()), trace=(call,))
    try:
        text = write_reproducer(case, verdict)
    except CaseError:
        return
    (scheduled,) = (
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef) and node.name == "scheduled"
    )
    called = {ast.unparse(n.func) for n in ast.walk(scheduled) if isinstance(n, ast.Call)}
    assert called <= {"s_tir.Schedule", "block", "loop", f"s.{call.name}"}


def test_after_a_rule_of_dlight_the_schedule_works_on_the_function_of_the_call() -> None:
    """The rule makes a new schedule, which works on main again."""
    trace = [
        Call("add_unit_loop", ("a",), "helper"),
        Call("dlight", ("Fallback", "webgpu"), "helper"),
        Call("add_unit_loop", ("a",), "helper"),
    ]
    lines = list(as_python(trace))
    assert [line for line in lines if "work_on" in line] == ["s.work_on('helper')"] * 2


def test_what_a_primitive_brings_in_is_not_compiled_by_the_script() -> None:
    """A stored finding may claim anything, and its trace annotate a loop with code to import."""
    trace = (Call("annotate", (("c", 0), "pragma_import_llvm", "define i32 @f() { ret i32 0 }")),)
    claimed = Verdict(Kind.WRONG_RESULT, True, "x", "x", "annotate", Stage("schedule"))
    with pytest.raises(CaseError, match="import"):
        write_reproducer(Case(module_text(programs.matmul()), trace=trace), claimed)


def test_intrinsics_are_part_of_the_script(tmp_path: Path) -> None:
    text = scripted(matmul(4, 4, 8), *MATCHED, Call("read_at", ((OUTER, 0), OUTER, 0, "local")))
    assert "copy1_4_float32_float32" in text
    done = run(text, tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr


def test_a_specialized_extent_is_one_in_the_script(tmp_path: Path) -> None:
    module = reductions.symbolic(reductions.symbolic_matmul)
    factored = Call("rfactor", (("C", 4), 0))
    done = run(scripted(module, Call("specialize", (("n", 7),)), *IMPERFECT, factored), tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
