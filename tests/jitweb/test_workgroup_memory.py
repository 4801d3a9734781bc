"""Kernels that share workgroup memory are right, and chosen where they fit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from tvm import te

from harness.devices.base import is_software_adapter
from harness.devices.remote import RemoteDevice
from harness.targets.webgpu import MAX_WORKGROUP_STORAGE
from jitweb.kernel_reference import evaluate
from jitweb.space.blockings import SHAPES, blockings
from jitweb.space.candidate import Candidate
from jitweb.space.matmul_equations import read_matmul
from jitweb.targets import WebgpuTarget
from jitweb.task_input import make_arguments
from tests.harness.gpu import KINDS, open_device
from tests.jitweb.kernels import (
    batched,
    dense,
    layer_norm,
    mean,
    output_of,
    softmax,
    task_of,
    transpose,
)


@pytest.fixture(scope="module", params=KINDS)
def gpu(request: pytest.FixtureRequest) -> Iterator[RemoteDevice]:
    with open_device(request.param) as device:
        yield device


def is_slow(gpu: Any) -> bool:
    """Whether it is Chromium, whose software adapter takes seconds for a pipeline with barriers."""
    return gpu.fingerprint()["device"] == "browser"


def transposed(batch: int, rows: int, columns: int, depth: int, sides: str) -> Any:
    """A B, with either side stored the other way round: "A", "B" or "AB"."""
    a_shape = (batch, depth, rows) if "A" in sides else (batch, rows, depth)
    b_shape = (batch, columns, depth) if "B" in sides else (batch, depth, columns)
    a, b = te.placeholder(a_shape, name="A"), te.placeholder(b_shape, name="B")
    k = te.reduce_axis((0, depth), name="k")

    def element(n: Any, i: Any, j: Any) -> Any:
        left = a[n, k, i] if "A" in sides else a[n, i, k]
        right = b[n, j, k] if "B" in sides else b[n, k, j]
        return te.sum(left * right, axis=k)

    made = te.compute((batch, rows, columns), element, name="matmul")
    return te.create_prim_func([a, b, made]).with_attr("tirx.noalias", True)


MATMULS = {
    "tiles cut off": lambda: dense(70, 132, 48),
    "fewer rows than a tile": lambda: dense(25, 64, 32),
    "one step": lambda: dense(64, 64, 16),
    "batched": lambda: batched((2, 3), 33, 64, 32),
    "A transposed": lambda: transposed(2, 64, 68, 64, "A"),
    "B transposed": lambda: transposed(2, 40, 64, 64, "B"),
    "both transposed": lambda: transposed(1, 132, 72, 32, "AB"),
}


ROWS = {
    "softmax": lambda: softmax(3, 5, 384),
    "softmax of whole vectors": lambda: softmax(7, 256),
    "layer norm": lambda: layer_norm(5, 384),
    "mean": lambda: mean(3, 128),
}


def tiled(function: Any, target: WebgpuTarget, family: str = "tiled") -> list[Candidate]:
    candidates = target.candidates(function, frozenset())
    return [each for each in candidates if each.family == family]


@pytest.mark.parametrize("name", MATMULS)
def test_tiles_in_workgroup_memory_are_right(gpu: RemoteDevice, name: str) -> None:
    kernel, target = task_of(MATMULS[name]()), WebgpuTarget()
    arguments = make_arguments(kernel)
    (wanted,) = evaluate(kernel.function, arguments).values()
    candidates, first = tiled(kernel.function, target), list(MATMULS).index(name)
    assert candidates
    # Between them, the matmuls see all blockings.
    some = candidates[first % len(candidates) :: 3] or candidates
    for candidate in some[: 1 if is_slow(gpu) else 3]:
        output = output_of(candidate, (target, gpu), arguments, kernel.writes)
        np.testing.assert_allclose(output, wanted, rtol=1e-4, atol=1e-4, err_msg=candidate.text)


@pytest.mark.parametrize("name", ROWS)
def test_a_workgroup_for_each_row_is_right(gpu: RemoteDevice, name: str) -> None:
    kernel, target = task_of(ROWS[name]()), WebgpuTarget()
    arguments = make_arguments(kernel)
    (wanted,) = evaluate(kernel.function, arguments).values()
    candidates = tiled(kernel.function, target, "group-rows")
    assert candidates
    for candidate in candidates[: 1 if is_slow(gpu) else None]:
        output = output_of(candidate, (target, gpu), arguments, kernel.writes)
        np.testing.assert_allclose(output, wanted, rtol=1e-4, atol=1e-5, err_msg=candidate.text)


def test_a_row_is_loaded_and_stored_once() -> None:
    candidate = tiled(softmax(4, 128), WebgpuTarget(), "group-rows")[0]
    (shader,) = WebgpuTarget().build(candidate.build()).code
    lines = [line.strip() for line in shader.code.splitlines()]
    assert (shader.grid, shader.workgroup) == ((4, 1, 1), (32, 1, 1))
    assert sum("A_ptr[" in line for line in lines) == 1
    assert sum(line.startswith("T_softmax_norm_ptr[") for line in lines) == 1
    assert not any(line.startswith("for") for line in lines)


@pytest.mark.parametrize(
    "function", [softmax(4, 126), mean(4, 64), transpose(5, 4, 64)], ids=["odd", "short", "none"]
)
def test_other_rows_have_no_workgroup_of_their_own(function: Any) -> None:
    assert not tiled(function, WebgpuTarget(), "group-rows")


def test_tiles_need_no_more_than_every_device_has() -> None:
    matmul = read_matmul(dense(128, 384, 96))
    fitting = blockings(matmul, 256, MAX_WORKGROUP_STORAGE)
    assert len(fitting) == len(SHAPES)
    assert all(each.storage <= MAX_WORKGROUP_STORAGE for each in fitting)
    small = blockings(matmul, 64, 6000)
    assert small and all(each.x * each.y <= 64 and each.storage <= 6000 for each in small)


@pytest.mark.parametrize(
    "function",
    [dense(1, 384, 64), dense(64, 30, 64), dense(64, 64, 12), dense(128, 20, 64)],
    ids=["one row", "columns not of vectors", "no step divides k", "narrower than a tile"],
)
def test_tiles_are_left_to_matmuls_that_fill_them(function: Any) -> None:
    assert not tiled(function, WebgpuTarget())


def test_tiles_come_first_but_on_the_processor() -> None:
    function = dense(128, 128, 64)
    first = WebgpuTarget().candidates(function, frozenset())[0]
    on_processor = WebgpuTarget(is_software=True).candidates(function, frozenset())
    assert first.family == "tiled"
    assert {each.family for each in on_processor} == {"matmul", "plain"}
    assert [is_software_adapter(each) for each in (
        {"vendor": "google", "architecture": "swiftshader"},
        {"adapter": "llvmpipe (LLVM 15.0.6, 256 bits)"},
        {"vendor": "amd", "architecture": "rdna-2", "adapter": "AMD Radeon RX 6800 XT"},
    )] == [True, True, False]  # fmt: skip


def test_aligned_vectors_of_a_buffer_are_declared_as_such() -> None:
    for rows, columns, vectors in ((8, 32, [1, 2, 3]), (8, 30, []), (9, 32, [1, 2, 3])):
        target = WebgpuTarget(is_software=True)
        candidate = target.candidates(dense(rows, columns, 12), frozenset())[0]
        (shader,) = target.build(candidate.build()).code
        declared = [line for line in shader.code.splitlines() if line.startswith("@group")]
        assert [i for i, line in enumerate(declared) if "array<vec4<f32>>" in line] == vectors
