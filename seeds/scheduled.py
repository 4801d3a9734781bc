"""Family "scheduled": operators after schedule primitives, as an auto-scheduler applies them.

Imperfect splits with predicates, fused, reordered, vectorised, unrolled and parallel loops, blocks
moved by compute_at, cached reads and writes, rfactored reductions. Every schedule is fixed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from tvm import IRModule, s_tir, te, tirx, topi
from tvm.topi import nn

from seeds.recipe import Recipe, from_tensors, placeholder

FAMILY = "scheduled"


def recipes() -> list[Recipe]:
    """One recipe for each schedule."""
    return [
        Recipe(f"{FAMILY}/{name}", FAMILY, partial(build, program, steps))
        for name, program, steps in SCHEDULES
    ]


def build(program: Callable[[], IRModule], steps: Callable[[Any], None]) -> IRModule:
    """The program after the steps of a schedule."""
    schedule = s_tir.Schedule(program(), seed=1)
    steps(schedule)
    return schedule.mod


def matmul() -> IRModule:
    """C[7, 6] = A[7, 5] B[5, 6]."""
    a, b = placeholder("7x5-f32", "A"), placeholder("5x6-f32", "B")
    k = te.reduce_axis((0, 5), "k")
    c = te.compute((7, 6), lambda i, j: te.sum(a[i, k] * b[k, j], axis=k), name="C")
    return from_tensors([a, b, c])


def matmul_relu() -> IRModule:
    """max(A[16, 12] B[12, 16], 0)."""
    a, b = placeholder("16x12-f32", "A"), placeholder("12x16-f32", "B")
    k = te.reduce_axis((0, 12), "k")
    c = te.compute((16, 16), lambda i, j: te.sum(a[i, k] * b[k, j], axis=k), name="C")
    d = te.compute((16, 16), lambda i, j: relu(c[i, j]), name="D")
    return from_tensors([a, b, d])


def relu(value: Any) -> Any:
    """The larger of the value and zero."""
    return tirx.max(value, tirx.const(0.0, "float32"))


def elementwise() -> IRModule:
    """B = 2 A, C = B + 1 on 9×13."""
    a = placeholder("9x13-f32", "A")
    b = te.compute(a.shape, lambda i, j: a[i, j] * 2.0, name="B")
    c = te.compute(a.shape, lambda i, j: b[i, j] + 1.0, name="C")
    return from_tensors([a, c])


def blur() -> IRModule:
    """Two three-point stencils in sequence, in one dimension."""
    a = placeholder("20-f32", "A")
    b = te.compute((18,), lambda i: a[i] + a[i + 1] + a[i + 2], name="B")
    c = te.compute((16,), lambda i: b[i] + b[i + 1] * b[i + 2], name="C")
    return from_tensors([a, c])


def row_sum() -> IRModule:
    """B[5] = sum of A[5, 24]."""
    a = placeholder("5x24-f32", "A")
    k = te.reduce_axis((0, 24), "k")
    return from_tensors([a, te.compute((5,), lambda i: te.sum(a[i, k], axis=k), name="B")])


def convolution() -> IRModule:
    """conv2d_nchw with padding."""
    x, w = placeholder("1x3x6x6-f32", "X"), placeholder("4x3x3x3-f32", "W")
    return from_tensors([x, w, nn.conv2d_nchw(x, w, 1, 1, 1)])


def softmax() -> IRModule:
    """Softmax of 4×9."""
    x = placeholder("4x9-f32", "X")
    return from_tensors([x, nn.softmax(x)])


def transposed() -> IRModule:
    """int8 transpose of 6×10 plus one."""
    x = placeholder("6x10-i8", "X")
    y = topi.transpose(x)
    return from_tensors([x, te.compute(y.shape, lambda i, j: y[i, j] + y[i, j], name="Y")])


def split_imperfect(s: Any) -> None:
    i, j, k = s.get_loops("C")
    s.split(i, [None, 3])
    s.split(j, [None, 4])
    s.split(k, [2, None])


def tile(s: Any) -> None:
    i, j, k = s.get_loops("C")
    io, ii = s.split(i, [None, 4])
    jo, ji = s.split(j, [None, 4])
    ko, ki = s.split(k, [None, 3])
    s.reorder(io, jo, ko, ii, ki, ji)


def tile_vectorize_unroll(s: Any) -> None:
    tile(s)
    io, _, ko, ii, _, ji = s.get_loops("C")
    s.parallel(io)
    s.vectorize(ji)
    s.unroll(ii)
    s.decompose_reduction("C", ko)


def tile_with_epilogue(s: Any) -> None:
    i, j, k = s.get_loops("C")
    io, ii = s.split(i, [None, 4])
    jo, ji = s.split(j, [None, 8])
    s.reorder(io, jo, k, ii, ji)
    s.reverse_compute_at("D", jo)
    s.vectorize(ji)


def fuse_all(s: Any) -> None:
    s.compute_inline("B")
    fused = s.fuse(*s.get_loops("C"))
    s.split(fused, [None, 8])


def fuse_parallel_vector(s: Any) -> None:
    for block in ("B", "C"):
        outer, inner = s.split(s.fuse(*s.get_loops(block)), [None, 9])
        s.parallel(outer)


def compute_at(s: Any) -> None:
    outer, _ = s.split(s.get_loops("C")[0], [None, 4])
    s.compute_at("B", outer)


def compute_at_imperfect(s: Any) -> None:
    outer, _ = s.split(s.get_loops("C")[0], [None, 5])
    s.compute_at("B", outer)


def reverse_compute_at(s: Any) -> None:
    i, j = s.get_loops("B")
    jo, _ = s.split(j, [None, 4])
    s.reverse_compute_at("C", jo)


def reverse_inline(s: Any) -> None:
    s.reverse_compute_inline("C")
    s.reorder(*reversed(s.get_loops("B")))


def rfactor_outer(s: Any) -> None:
    _, k = s.get_loops("B")
    ko, _ = s.split(k, [4, 6])
    s.rfactor(ko, 0)


def rfactor_inner(s: Any) -> None:
    _, k = s.get_loops("B")
    _, ki = s.split(k, [None, 5])
    s.rfactor(ki, 1)


def decompose(s: Any) -> None:
    i, k = s.get_loops("B")
    s.parallel(i)
    s.decompose_reduction("B", k)


def decompose_outer(s: Any) -> None:
    i, _, _ = s.get_loops("C")
    s.decompose_reduction("C", i)


def cache_read_write(s: Any) -> None:
    s.cache_read("C", 0, "local")
    write = s.cache_write("C", 0, "global")
    tile(s)
    s.reverse_compute_at(write, s.get_loops("C")[1])


def cache_read_at(s: Any) -> None:
    read = s.cache_read("C", 1, "shared")
    i, j, k = s.get_loops("C")
    ko, ki = s.split(k, [None, 2])
    s.reorder(ko, i, j, ki)
    s.compute_at(read, ko)


def storage_and_align(s: Any) -> None:
    s.set_scope("B", 0, "shared")
    s.storage_align("B", 0, 0, 16, 3)


def double_tile(s: Any) -> None:
    i, j, k = s.get_loops("C")
    i0, i1, i2 = s.split(i, [2, 2, 4])
    j0, j1, j2 = s.split(j, [2, 2, 4])
    k0, k1 = s.split(k, [3, 4])
    s.reorder(i0, j0, i1, j1, k0, i2, k1, j2)
    s.reverse_compute_at("D", j0)
    s.unroll(k1)


def inline_padding(s: Any) -> None:
    s.compute_inline("pad_temp")
    loops = s.get_loops("conv2d_nchw")
    s.split(loops[3], [None, 4])


def tile_convolution(s: Any) -> None:
    n, c, h, w, rc, rh, rw = s.get_loops("conv2d_nchw")
    ho, hi = s.split(h, [None, 4])
    wo, wi = s.split(w, [None, 4])
    s.reorder(n, ho, wo, c, rc, rh, rw, hi, wi)
    s.compute_at("pad_temp", wo)
    s.vectorize(wi)


def unroll_window(s: Any) -> None:
    *_, rh, rw = s.get_loops("conv2d_nchw")
    s.unroll(rh)
    s.unroll(rw)
    s.annotate(rh, "pragma_unroll_explicit", 1)


def softmax_by_rows(s: Any) -> None:
    row = s.get_loops("T_softmax_norm")[0]
    for name in ("T_softmax_expsum", "T_softmax_exp", "T_softmax_maxelem"):
        s.compute_at(name, row)
    s.parallel(row)


def transform_layout(s: Any) -> None:
    s.transform_layout("B", ("write", 0), lambda i, j: (j, i))


def blockize(s: Any) -> None:
    i, j, k = s.get_loops("C")
    i0, i1 = s.split(i, [None, 4])
    j0, j1 = s.split(j, [None, 4])
    s.reorder(i0, j0, i1, j1, k)
    s.blockize(i1)


def tail_vector(s: Any) -> None:
    _, j = s.get_loops("T_transpose")
    _, ji = s.split(j, [None, 4])
    s.vectorize(ji)


def annotate(s: Any) -> None:
    i, _, _ = s.get_loops("C")
    s.annotate(i, "pragma_auto_unroll_max_step", 64)
    s.annotate(i, "pragma_unroll_explicit", 0)
    s.annotate(s.get_sblock("C"), "meta_schedule.tiling_structure", "SSR")


def loop_partition(s: Any) -> None:
    i, j = s.get_loops("C")
    outer, _ = s.split(j, [None, 5])
    s.annotate(outer, "pragma_loop_partition_hint", 1)
    s.compute_inline("B")


def unit_loops(s: Any) -> None:
    s.add_unit_loop(s.get_loops("C")[0])
    s.add_unit_loop(s.get_sblock("B"))


def pad_einsum(s: Any) -> None:
    s.pad_einsum("C", [4, 4, 4])


def software_pipeline(s: Any) -> None:
    i, _ = s.get_loops("C")
    s.compute_at("B", i)
    s.annotate(i, "software_pipeline_stage", [0, 1])
    s.annotate(i, "software_pipeline_order", [0, 1])


def merge_partition(s: Any) -> None:
    i, j = s.get_loops("C")
    s.loop_partition(i, [2, None, 3])


SCHEDULES: list[tuple[str, Callable[[], IRModule], Callable[[Any], None]]] = [
    ("matmul-split-imperfect", matmul, split_imperfect),
    ("matmul-tile", matmul, tile),
    ("matmul-tile-vectorize-unroll", matmul_relu, tile_vectorize_unroll),
    ("matmul-tile-imperfect-parallel", matmul, tile_vectorize_unroll),
    ("matmul-relu-epilogue", matmul_relu, tile_with_epilogue),
    ("matmul-double-tile", matmul_relu, double_tile),
    ("matmul-decompose-outer", matmul, decompose_outer),
    ("matmul-cache-read-write", matmul, cache_read_write),
    ("matmul-cache-read-at", matmul, cache_read_at),
    ("matmul-blockize", matmul_relu, blockize),
    ("matmul-annotate", matmul, annotate),
    ("matmul-pad-einsum", matmul, pad_einsum),
    ("elementwise-software-pipeline", elementwise, software_pipeline),
    ("elementwise-fuse-all", elementwise, fuse_all),
    ("elementwise-fuse-parallel", elementwise, fuse_parallel_vector),
    ("elementwise-reverse-compute-at", elementwise, reverse_compute_at),
    ("elementwise-reverse-inline", elementwise, reverse_inline),
    ("elementwise-storage-align", elementwise, storage_and_align),
    ("elementwise-transform-layout", elementwise, transform_layout),
    ("elementwise-loop-partition-hint", elementwise, loop_partition),
    ("elementwise-unit-loops", elementwise, unit_loops),
    ("elementwise-loop-partition", elementwise, merge_partition),
    ("blur-compute-at", blur, compute_at),
    ("blur-compute-at-imperfect", blur, compute_at_imperfect),
    ("row-sum-rfactor-outer", row_sum, rfactor_outer),
    ("row-sum-rfactor-inner", row_sum, rfactor_inner),
    ("row-sum-decompose", row_sum, decompose),
    ("convolution-inline-padding", convolution, inline_padding),
    ("convolution-tile", convolution, tile_convolution),
    ("convolution-unroll-window", convolution, unroll_window),
    ("softmax-by-rows", softmax, softmax_by_rows),
    ("transpose-tail-vector", transposed, tail_vector),
]
