"""Targets: what is built runs in place on the caller's own memory, for every dtype."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tvm
from tvm import tirx

from harness import UserError, passes
from harness.case import CaseError, PassCall
from harness.oracles.guarded import GuardedArray
from harness.passes.build import lower, plain_build
from harness.semantics.inputs import make_inputs, numpy_dtype
from harness.targets import get_target
from harness.targets.c import CompilerRejected, compile_library
from harness.targets.executable import aligned_copy
from harness.targets.table import NAMES
from tests.programs import matmul, scaled_sum

ON_HOST = [name for name in NAMES if get_target(name).has_runtime and get_target(name).runs]
AVAILABLE = [name for name in ON_HOST if get_target(name).available() is None]
DTYPES = ["float32", "float64", "float16", "bfloat16", "int8", "uint8", "int16", "int32", "int64"]


def _copy(dtype: str) -> Any:
    """target[i] = source[i], for seven elements."""
    i = tirx.Var("i", "int32")
    source = tirx.decl_buffer((7,), dtype, "source")
    target = tirx.decl_buffer((7,), dtype, "target")
    store = tirx.BufferStore(target, tirx.BufferLoad(source, [i]), [i])
    loop = tirx.For(i, 0, 7, tirx.ForKind.SERIAL, store)
    function = tirx.PrimFunc([source, target], loop).with_attr("global_symbol", "main")
    return tvm.IRModule({"main": function})


def test_an_unknown_target_is_one_line_with_the_known_ones() -> None:
    known = r"^unknown target 'vulkan'; the targets are llvm, .*, c, wasm, .*, webgpu, .*, rocm$"
    with pytest.raises(UserError, match=known):
        get_target("vulkan")


def test_llvm_is_always_there() -> None:
    assert get_target("llvm").available() is None


@pytest.mark.parametrize("name", AVAILABLE)
def test_a_plain_build_computes_in_the_caller_s_memory(name: str) -> None:
    executable = plain_build(matmul(), get_target(name))
    guards = [GuardedArray(np.asarray(value)) for value in make_inputs(matmul()["main"], 3)]
    a, b, c = (guard.array for guard in guards)
    executable.run([a, b, c])
    np.testing.assert_allclose(c, a @ b, rtol=1e-5, atol=1e-5)
    assert all(guard.damage() is None for guard in guards)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["llvm", "c"])
def test_every_dtype_is_computed_in_place(name: str, dtype: str) -> None:
    if name not in AVAILABLE:
        pytest.skip(str(get_target(name).available()))
    values = np.array([[0, 1, 2, 3, 4], [5, 6, 7, 8, 9], [1, 1, 2, 3, 5]], numpy_dtype(dtype))
    source, target = GuardedArray(values), GuardedArray(np.zeros_like(values))
    plain_build(scaled_sum(dtype), get_target(name)).run([source.array, target.array])
    np.testing.assert_array_equal(
        target.array.astype(np.float64), values.astype(np.float64) * 2 + 1
    )
    assert source.damage() is None and target.damage() is None


@pytest.mark.parametrize("dtype", ["bool", "float8_e4m3fn", "float8_e5m2", "bfloat16", "uint64"])
def test_every_dtype_is_copied_bit_for_bit(dtype: str) -> None:
    source = np.asarray(make_inputs(_copy(dtype)["main"], 1)[0])
    target = aligned_copy(np.zeros_like(source))
    plain_build(_copy(dtype), get_target("llvm")).run([aligned_copy(source), target])
    assert target.tobytes() == source.tobytes()


def test_an_array_that_is_not_aligned_is_still_changed_in_place() -> None:
    memory = np.zeros(128, np.uint8)
    start = -memory.ctypes.data % 64 + 4
    target = memory[start : start + 28].view(np.float32)
    source = np.arange(7, dtype=np.float32)
    plain_build(_copy("float32"), get_target("llvm")).run([source, target])
    np.testing.assert_array_equal(target, source)


def test_an_array_with_gaps_is_refused() -> None:
    executable = plain_build(_copy("float32"), get_target("llvm"))
    gaps = np.zeros(14, np.float32)[::2]
    with pytest.raises(ValueError, match="argument 1 is not contiguous"):
        executable.run([np.zeros(7, np.float32), gaps])


def test_scalars_are_passed_by_value() -> None:
    n, x, flag = tirx.Var("n", "int32"), tirx.Var("x", "float32"), tirx.Var("flag", "bool")
    target = tirx.decl_buffer((1,), "float32", "target")
    value = tirx.Select(flag, x + tirx.Cast("float32", n), x)
    function = tirx.PrimFunc([target, n, x, flag], tirx.BufferStore(target, value, [0]))
    module = tvm.IRModule({"main": function.with_attr("global_symbol", "main")})
    out = np.zeros(1, np.float32)
    executable = plain_build(module, get_target("llvm"))
    executable.run([out, np.int32(3), np.float32(0.5), np.bool_(True)])
    assert out[0] == 3.5
    executable.run([out, 3, 0.5, False])
    assert out[0] == 0.5


def test_lowering_reports_every_pass_and_the_module_after_it() -> None:
    calls = passes.default_order("llvm")
    before: list[tuple[int, str]] = []
    after: list[tuple[int, str]] = []

    def record_after(index: int, call: PassCall, module: Any) -> None:
        assert isinstance(module, tvm.IRModule)
        after.append((index, call.name))

    lowered = lower(
        scaled_sum(),
        calls,
        before_pass=lambda index, call: before.append((index, call.name)),
        after_pass=record_after,
    )
    assert before == after == [(index, call.name) for index, call in enumerate(calls)]
    get_target("llvm").build(lowered)


def test_lowering_refuses_an_unknown_pass_before_it_runs_any() -> None:
    ran: list[str] = []
    with pytest.raises(CaseError, match="unknown pass"):
        lower(
            scaled_sum(),
            [PassCall("s_tir.CanonicalizeLoop"), PassCall("tirx.Nonsense")],
            before_pass=lambda index, call: ran.append(call.name),
        )
    assert ran == []


@pytest.mark.skipif("c" not in AVAILABLE, reason="no C compiler")
def test_source_that_the_compiler_rejects_raises_its_diagnostic(tmp_path: Any) -> None:
    with pytest.raises(CompilerRejected, match="line 1:.*error"):
        compile_library("int f( { }", tmp_path)


def test_a_missing_c_compiler_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("CC", raising=False)
    assert "install gcc or clang" in str(get_target("c").available())
