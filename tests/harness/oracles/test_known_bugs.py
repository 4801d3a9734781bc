"""Known bugs of the supported releases of TVM, each of which has its own kind of verdict."""

from __future__ import annotations

from typing import Any

import pytest
import tvm
from tvm import tirx

from harness.case import Case, PassCall, module_text
from harness.oracles.verify import verify
from harness.passes import default_order
from harness.verdict import Kind

INT32 = "int32"


def main_of(parameters: list[Any], body: Any) -> Any:
    function = tirx.PrimFunc(parameters, body).with_attr("global_symbol", "main")
    return tvm.IRModule({"main": function})


def loop(variable: Any, extent: int, body: Any) -> Any:
    return tirx.For(variable, 0, extent, tirx.ForKind.SERIAL, body)


def scaled_remainder() -> Any:
    """A remainder, written as a difference, times 600 million: the simplifier multiplies by four.

    tilelang #3027; canonical_simplify.cc, NormalizeWithScale.
    """
    i, target = tirx.Var("i", INT32), tirx.decl_buffer((8,), INT32, "target")
    value = (i - tirx.floordiv(i, 4) * 4) * 600_000_000
    return main_of([target], loop(i, 8, tirx.BufferStore(target, value, [i])))


def double_buffered() -> Any:
    """An allocation in double_buffer_scope: CompactBufferAllocation renews the buffer alone.

    apache/tvm #20418; compact_buffer_region.cc, inject_double_buffer.cc.
    """
    source = tirx.decl_buffer((4, 8), "float32", "source")
    target = tirx.decl_buffer((4,), "float32", "target")
    row = tirx.decl_buffer((8,), "float32", "row")
    i, j = tirx.Var("i", INT32), tirx.Var("j", INT32)
    copy = loop(j, 8, tirx.BufferStore(row, tirx.BufferLoad(source, [i, j]), [j]))
    last = tirx.BufferStore(target, tirx.BufferLoad(row, [7]), [i])
    used = tirx.SeqStmt([copy, last])
    marked = tirx.AttrStmt(row.data, "double_buffer_scope", 1, used)
    body = tirx.SeqStmt([tirx.AllocBuffer(row), marked])
    return main_of([source, target], loop(i, 4, body))


def shifted_remainder() -> Any:
    """The place (i % 4 + 1) // 2 in a row: FlattenBuffer simplifies it as if i % 4 were i.

    A residue of apache/tvm #20169 and #20181, which is in 0.27.0.post1 as well.
    """
    source = tirx.decl_buffer((2, 3), INT32, "source")
    target, i = tirx.decl_buffer((8,), INT32, "target"), tirx.Var("i", INT32)
    place = tirx.floordiv(tirx.floormod(i, 4) + 1, 2)
    read = tirx.BufferLoad(source, [1, place])
    return main_of([source, target], loop(i, 8, tirx.BufferStore(target, read, [i])))


def narrow_shifts() -> Any:
    """Shifts of 8 bits to the left and back: C computes them as int and truncates nothing.

    tilelang #2961; codegen_c.cc.
    """
    source, target = (tirx.decl_buffer((8,), "uint8", name) for name in ("source", "target"))
    i, four = tirx.Var("i", INT32), tirx.const(4, "uint8")
    shifted = tirx.shift_right(tirx.shift_left(tirx.BufferLoad(source, [i]), four), four)
    return main_of([source, target], loop(i, 8, tirx.BufferStore(target, shifted, [i])))


LOWER = (PassCall("s_tir.CanonicalizeLoop"), PassCall("s_tir.LowerOpaqueBlock"))


@pytest.mark.parametrize(
    ("module", "passes", "kind", "culprit"),
    [
        (
            scaled_remainder(),
            (*LOWER, PassCall("tirx.StmtSimplify")),
            Kind.INTERNAL_ERROR,
            "tirx.StmtSimplify",
        ),
        (
            double_buffered(),
            default_order("llvm"),
            Kind.INTERNAL_ERROR,
            "s_tir.InjectDoubleBuffer",
        ),
        (
            shifted_remainder(),
            (*LOWER, PassCall("tirx.FlattenBuffer")),
            Kind.WRONG_RESULT,
            "tirx.FlattenBuffer",
        ),
    ],
)
def test_a_known_bug_is_of_its_kind_and_of_its_pass(
    module: Any, passes: tuple[PassCall, ...], kind: Kind, culprit: str
) -> None:
    verdict = verify(Case(module_text(module), passes))
    assert (verdict.kind, verdict.pass_name, verdict.legal) == (kind, culprit, True), verdict


def test_a_wrong_result_of_generated_c_is_of_code_generation() -> None:
    # Inputs of the whole range are those of odd seeds.
    verdict = verify(Case(module_text(narrow_shifts()), target="c", input_seed=1))
    assert (verdict.kind, verdict.pass_name) == (Kind.WRONG_RESULT, "code generation"), verdict
