"""The interpreter agrees with TVM's plain builds, before and after every step of lowering."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
import tvm
from tvm import s_tir, te, tirx, topi

from harness import compat, passes
from harness.passes.build import plain_build
from harness.semantics import compile_program
from harness.semantics.expectation import expect
from harness.semantics.inputs import copy_arguments, make_inputs
from harness.targets import get_target

Tensor: TypeAlias = Any  # te.Tensor, for which there are no types


def tensor(dtype: str, *shape: int) -> Tensor:
    return te.placeholder(shape, dtype, "x")


def of(compute: Callable[..., Any], *inputs: Tensor) -> Callable[[], Any]:
    """A function that returns the module of an operator on these inputs."""

    def make() -> Any:
        result = compute(*inputs)
        outputs = [result] if isinstance(result, te.Tensor) else list(result)
        return tvm.IRModule({"main": te.create_prim_func([*inputs, *outputs])})

    return make


def positive(x: Tensor) -> Tensor:
    return topi.add(topi.abs(x), tirx.const(0.5, x.dtype))


def layer_norm(x: Tensor) -> Tensor:
    mean = topi.divide(topi.sum(x, axis=1, keepdims=True), tirx.const(5.0, x.dtype))
    centred = topi.subtract(x, mean)
    variance = topi.sum(topi.multiply(centred, centred), axis=1, keepdims=True)
    return topi.divide(centred, topi.sqrt(topi.add(variance, tirx.const(1e-5, x.dtype))))


F32, F64, F16 = tensor("float32", 7, 5), tensor("float64", 3, 5), tensor("float16", 7, 5)
BF16, I32, I64 = tensor("bfloat16", 7, 5), tensor("int32", 7, 5), tensor("int64", 3, 3)
I8, U8, BOOL = tensor("int8", 7, 5), tensor("uint8", 5, 3), tensor("bool", 7, 5)
IMAGE, FILTER = tensor("float32", 1, 2, 7, 5), tensor("float32", 3, 2, 3, 3)

OPERATORS: dict[str, Callable[[], Any]] = {
    "relu": of(topi.nn.relu, F32),
    "softmax": of(topi.nn.softmax, F32),
    "log_softmax": of(topi.nn.log_softmax, F32),
    "layer_norm": of(layer_norm, F32),
    "matmul": of(topi.matmul, F32, tensor("float32", 5, 3)),
    "matmul_f64": of(topi.matmul, F64, tensor("float64", 5, 2)),
    "dense_f16": of(topi.nn.dense, F16, tensor("float16", 3, 5)),
    "add_bf16": of(lambda x: topi.add(x, x), BF16),
    "gelu": of(lambda x: topi.multiply(x, topi.erf(x)), F32),
    "tanh": of(topi.tanh, F32),
    "tanh_f16": of(topi.tanh, F16),
    "sigmoid_bf16": of(topi.sigmoid, BF16),
    "exp_of_log": of(lambda x: topi.exp(topi.log(positive(x))), F32),
    "rsqrt": of(lambda x: topi.rsqrt(positive(x)), F32),
    "power": of(lambda x: topi.power(positive(x), x), F32),
    "floor_divide": of(lambda x: topi.floor_divide(x, tirx.const(3, "int32")), I32),
    "floor_mod": of(lambda x: topi.floor_mod(x, tirx.const(-3, "int32")), I32),
    "trunc_divide": of(lambda x: te.compute(x.shape, lambda i, j: tirx.truncdiv(x[i, j], 3)), I32),
    "shift": of(lambda x: topi.right_shift(x, tirx.const(2, "int64")), I64),
    "cast_i8_to_f32": of(lambda x: topi.cast(x, "float32"), I8),
    "cast_f32_to_i32": of(lambda x: topi.cast(x, "int32"), F32),
    "cast_u8_to_bool": of(lambda x: topi.cast(x, "bool"), U8),
    "logical_not": of(topi.logical_not, BOOL),
    "sum": of(lambda x: topi.sum(x, axis=1), F32),
    "prod": of(lambda x: topi.prod(x, axis=0), F64),
    "max": of(lambda x: topi.max(x, axis=1), I32),
    "argmax": of(lambda x: topi.argmax(x, axis=1), F32),
    "argmin": of(lambda x: topi.argmin(x, axis=0), F32),
    "cumsum": of(lambda x: topi.cumsum(x, axis=1), F32),
    "transpose": of(topi.transpose, U8),
    "concatenate": of(lambda x: topi.concatenate([x, x], axis=1), I32),
    "take": of(lambda x, i: topi.take(x, i, axis=0, mode="clip"), F32, I64),
    "pad": of(lambda x: topi.nn.pad(x, [1, 2], [0, 1]), F32),
    "conv2d": of(lambda x, w: topi.nn.conv2d_nchw(x, w, 1, 1, 1), IMAGE, FILTER),
    "max_pool2d": of(
        lambda x: topi.nn.pool2d(x, (3, 2), (2, 2), (1, 1), (1, 0, 1, 0), "max"), IMAGE
    ),
    "resize": of(lambda x: topi.image.resize2d(x, [0.0] * 4, (5, 9)), IMAGE),
}


def scheduled_softmax() -> Any:
    """Softmax with parallel, vectorized and unrolled loops, and compute_at."""
    schedule = s_tir.Schedule(OPERATORS["softmax"]())
    loops = schedule.get_loops(schedule.get_sblock("T_softmax_norm"))
    schedule.parallel(loops[0])
    for name in ("T_softmax_expsum", "T_softmax_exp", "T_softmax_maxelem"):
        schedule.compute_at(schedule.get_sblock(name), loops[0])
    outer, inner = schedule.split(loops[1], [None, 4])
    schedule.vectorize(inner)
    schedule.unroll(outer)
    return schedule.mod


def scheduled_matmul() -> Any:
    """A matmul with imperfect tiles, a cached write and a decomposed reduction."""
    schedule = s_tir.Schedule(OPERATORS["matmul"]())
    block = schedule.get_sblock("T_matmul")
    i, j, k = schedule.get_loops(block)
    i0, i1 = schedule.split(i, [None, 4])
    j0, j1 = schedule.split(j, [None, 3])
    k0, k1 = schedule.split(k, [None, 2])
    schedule.reorder(i0, j0, k0, i1, k1, j1)
    cached = schedule.cache_write(block, 0, "local")
    schedule.reverse_compute_at(cached, j0)
    schedule.parallel(i0)
    schedule.vectorize(j1)
    schedule.decompose_reduction(block, k0)
    return schedule.mod


PROGRAMS = {
    **OPERATORS, "scheduled_softmax": scheduled_softmax, "scheduled_matmul": scheduled_matmul,
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_interpreter_agrees_with_a_plain_build(name: str) -> None:
    module = PROGRAMS[name]()
    program, executable = compile_program(module), plain_build(module, get_target("llvm"))
    for seed in range(3):
        inputs = make_inputs(module["main"], seed)
        expectation = expect(program, inputs)
        outputs = copy_arguments(inputs)
        executable.run(outputs)
        mismatch = expectation.mismatch(outputs)
        assert mismatch is None, str(mismatch)
        assert expectation.unstable_fraction < 0.1


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_step_of_the_default_lowering_preserves_the_meaning(name: str) -> None:
    module = PROGRAMS[name]()
    inputs = make_inputs(module["main"], 0)
    expectation = expect(compile_program(module), inputs)
    compared = 0
    for call in passes.default_order("llvm"):
        if call.name in ("tirx.SplitHostDevice", "tirx.MakePackedAPI"):
            break
        before = module
        with tvm.transform.PassContext(opt_level=2):
            module = passes.make_pass(call)(module)
        if compat.structural_equal(before, module):
            continue
        outputs = copy_arguments(inputs)
        compile_program(module).run(outputs)
        mismatch = expectation.mismatch(outputs)
        assert mismatch is None, f"after {call}: {mismatch}"
        compared += 1
    assert compared > 3
