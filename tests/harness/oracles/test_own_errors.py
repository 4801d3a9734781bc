"""An exception of our own code is an error of the harness, and never a finding about TVM."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tvm
import tvm_ffi
from tvm import tirx

import harness
from harness import UserError
from harness.case import Case, CaseError, PassCall, module_text
from harness.oracles import table, verify
from harness.passes import default_order
from harness.passes.build import lower
from harness.targets.executable import RaisedByTVM, raised_by_tvm
from harness.verdict import Kind
from harness.worker.sandbox import Settings, Worker
from tests import programs
from tests.harness.oracles.faulty import FAULT, faulty, patched
from tzer.coverage_map import CoverageMap
from tzer.trial import Examiner

SIMPLIFY = PassCall("tirx.StmtSimplify")
ORACLES = [
    (moment, oracle.name)
    for moment in ("AFTER_PASS", "AFTER_LOWERING", "AFTER_RUN")
    for oracle in getattr(table, moment)
]


def case_of(*calls: PassCall, **more: Any) -> Case:
    return Case(module_text(programs.scaled_sum()), calls, **more)


@pytest.mark.parametrize(("moment", "name"), ORACLES)
@pytest.mark.parametrize("error", [CaseError, ValueError, UserError, MemoryError, KeyError])
def test_an_oracle_that_raises_finds_nothing(
    moment: str, name: str, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, moment, patched(moment, name, error))
    with pytest.raises(error, match=FAULT):
        verify.verify(case_of(PassCall("s_tir.CanonicalizeLoop")))


@pytest.mark.parametrize("callback", ["before_pass", "after_pass"])
@pytest.mark.parametrize("order", ["legal", "illegal"])
def test_a_callback_that_raises_finds_nothing(
    callback: str, order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify._Follower, f"_{callback}", faulty(CaseError))
    calls = (SIMPLIFY,) if order == "legal" else (SIMPLIFY, PassCall("tirx.LowerIntrin"))
    with pytest.raises(CaseError, match=FAULT):
        verify.verify(case_of(*calls))


def test_what_a_callback_raises_comes_out_of_the_lowering_as_it_is() -> None:
    for callback in ("before_pass", "after_pass"):
        keywords: dict[str, Any] = {callback: faulty(CaseError)}
        with pytest.raises(CaseError, match=FAULT):
            lower(programs.matmul(), default_order("llvm"), **keywords)


@pytest.mark.parametrize("step", ["reference_of", "lower", "sequences", "guarded_copies"])
def test_a_broken_step_of_the_harness_finds_nothing(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, step, faulty(ValueError))
    with pytest.raises(ValueError, match=FAULT):
        verify.verify(case_of())


def test_what_tvm_raises_is_told_from_what_our_code_raises_that_tvm_calls_back() -> None:
    body = programs.matmul()["main"].body
    folder = Path(harness.__file__).parent
    ours: dict[str, Any] = {}
    source = "def called_back(node):\n    raise KeyError('ours')\n"
    exec(compile(source, folder / "called_back.py", "exec"), ours)
    with pytest.raises(KeyError, match="ours"), raised_by_tvm():
        tvm_ffi.structural_map(body, (tirx.For, ours["called_back"]))
    ours_by_library = "import json\ndef called_back(node):\n    json.loads('[')\n"
    exec(compile(ours_by_library, folder / "called_back.py", "exec"), ours)
    with pytest.raises(Exception, match="Expecting value") as raised, raised_by_tvm():
        tvm_ffi.structural_map(body, (tirx.For, ours["called_back"]))
    assert not isinstance(raised.value, RaisedByTVM)


def test_what_the_code_around_a_call_raises_is_ours() -> None:
    with pytest.raises(KeyError, match="ours"), raised_by_tvm():
        dict[str, int]()["ours"]
    with pytest.raises(RaisedByTVM), raised_by_tvm():
        tvm.get_global_func("target.build.llvm")(3, 4)
    with pytest.raises(RaisedByTVM), raised_by_tvm():
        tirx.IntImm("int32", 1 << 40)


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda: tvm.get_global_func("target.build.llvm")(3, 4), TypeError),
        (lambda: tvm.script.from_source("def f(: x"), SyntaxError),
        (lambda: tvm.ir.load_json("{"), Exception),
        (lambda: tirx.transform.StmtSimplify()(3), TypeError),
    ],
)
def test_what_a_call_of_tvm_raises_is_tvm_s(
    call: Callable[[], object], kind: type[Exception]
) -> None:
    with pytest.raises(RaisedByTVM) as raised, raised_by_tvm():
        call()
    assert isinstance(raised.value.error, kind)
    assert str(raised.value) == str(raised.value.error)


def test_a_target_or_a_pass_that_does_not_exist_makes_the_case_invalid() -> None:
    assert "unknown target" in verify.verify(case_of(target="nonsense")).message
    unknown = verify.verify(case_of(PassCall("tirx.Nonsense")))
    assert (unknown.kind, unknown.legal) == (Kind.INVALID, False)
    assert "unknown pass" in unknown.message


def test_a_campaign_counts_an_error_of_ours_and_goes_on() -> None:
    faults: list[str] = []
    with Worker(Settings("tests.harness.oracles.faulty:handle")) as worker:
        examiner = Examiner(
            worker,
            CoverageMap(),
            threading.Event(),
            lambda signature: True,
            ["llvm"],
            faults.append,
        )
        for moment, name in ORACLES[::3]:
            case = case_of(PassCall("s_tir.CanonicalizeLoop"), origin=f"{moment} {name}")
            trial = examiner.test(case)
            assert trial.verdict is not None and trial.verdict.kind is Kind.INVALID
            assert FAULT in trial.verdict.message
            assert "Traceback" in faults.pop() and not faults
        trial = examiner.test(case_of(origin=""))
    assert trial.verdict is not None and trial.verdict.kind is Kind.OK
    assert not faults
