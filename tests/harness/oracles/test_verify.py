"""Verdicts of real programs, by all oracles, and real bugs of the supported releases of TVM."""

from __future__ import annotations

import random
from typing import Any

import pytest
import tvm
from tvm import tirx

from harness import compat, passes
from harness.case import Case, PassCall, module_text
from harness.oracles import verify
from harness.verdict import Kind, Verdict
from harness.worker.post_mortem import verdict_of
from harness.worker.sandbox import Settings, Worker
from seeds.recipe import from_script
from tests import programs


def verdict(module: Any, *calls: PassCall, **more: Any) -> Verdict:
    return verify.verify(Case(module_text(module), calls, **more))


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "int8", "int64", "uint32"])
@pytest.mark.parametrize("target", ["llvm", "c"])
def test_a_plain_program_is_fine(dtype: str, target: str) -> None:
    if target == "c" and dtype in ("float16", "bfloat16"):
        target = "llvm-O0"  # TVM's C sources leave float16's arithmetic to the C compiler
    assert verdict(programs.scaled_sum(dtype), target=target).kind is Kind.OK


@pytest.mark.parametrize("dtype", ["int4", "uint4"])
def test_elements_of_less_than_a_byte_are_interpreted_and_not_run(dtype: str) -> None:
    found = verdict(from_script(NIBBLES.format(dtype)))
    assert found.kind is Kind.OK, found
    wrong = verdict(from_script(NIBBLES.format(dtype).replace("range(8)", "range(9)")))
    assert (wrong.kind, wrong.message.partition(":")[0]) == (Kind.INVALID, "out-of-range")


NIBBLES = """
def main(A: T.Buffer((8,), "{0}"), B: T.Buffer((8,), "{0}")):
    for i in range(8):
        B[i] = T.max(A[i], B[i])
"""


def test_legal_sequences_change_nothing() -> None:
    module = programs.matmul()
    states = passes.initial_states(module)
    for seed in range(10):
        calls = passes.draw_legal(states, random.Random(seed), 6)
        found = verdict(module, *calls)
        assert (found.kind, found.legal) == (Kind.OK, True), found


def test_a_silent_miscompilation_is_found_with_its_pass() -> None:
    found = verdict(programs.shifted_inner())
    assert (found.kind, found.legal) == (Kind.WRONG_RESULT, True)
    assert found.pass_name == "s_tir.CanonicalizeLoop"
    assert found.detail["expected"] == "4"


def test_an_exception_of_a_legal_sequence_is_a_finding() -> None:
    found = verdict(
        programs.dividing_by_zero(),
        PassCall("s_tir.CanonicalizeLoop"),
        PassCall("tirx.StmtSimplify"),
    )
    assert (found.kind, found.legal) == (Kind.INTERNAL_ERROR, True)
    assert "Divide by zero" in found.message


def test_the_same_exception_has_the_same_signature_in_another_pass() -> None:
    simplified = PassCall("tirx.StmtSimplify"), PassCall("tirx.RemoveNoOp")
    found = {
        verdict(programs.dividing_by_zero(), PassCall("s_tir.CanonicalizeLoop"), call).signature
        for call in simplified
    }
    assert len(found) == 1


def test_a_broken_precondition_is_no_finding() -> None:
    found = verdict(programs.matmul(), PassCall("s_tir.CompactBufferAllocation"))
    assert (found.kind, found.legal) == (Kind.INVALID, False)
    assert "broken precondition" in found.message


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (programs.store_at(lambda i: i + 1), "out-of-range"),
        (programs.store_at(lambda i: tirx.truncdiv(i, i)), "division-by-zero"),
        (tvm.IRModule({"other": programs.matmul()["main"]}), "no function main"),
    ],
)
def test_an_invalid_program_is_no_finding(module: Any, words: str) -> None:
    found = verdict(module)
    assert found.kind is Kind.INVALID
    assert words in found.message


def test_text_that_is_no_module_is_invalid() -> None:
    assert verify.verify(Case("{}")).kind is Kind.INVALID


def test_a_crash_in_any_order_is_a_finding() -> None:
    if compat.tvm_version().startswith("0.26"):
        module, calls = deep_sum(), (PassCall("tirx.StmtSimplify"),)
    else:
        # Narrowing expects a program without blocks; with them it dereferences null.
        module, calls = programs.scaled_sum(), (PassCall("tirx.NarrowDataType", (32,)),)
    with Worker(Settings()) as worker:
        request = {"case": Case(module_text(module), calls).to_json()}
        first, second = (verdict_of(worker.run(request)) for _ in range(2))
        healthy = worker.run({"case": Case(module_text(programs.matmul())).to_json()})
    assert first.kind is Kind.CRASH
    assert first.signature == second.signature
    assert first.pass_name in ("tirx.NarrowDataType", "load")
    assert "overflow" in first.signature or first.signature.count("+0x") == 1
    assert Verdict.from_json(healthy.reply["verdict"]).kind is Kind.OK


def deep_sum() -> Any:
    """A sum so deep that a recursive visitor runs out of stack."""
    target = tirx.decl_buffer((1,), "int32", "target")
    total = tirx.BufferLoad(target, [0])
    for _ in range(3000):
        total = total + tirx.BufferLoad(target, [0])
    function = tirx.PrimFunc([target], tirx.BufferStore(target, total, [0]))
    return tvm.IRModule({"main": function.with_attr("global_symbol", "main")})
