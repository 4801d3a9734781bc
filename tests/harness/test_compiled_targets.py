"""Targets whose code can't run here: it is compiled, checked, and judged all the same."""

from __future__ import annotations

from typing import Any

import pytest
import tvm
from tvm import tirx

from harness.case import Case, PassCall, module_text
from harness.oracles.verify import judge
from harness.passes import default_order
from harness.passes.build import lower
from harness.targets import get_target
from harness.targets.source import Source
from harness.targets.source_compilers import COMPILERS
from harness.targets.table import BY_NAME, NAMES, TRICKLE
from harness.verdict import Kind
from tests import programs

ALONE = [name for name in NAMES if not get_target(name).runs]
SOURCES = ["cuda", "opencl", "metal"]
KERNELS = {"cuda": "__global__", "opencl": "__kernel", "metal": "kernel void"}


def mapped(value: Any) -> Any:
    """target[i] = value(source[i]) for three elements."""
    i = tirx.Var("i", "int32")
    source, target = (tirx.decl_buffer((3,), "float32", name) for name in ("source", "target"))
    store = tirx.BufferStore(target, value(tirx.BufferLoad(source, [i])), [i])
    loop = tirx.For(i, 0, 3, tirx.ForKind.SERIAL, store)
    function = tirx.PrimFunc([source, target], loop).with_attr("global_symbol", "main")
    return tvm.IRModule({"main": function})


def test_what_a_campaign_tries_by_itself_is_in_the_table() -> None:
    assert {"llvm-aarch64", "llvm-riscv64", "cuda", "opencl", "metal", "rocm"} <= set(TRICKLE)
    assert "llvm" not in TRICKLE


@pytest.mark.parametrize("name", ALONE)
def test_plain_programs_are_fine(name: str) -> None:
    for module in (programs.scaled_sum("int8"), mapped(tirx.exp)):
        found = judge(Case(module_text(module), target=name), plain=False).verdict
        assert found.kind is Kind.OK, found


@pytest.mark.parametrize("name", SOURCES)
def test_a_thread_that_is_a_loop_becomes_one_again(name: str) -> None:
    """UnifyThreadBinding leaves what code generators don't take until blocks are lowered."""
    calls = (PassCall("s_tir.UnifyThreadBinding"),)
    case = Case(module_text(mapped(tirx.exp)), calls, target=name)
    assert judge(case, plain=False).verdict.kind is Kind.OK


@pytest.mark.parametrize("name", ALONE)
def test_a_silent_miscompilation_shows_without_a_run(name: str) -> None:
    found = judge(Case(module_text(programs.shifted_inner()), target=name)).verdict
    assert (found.kind, found.pass_name) == (Kind.WRONG_RESULT, "s_tir.CanonicalizeLoop")


@pytest.mark.parametrize("name", SOURCES)
def test_the_source_is_that_of_a_kernel(name: str) -> None:
    target = get_target(name)
    module = target.prepare(programs.scaled_sum())
    source = target.generate(lower(module, default_order(name)))
    assert KERNELS[name] in source


@pytest.mark.parametrize("name", SOURCES)
def test_a_target_says_which_compiler_is_missing(name: str) -> None:
    unchecked = Source(BY_NAME[name]).unchecked()
    if name not in COMPILERS or COMPILERS[name].find():
        assert unchecked is None
    else:
        assert COMPILERS[name].name in str(unchecked)


@pytest.mark.parametrize("name", [name for name, each in COMPILERS.items() if each.find()])
def test_a_compiler_rejects_what_is_wrong_and_takes_what_is_right(name: str) -> None:
    head = {"cuda": 'extern "C" __global__ void', "opencl": "__kernel void"}[name]
    pointer = {"cuda": "float*", "opencl": "__global float*"}[name]
    right = f"{head} k({pointer} A) {{ A[0] = exp(A[0]); }}"
    assert COMPILERS[name].check(right) is None
    assert "no_such_function" in str(
        COMPILERS[name].check(right.replace("exp", "no_such_function"))
    )
