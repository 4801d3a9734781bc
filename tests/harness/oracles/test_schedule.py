"""What schedule primitives do to a program is judged: each must keep its meaning, or refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tvm
from tvm import te
from tvm.script import from_source

from harness import compat
from harness.case import Case, PassCall, PrimitiveCall, module_text
from harness.ir.loop_kinds import SERIAL
from harness.oracles.known_issues import known_issue
from harness.oracles.schedule import serial, without_threads
from harness.oracles.verify import verify
from harness.schedules import DoesNotApply, Replay
from harness.schedules.blocks import block_labels
from harness.schedules.index_map import index_map
from harness.semantics import compile_program
from harness.semantics.inputs import make_inputs
from harness.semantics.reference import reference_of
from harness.verdict import Kind, Verdict
from harness.worker.post_mortem import verdict_of
from harness.worker.sandbox import Settings, Worker
from seeds import reductions, scheduled
from seeds.recipe import from_tensors
from tests import programs

Call = PrimitiveCall

TWO_STATEMENTS = """
@I.ir_module
class Module:
    @T.prim_func(s_tir=True)
    def main(A: T.Buffer((5, 24), "float32"), B: T.Buffer((5,), "float32")):
        for i in range(5):
            with T.sblock("init"):
                v = T.axis.spatial(5, i)
                B[v] = T.float32(0)
            with T.sblock("next"):
                v = T.axis.spatial(5, i)
                B[v] = A[v, 0]
"""

CONCURRENT = """
@I.ir_module
class Module:
    @T.prim_func(s_tir=True)
    def main(A: T.Buffer((9,), "float32"), B: T.Buffer((9,), "float32")):
        for i in range(8):
            {store}
"""


def matmul(m: int, k: int, n: int) -> Any:
    """C[m, n] = a[m, k] b[k, n], float32."""
    a, b = te.placeholder((m, k), "float32", "a"), te.placeholder((k, n), "float32", "b")
    axis = te.reduce_axis((0, k), "k")
    c = te.compute((m, n), lambda i, j: te.sum(a[i, axis] * b[axis, j], axis=axis), "C")
    return tvm.IRModule({"main": te.create_prim_func([a, b, c])})


def judged(module: Any, *trace: PrimitiveCall, passes: tuple[PassCall, ...] = ()) -> Verdict:
    return verify(Case(module_text(module), passes, trace=trace))


IMPERFECT = (
    Call("split", (("C", 0), (None, 3), True)),
    Call("split", (("C", 2), (None, 4), True)),
    Call("split", (("C", 4), (2, None), True)),
)


def test_a_primitive_that_loses_a_predicate_is_the_culprit() -> None:
    found = judged(matmul(7, 5, 6), *IMPERFECT, Call("rfactor", (("C", 4), 0)))
    assert (found.kind, found.pass_name) == (Kind.WRONG_RESULT, "rfactor")
    assert "block-domain" in found.message
    assert found.detail["primitive"] == "rfactor(['C', 4], 0)"
    assert str(found.stage) == "schedule:pass:3:rfactor"


def test_a_death_of_a_primitive_is_a_finding_and_names_it() -> None:
    trace = (Call("loop_partition", (("next", 0), (None, 2), True)),)
    case = Case(module_text(from_source(TWO_STATEMENTS)), trace=trace)
    with Worker(Settings()) as worker:
        found = verdict_of(worker.run({"case": case.to_json()}))
    assert (found.kind, found.legal, found.pass_name) == (Kind.CRASH, True, "loop_partition")
    assert str(found.stage) == "schedule:pass:0:loop_partition"


def test_an_internal_error_of_a_primitive_is_a_finding() -> None:
    found = judged(programs.matmul(), Call("cache_index", ("c", "local", 0)))
    assert (found.kind, found.pass_name) == (Kind.INTERNAL_ERROR, "cache_index")
    assert "An empty SeqStmt is prohibited" in found.message


def test_strides_of_another_rank_are_ill_formed() -> None:
    """cache_index allocates its buffers of any rank with the strides of one dimension."""
    found = judged(programs.tall(), Call("cache_index", ("out", "global", 0)))
    assert (found.kind, found.pass_name) == (Kind.ILL_FORMED_IR, "cache_index")
    assert "1 strides for 2 dimensions" in found.message


def test_a_partitioned_reduction_starts_again_and_is_a_wrong_result() -> None:
    """loop_partition leaves the block's init in both parts: the second drops the first's sum."""
    found = judged(matmul(3, 6, 3), Call("loop_partition", (("C", 2), (4, None), True)))
    assert (found.kind, found.pass_name) == (Kind.WRONG_RESULT, "loop_partition")


def test_padding_that_is_copied_but_never_used_is_no_finding() -> None:
    """The copy of a buffer of 8 rows, of which the program fills and uses 7."""
    cached = (
        Call("reindex_cache_read", ("target", 0, "local", "i, j -> i // 2, i % 2, j")),
        Call("cache_read", ("target", 0, "local", ())),
    )
    found = judged(programs.scaled_sum(shape=(7, 3)), *cached)
    assert found.kind is Kind.INVALID
    assert "without effect" in found.message


def test_a_race_is_a_finding_where_the_order_shows() -> None:
    """Tiles that overlap compute the same there; a scan in another order is another one."""
    overlapping = from_source(CONCURRENT.format(store="B[i // 2] = A[i // 2]"))
    scan = from_source(CONCURRENT.format(store="B[i + 1] = B[i] + A[i]"))
    for module, same in ((overlapping, True), (scan, False)):
        expected, forwards, backwards = (make_inputs(module["main"], 0) for _ in range(3))
        compile_program(module).run(expected)
        compile_program(serial(module, frozenset({SERIAL}))).run(forwards)
        compile_program(serial(module, frozenset({SERIAL}), backwards=True)).run(backwards)
        assert np.array_equal(np.asarray(expected[1]), np.asarray(forwards[1]))
        assert np.array_equal(np.asarray(expected[1]), np.asarray(backwards[1])) is same


def test_a_refusal_drops_the_primitive_and_is_no_finding() -> None:
    refused = (
        Call("compute_inline", ("C",)),  # a reduction
        Call("split", (("C", 99), (None, 2), True)),
        Call("split", (("nothing", 0), (None, 2), True)),
        Call("split", (("C", 0),)),
        Call("split", ("C", "x", "y")),
        Call("transform_block_layout", ("C", "i -> __import__('os')")),
        Call("no_such_primitive"),
        Call("parallel", (("C", 0),), "other"),
    )
    assert judged(matmul(7, 5, 6), *refused, *IMPERFECT).kind is Kind.OK


def test_what_is_reassociated_stays_within_the_tolerances() -> None:
    splits = (Call("split", (("C", 2), (4, None), True)), Call("rfactor", (("C", 2), 0)))
    assert judged(matmul(6, 64, 8), *splits).kind is Kind.OK


def test_passes_go_on_from_what_the_trace_has_left() -> None:
    canonical = PassCall("s_tir.CanonicalizeLoop")
    assert judged(matmul(7, 5, 6), *IMPERFECT, passes=(canonical,)).kind is Kind.OK


def test_loops_bound_to_threads_go_on_as_serial_ones() -> None:
    bound = (Call("bind", (("C", 1), "threadIdx.x")), Call("bind", (("C", 0), "blockIdx.x")))
    module = matmul(3, 4, 5)
    assert judged(module, *bound).kind is Kind.OK
    assert without_threads(module).same_as(module)


def test_a_trace_that_changes_the_parameters_makes_the_case_invalid() -> None:
    transposed = Call("transform_layout", ("target", ("write", 0), "i, j -> j, i", None))
    found = judged(programs.scaled_sum(), transposed)
    assert found.kind is Kind.INVALID
    assert "parameters" in found.message


def test_blocks_of_one_name_are_told_apart_by_their_number() -> None:
    module = from_source(TWO_STATEMENTS.replace('"init"', '"next"'))
    replay = Replay(module)
    assert block_labels(replay.schedule("main")) == ["next#1", "next#2"]
    replay.apply(Call("cache_read", ("next#2", 0, "local", ())))
    assert block_labels(replay.schedule("main")) == ["A_local", "next#1", "next#2"]
    with pytest.raises(DoesNotApply):
        replay.apply(Call("add_unit_loop", ("next",)))


def test_a_rule_of_dlight_is_judged_like_a_primitive() -> None:
    """Its schedule is for a GPU: what it means is judged, and it is not compiled for a CPU."""
    module = matmul(3, 4, 5)
    before = module_text(module)
    found = judged(module, Call("dlight", ("Fallback", "webgpu")))
    assert found.kind in (Kind.OK, Kind.INVALID), found
    assert module_text(module) == before  # dlight itself changes the module that it gets
    replay = Replay(module)
    replay.apply(Call("dlight", ("Fallback", "webgpu")))
    assert not replay.module.same_as(module)
    for refused in (("Fallback", "hexagon"), ("__class__", "webgpu"), ("Transpose", "webgpu")):
        with pytest.raises(DoesNotApply):
            replay.apply(Call("dlight", refused))


def test_a_rule_of_dlight_for_processors_runs_natively() -> None:
    module = from_tensors(softmax_like())
    replay = Replay(module)
    replay.apply(Call("dlight", ("cpu.Reduction", "llvm")))
    assert not replay.module.same_as(module)
    assert judged(module, Call("dlight", ("cpu.Reduction", "llvm"))).kind is Kind.OK


@pytest.mark.parametrize("target", ["llvm", "cuda"])
def test_a_space_of_meta_schedule_is_judged_like_a_primitive(target: str) -> None:
    """It is the same for the same seed, and none of TVM's intrinsics is parsed for it."""
    module = matmul(16, 16, 16)
    tuned = Call("meta_schedule", (target, 1, 0))
    replays = [Replay(module), Replay(module)]
    for replay in replays:
        replay.apply(tuned)
    assert compat.structural_equal(replays[0].module, replays[1].module)
    assert not compat.structural_equal(replays[0].module, module)
    assert judged(module, tuned).kind in (Kind.OK, Kind.INVALID)
    for refused in (("hexagon", 1, 0), ("llvm", -1, 0), ("llvm", 1, "0")):
        with pytest.raises(DoesNotApply):
            replays[0].apply(Call("meta_schedule", refused))


TILED = (
    Call("split", (("C", 0), (None, 4), True)),
    Call("split", (("C", 2), (None, 4), True)),
    Call("split", (("C", 4), (None, 4), True)),
    Call("reorder", ((("C", 0), ("C", 2), ("C", 4), ("C", 1), ("C", 3), ("C", 5)),)),
    Call("decompose_reduction", ("C", ("C", 2))),
)


def test_a_tile_is_replaced_by_an_intrinsic_of_the_same_meaning() -> None:
    fill = Call("tensorize", (("C_init", 2), "fill2_4x4_float32_float32"))
    mma = Call("tensorize", (("C_update", 3), "mma_4x4x4_float32_float32"))
    replay = Replay(matmul(8, 8, 8))
    for call in (*TILED, fill, mma):
        replay.apply(call)
    assert "match_buffer" in replay.module.script()
    assert judged(matmul(8, 8, 8), *TILED, fill, mma).kind is Kind.OK


@pytest.mark.parametrize(
    "name",
    [
        "mma_4x4x5_float32_float32",  # of other extents
        "mma_t_4x4x4_float32_float32",  # of other indices
        "mma_4x4x4_float16_float32",  # of other dtypes
        "mma_4x4_float32_float32",
        "mma_4x4x4_float32_float32\n",
        "mma_9999x9999x9999_float32_float32",
        "no_such",
        7,
    ],
)
def test_an_intrinsic_that_does_not_fit_is_a_refusal(name: Any) -> None:
    replay = Replay(matmul(8, 8, 8))
    for call in TILED:
        replay.apply(call)
    with pytest.raises(DoesNotApply):
        replay.apply(Call("tensorize", (("C_update", 3), name)))


def test_a_specialized_extent_is_that_of_the_inputs() -> None:
    """The case is judged on inputs of that extent, whatever its seed would have drawn."""
    module = reductions.symbolic(reductions.symbolic_matmul)
    special = Call("specialize", (("n", 7),))
    case = Case(module_text(module), trace=(special, *IMPERFECT))
    assert [array.shape for array in reference_of(case).inputs] == [(7, 5), (5, 6), (7, 6)]
    assert verify(case).kind is Kind.OK
    twice = Case(module_text(module), trace=(special, Call("specialize", (("n", 5),))))
    assert (twice.extents, verify(twice).kind) == ((("n", 7),), Kind.OK)
    found = judged(module, special, *IMPERFECT, Call("rfactor", (("C", 4), 0)))
    assert (found.kind, found.pass_name) == (Kind.WRONG_RESULT, "rfactor")
    for refused in (("m", 7), ("n", "7"), ("n",), "n", ("n", 0), ("n", 65)):
        with pytest.raises(DoesNotApply):
            Replay(module).apply(Call("specialize", (refused,)))


SHIFTED = """
@I.ir_module
class Module:
    @T.prim_func(s_tir=True)
    def main(A: T.Buffer((7,), "float32"), B: T.Buffer((7,), "float32")):
        for i in range(7):
            with T.sblock("B"):
                v = T.axis.spatial(7, i)
                B[v] = A[(v % 2 + 1) // 2]
"""


def test_what_the_analyzer_changes_in_a_primitive_is_known_as_its_fault() -> None:
    """transform_block_layout simplifies indices, and drops the wrap as FlattenBuffer does."""
    found = judged(
        from_source(SHIFTED), Call("transform_block_layout", ("B", "i -> i % 7, i // 7"))
    )
    assert found.signature == "wrong-result|transform_block_layout|float32|shifted-modulus"
    issue = known_issue(found.kind, found.signature)
    assert issue is not None and issue.name == "shifted-modulus"


def test_arguments_of_another_form_are_judged_without_a_condition() -> None:
    """What TVM makes of them is its own; they are no error of ours."""
    for pair in (("write",), ("write", 0, 0), "write", 0):
        verdict = judged(matmul(4, 4, 4), Call("reindex", ("C", pair)))
        assert verdict.kind in (Kind.OK, Kind.INTERNAL_ERROR), verdict


def softmax_like() -> list[Any]:
    """Rows divided by their sums: 4 of 16."""
    a = te.placeholder((4, 16), "float32", "A")
    k = te.reduce_axis((0, 16), "k")
    sums = te.compute((4,), lambda i: te.sum(a[i, k], axis=k), "sums")
    return [a, te.compute((4, 16), lambda i, j: a[i, j] * sums[i], "scaled")]


@pytest.mark.parametrize("text", ["i -> 1 // 0", "i -> i // 0", "i -> i % j", "i -> 9 * 9"])
def test_a_map_that_has_no_value_everywhere_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an index"):
        index_map(text)


@pytest.mark.parametrize("seed", [-1, 0, True, 1 << 31, "1"])
def test_a_seed_that_is_none_drops_the_primitive(seed: Any) -> None:
    trace = (PrimitiveCall("split_perfectly", (("c", 0), 2, 8, seed)),)
    case = Case(module_text(programs.matmul()), trace=trace)
    replay = Replay(case.load())
    with pytest.raises(DoesNotApply, match="seed"):
        replay.apply(trace[0])


def test_a_pipeline_of_a_vectorized_loop_is_no_program() -> None:
    """Its stages are of iterations one after another, which a vectorized loop has not."""
    staged = (
        Call("compute_at", ("B", ("C", 0), True, -1)),
        Call("annotate", (("C", 0), "software_pipeline_stage", (0, 1))),
        Call("annotate", (("C", 0), "software_pipeline_order", (0, 1))),
    )
    assert judged(scheduled.elementwise(), *staged).kind is Kind.OK
    found = judged(scheduled.elementwise(), *staged, Call("vectorize", (("C", 0),)))
    assert found.kind is Kind.INVALID and "software pipeline" in found.message
