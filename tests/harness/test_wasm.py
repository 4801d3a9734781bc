"""The wasm target: objects linked without a toolchain, run in a Node that survives bad kernels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import tvm
from hypothesis import given
from hypothesis import strategies as st

from harness.devices.base import KernelFailed, KernelRefused, Launch
from harness.devices.node import NodeDevice
from harness.targets import wasm
from harness.targets.wasm import WasmOptions, build_object, lower
from harness.wasm import binary
from harness.wasm.linker import LinkError, link

ROWS = """
@I.ir_module
class Module:
    @T.prim_func(s_tir=True)
    def main(A: T.Buffer((13, 8), "float32"), B: T.Buffer((13, 8), "float32")):
        for i in T.parallel(13):
            for j in T.vectorized(8):
                B[i, j] = A[i, j] * T.float32(2) + T.float32(1)
"""

# A table that is indexed by what is in memory, so that LLVM keeps it in memory as well: it needs a
# stack, and code that finds it.
STACK = """
@I.ir_module
class Module:
    @T.prim_func(s_tir=True)
    def main(A: T.Buffer((16,), "int32"), B: T.Buffer((16,), "int32")):
        table = T.alloc_buffer((16,), "int32", scope="local")
        for i in range(16):
            table[i] = i * i
        for i in range(16):
            table[A[i] % 16] = table[A[i] % 16] + 1
        for i in range(16):
            B[i] = table[A[i] % 16]
"""

# 80 KB for each row, more than a thread's stack.
LARGE = """
@I.ir_module
class Module:
    @T.prim_func(s_tir=True)
    def main(A: T.Buffer((5, 16), "int32"), B: T.Buffer((5, 16), "int32")):
        for row in T.parallel(5):
            table = T.alloc_buffer((20000,), "int32", scope="local")
            for i in range(20000):
                table[i] = i * i + row
            for j in range(16):
                B[row, j] = table[A[row, j]]
"""

FOREVER = """
@I.ir_module
class Module:
    @T.prim_func(s_tir=True)
    def main(A: T.Buffer((16,), "int32")):
        while A[0] < 1:
            A[1] = A[1] + 1
"""


def function(source: str) -> object:
    return tvm.script.from_source(source)["main"]


@pytest.fixture(scope="module")
def node() -> Iterator[NodeDevice]:
    with NodeDevice() as device:
        yield device


def build(source: str, options: WasmOptions) -> tuple[bytes, int]:
    lowered, rows, _ = lower(function(source))
    return build_object({"kernel": lowered}, options), rows


@pytest.mark.parametrize("relaxed", [False, True])
@pytest.mark.parametrize("opt_level", [0, 1, 3])
def test_a_kernel_runs_and_its_rows_can_be_split(
    node: NodeDevice, relaxed: bool, opt_level: int
) -> None:
    content, rows = build(ROWS, WasmOptions(relaxed, opt_level))
    assert rows == 13
    handle = node.load(link([content]).content)
    values = np.arange(104, dtype=np.float32).reshape(13, 8)
    empty = np.zeros_like(values)
    (first,) = node.run(Launch(handle, "kernel", (values, empty), (1,), (0, 5)))
    assert (first[:5] == values[:5] * 2 + 1).all() and not first[5:].any()
    (rest,) = node.run(Launch(handle, "kernel", (values, first), (1,), (5, 13)))
    assert (rest == values * 2 + 1).all()


def test_what_the_stack_has_no_room_for_lies_in_scratch_memory(node: NodeDevice) -> None:
    lowered, rows, scratch = lower(function(LARGE))
    assert (rows, scratch) == (5, (80_000,))
    handle = node.load(link([build_object({"kernel": lowered}, WasmOptions())]).content)
    places = np.random.default_rng(1).integers(0, 20000, (5, 16), np.int32)
    arrays = (places, np.zeros_like(places), np.full(80_000, 0xFF, np.uint8))
    (out,) = node.run(Launch(handle, "kernel", arrays, (1,), (0, 3)))
    assert (out[:3] == places[:3] ** 2 + np.arange(3)[:, None]).all() and not out[3:].any()


def test_a_kernel_whose_stack_would_overflow_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wasm, "MOST_ON_STACK", 1 << 30)
    content, _ = build(LARGE, WasmOptions())
    with pytest.raises(LinkError, match="bytes of stack; there are 65536"):
        link([content])


def test_functions_of_many_objects_become_one_module_that_imports_memory_alone(
    node: NodeDevice,
) -> None:
    parts = [
        build_object({f"k{number}": lower(function(source))[0]}, WasmOptions())
        for number, source in enumerate((ROWS, STACK, STACK))
    ]
    linked = link(parts)
    assert linked.stack_pointer is not None and linked.static_end > 65536
    imports = [reader for number, _, reader in binary.sections(linked.content) if number == 2]
    assert imports[0].unsigned() == 1
    handle = node.load(linked.content)
    given_ = np.arange(16, dtype=np.int32) % 5
    for entry in ("k1", "k2"):
        launch = Launch(handle, entry, (given_, np.zeros_like(given_)), (1,), (0, 1))
        expected = [value * value + list(given_).count(value) for value in given_]
        assert node.run(launch)[0].tolist() == expected


def test_a_name_that_is_defined_twice_is_refused() -> None:
    content, _ = build(ROWS, WasmOptions())
    with pytest.raises(LinkError, match="twice"):
        link([content, content])


def test_the_memory_flag_is_where_the_module_says(node: NodeDevice) -> None:
    content, _ = build(ROWS, WasmOptions())
    plain, shared = link([content]), link([content], shared=True)
    patched = bytearray(plain.content)
    patched[plain.memory_flag] = 3
    assert bytes(patched) == shared.content


def test_code_that_is_no_module_is_refused(node: NodeDevice) -> None:
    for content in (b"", b"\0asm\1\0\0\0\1", b"hello"):
        with pytest.raises(KernelRefused):
            node.load(content)


def test_the_device_survives_a_kernel_that_never_ends(node: NodeDevice) -> None:
    forever = node.load(link([build(FOREVER, WasmOptions())[0]]).content)
    fine = node.load(link([build(ROWS, WasmOptions())[0]]).content)
    with pytest.raises(KernelFailed, match="was not done"):
        zeros = np.zeros(16, np.int32)
        node.run(Launch(forever, "kernel", (zeros,), (0,), (0, 1)), timeout_s=1)
    values = np.ones((13, 8), np.float32)
    (out,) = node.run(Launch(fine, "kernel", (values, values), (1,), (0, 13)))
    assert (out == 3).all()


def test_a_trap_and_a_wrong_name_are_failures_of_the_kernel(node: NodeDevice) -> None:
    handle = node.load(link([build(ROWS, WasmOptions())[0]]).content)
    values = np.ones((13, 8), np.float32)
    with pytest.raises(KernelFailed, match="out of bounds"):
        node.run(Launch(handle, "kernel", (values, values), (1,), (0, 1 << 24)))
    with pytest.raises(KernelFailed):
        node.run(Launch(handle, "nothing", (values, values), (1,), (0, 13)))


def test_timings_are_of_each_launch_in_order(node: NodeDevice) -> None:
    handle = node.load(link([build(ROWS, WasmOptions())[0]]).content)
    values = np.ones((13, 8), np.float32)
    launches = [Launch(handle, "kernel", (values, values), (1,), (0, end)) for end in (1, 13)]
    timings = node.time(launches, 0.1)
    assert len(timings) == 2
    assert all(0 < timing.min_ms <= timing.median_ms for timing in timings)


@given(st.integers(-(1 << 31), (1 << 31) - 1))
def test_numbers_come_back_from_leb128(value: int) -> None:
    assert binary.Reader(binary.signed(value)).signed() == value
    assert binary.Reader(binary.unsigned(abs(value))).unsigned() == abs(value)
    assert binary.Reader(binary.padded(abs(value))).unsigned() == abs(value)
