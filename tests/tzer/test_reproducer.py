"""A reproducer shows the bug where it is: exit 1, else 0; 2 where TVM can't express the case."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import tvm
from tvm import tirx

from harness import compat
from harness.case import Case, PassCall, module_text
from harness.oracles.verify import verify
from harness.verdict import Kind, Stage, Verdict
from harness.worker.post_mortem import verdict_of
from harness.worker.sandbox import Settings, Worker
from tests import programs
from tests.missing import skip_without
from tests.tzer.scripts import run_each
from tzer.in_subprocess import in_subprocess
from tzer.triage.reproducer import write_reproducer

ROOT = Path(__file__).resolve().parents[2]


def run(text: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    script = folder / "finding.py"
    script.write_text(text)
    return subprocess.run(
        [sys.executable, script],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=300,
        env=os.environ | environment,
    )


def imports(text: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(str(node.module).partition(".")[0])
    return found


def reproduced(module: Any, *calls: PassCall) -> tuple[Verdict, str]:
    case = Case(module_text(module), calls)
    verdict = verify(case)
    assert verdict.is_finding, verdict
    return verdict, write_reproducer(case, verdict)


def test_a_wrong_result_shows_both_values(tmp_path: Path) -> None:
    verdict, text = reproduced(programs.shifted_inner())
    assert verdict.kind is Kind.WRONG_RESULT
    done = run(text, tmp_path)
    assert done.returncode == 1, done.stderr
    assert "expected np.int32(4), came np.int32(3)" in done.stdout


def test_an_exception_shows_its_message(tmp_path: Path) -> None:
    calls = PassCall("s_tir.CanonicalizeLoop"), PassCall("tirx.StmtSimplify")
    verdict, text = reproduced(programs.dividing_by_zero(), *calls)
    assert verdict.kind is Kind.INTERNAL_ERROR
    done = run(text, tmp_path)
    assert done.returncode == 1, done.stderr
    assert "Divide by zero" in done.stdout


def test_json_that_does_not_load_is_shown(tmp_path: Path) -> None:
    calls = PassCall("s_tir.CanonicalizeLoop"), PassCall("tirx.StmtSimplify")
    verdict, text = reproduced(programs.underflowing(), *calls)
    done = run(text, tmp_path)
    assert (verdict.kind, verdict.pass_name) == (Kind.ROUND_TRIP, "tirx.StmtSimplify")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "does not load" in done.stdout


def test_a_crash_is_shown_and_survived(tmp_path: Path) -> None:
    # Narrowing expects a program without blocks; with them, 0.27 dereferences null.
    case = Case(module_text(programs.scaled_sum()), (PassCall("tirx.NarrowDataType", (32,)),))
    with Worker(Settings()) as worker:
        outcome = worker.run({"case": case.to_json()})
    assert outcome.status == ("done" if compat.tvm_version().startswith("0.26") else "died")
    verdict = verdict_of(outcome) if outcome.status == "died" else Verdict(Kind.CRASH)
    done = run(write_reproducer(case, verdict), tmp_path)
    assert done.returncode == (1 if outcome.status == "died" else 0), done.stderr


def test_a_death_of_a_code_generator_for_another_machine_is_not_died_of_again() -> None:
    # LLVM has no cosine of float64 for AMD's GPUs, and aborts.
    case = Case(module_text(programs.cosine("float64")), target="rocm")
    verdict = Verdict(Kind.CRASH, True, "SIGABRT in build", "crash|SIGABRT|build|x", "build")
    verdict = replace(verdict, stage=Stage("legal", "build"))
    assert "KIND = 'crash'" in in_subprocess(lambda: write_reproducer(case, verdict))


def test_where_the_bug_does_not_show_the_status_is_zero(tmp_path: Path) -> None:
    case = Case(module_text(programs.scaled_sum("bfloat16")), (PassCall("s_tir.CanonicalizeLoop"),))
    scripts = {}
    for kind in set(Kind) - {Kind.OK, Kind.INVALID}:
        stage = Stage("legal", "run" if kind is Kind.CRASH else "")
        verdict = Verdict(kind, True, "nothing", "none", "s_tir.CanonicalizeLoop", stage)
        scripts[kind] = tmp_path / f"{kind.value}.py"
        scripts[kind].write_text(write_reproducer(case, verdict))
    ended, errors = run_each(sys.executable, list(scripts.values()), os.environ)
    for kind, script in scripts.items():
        status, printed = ended.get(script, (-1, "it died"))
        assert status == 0, (kind, printed, errors)
        assert "the bug does not show" in printed, kind


def test_what_this_tvm_cannot_express_has_status_two(tmp_path: Path) -> None:
    _, text = reproduced(programs.shifted_inner())
    done = run(text.replace("T.Buffer(", "T.NoSuchThing("), tmp_path)
    assert done.returncode == 2
    assert "can't express" in done.stdout


def test_without_tvm_the_status_is_two_and_not_that_of_the_bug(tmp_path: Path) -> None:
    text = write_reproducer(Case(module_text(programs.scaled_sum())), Verdict(Kind.CRASH))
    (tmp_path / "tvm.py").write_text("raise ImportError('there is none')")
    done = run(text, tmp_path)
    assert done.returncode == 2 and done.stderr == ""
    assert done.stdout == "this script needs apache-tvm and numpy: there is none\n"


def test_nothing_but_tvm_and_numpy_is_needed(tmp_path: Path) -> None:
    for kind in (Kind.WRONG_RESULT, Kind.CRASH, Kind.OUT_OF_BOUNDS, Kind.ROUND_TRIP):
        case = Case(module_text(programs.scaled_sum()))
        text = write_reproducer(
            case, Verdict(kind, True, "x", "x", "s_tir.X", Stage("legal", "run"))
        )
        others = imports(text) - set(sys.stdlib_module_names)
        # tvm_ffi and ml_dtypes are what tvm itself is installed with.
        assert others <= {"tvm", "tvm_ffi", "numpy", "ml_dtypes"}


def test_a_module_that_cannot_be_printed_is_made_by_constructors(tmp_path: Path) -> None:
    text = write_reproducer(
        Case(module_text(programs.dividing_by_zero())),
        Verdict(Kind.INTERNAL_ERROR, True, "x", "x", "tirx.StmtSimplify", Stage("legal")),
    )
    assert "tirx.PrimFunc(" in text and "MODULE_JSON" not in text
    assert run(text, tmp_path).returncode in (0, 1)


def test_json_of_another_release_is_not_loaded(tmp_path: Path) -> None:
    """Which may kill the process: its release is compared first, and that is one line."""
    text = write_reproducer(Case(module_text(at_an_address())), Verdict(Kind.CRASH))
    assert "MODULE_JSON" in text and run(text, tmp_path).returncode == 0
    release = compat.tvm_version().split(".")[:2]
    done = run(text.replace(f"RELEASE = {release!r}", "RELEASE = ['0', '25']"), tmp_path)
    assert done.returncode == 2 and done.stderr == ""
    assert len(done.stdout.splitlines()) == 1 and "can't express this case" in done.stdout


def at_an_address() -> Any:
    """A program with what neither TVMScript nor a constructor makes again."""
    parameter = tirx.decl_buffer((1,), "float32", "a").with_allocated_addr([tirx.const(8, "int32")])
    body = tirx.BufferStore(parameter, tirx.const(float("inf"), "float32"), [0])
    function = tirx.PrimFunc([parameter], body).with_attr("global_symbol", "main")
    return tvm.IRModule({"main": function})


def test_a_message_cannot_break_out_of_the_script(tmp_path: Path) -> None:
    case = Case(module_text(programs.scaled_sum()))
    hostile = Verdict(
        Kind.CRASH, True, '"""\nraise SystemExit(77)\n"""', "\\x", "y'\"", Stage("legal", "run")
    )
    assert run(write_reproducer(case, hostile), tmp_path).returncode == 0


def test_a_module_named_main_only_is_needed() -> None:
    function = tirx.PrimFunc([], tirx.Evaluate(0)).with_attr("global_symbol", "main")
    case = Case(module_text(tvm.IRModule({"main": function})))
    assert "def main(" in write_reproducer(case, Verdict(Kind.CRASH, stage=Stage("legal", "build")))


def test_what_a_device_refuses_is_shown_by_the_harness(tmp_path: Path) -> None:
    case = Case(module_text(infinite()), target="webgpu")
    verdict = verify(case)
    if verdict.kind is Kind.INVALID:  # there is no adapter
        skip_without(verdict.message)
    assert verdict.kind is Kind.INVALID_CODEGEN
    text = write_reproducer(case, verdict)
    assert "# fn main_kernel(" in text and "inff" in text
    done = run(text, tmp_path, PYTHONPATH=str(ROOT))
    assert done.returncode == 1, done.stderr
    assert "no definition in scope for identifier: `inff`" in done.stdout
    done = run(text.replace("KIND = 'invalid-codegen'", "KIND = 'crash'"), tmp_path)
    assert done.returncode == 2 and "not crash, but another finding: invalid-" in done.stdout
    done = run(text.replace("from harness.case", "from nowhere.case"), tmp_path)
    assert done.returncode == 2
    assert "this script needs tzer" in done.stdout


def test_what_a_pass_does_for_a_device_needs_tvm_alone(tmp_path: Path) -> None:
    calls = PassCall("s_tir.CanonicalizeLoop"), PassCall("tirx.StmtSimplify")
    case = Case(module_text(programs.dividing_by_zero()), calls, target="wasm")
    verdict = verify(case)
    assert verdict.kind is Kind.INTERNAL_ERROR
    text = write_reproducer(case, verdict)
    others = imports(text) - set(sys.stdlib_module_names)
    assert "harness" not in others and "tzer" not in others
    done = run(text, tmp_path)
    assert done.returncode == 1, done.stderr
    assert "Divide by zero" in done.stdout


def infinite() -> Any:
    """target[0] = min(source[0], inf)."""
    source, target = (tirx.decl_buffer((1,), "float32", name) for name in ("source", "target"))
    value = tirx.min(tirx.BufferLoad(source, [0]), tirx.const(float("inf"), "float32"))
    function = tirx.PrimFunc([source, target], tirx.BufferStore(target, value, [0]))
    return tvm.IRModule({"main": function.with_attr("global_symbol", "main")})
