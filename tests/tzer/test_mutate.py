"""Every mutator returns another program that is well formed, typed, and repeatable."""

from __future__ import annotations

import random
from functools import cache
from typing import Any

import numpy as np
import pytest
import tvm_ffi
from tvm.script import from_source

from harness import compat
from harness.case import load_module, module_text
from harness.semantics import (
    AssertFailed,
    StepLimit,
    UndefinedBehaviour,
    Unsupported,
    compile_program,
)
from harness.semantics.inputs import make_inputs
from seeds.generator import generate
from seeds.recipe import from_script
from tzer.mutate import IR_MUTATORS, SCHEDULE_MUTATORS
from tzer.mutate.base import Mutator, is_needed, sites_of
from tzer.mutate.expressions import ReplaceExpression

RNG_SEEDS = 8
GENERATED = 10

MATMUL = """
@I.ir_module
class Module:
    @T.prim_func(s_tir=True)
    def main(A: T.Buffer((8, 8), "float32"), B: T.Buffer((8, 8), "float32"),
             C: T.Buffer((8, 8), "float32")):
        D = T.sblock_alloc_buffer((8, 8), "float32")
        for i, j, k in T.grid(8, 8, 8):
            with T.sblock("matmul"):
                vi, vj, vk = T.axis.remap("SSR", [i, j, k])
                with T.init():
                    D[vi, vj] = T.float32(0)
                D[vi, vj] = D[vi, vj] + A[vi, vk] * B[vk, vj]
        for i, j in T.grid(8, 8):
            with T.sblock("relu"):
                vi, vj = T.axis.remap("SS", [i, j])
                C[vi, vj] = T.max(D[vi, vj], T.float32(0))
"""
GUARDED = """
@I.ir_module
class Module:
    @T.prim_func(s_tir=True)
    def main(n: T.int32, source: T.Buffer((8,), "int32"), target: T.Buffer((8,), "int32")):
        local = T.alloc_buffer((8,), "int32")
        for i in range(8):
            target[i] = T.if_then_else(i >= 1, source[i - 1], 0)
        for j in range(8):
            target[j] = T.if_then_else(j < 5, source[j], source[7 - j])
        for k in range(8):
            local[7 - k] = source[k]
        for k in range(8):
            target[k] = local[k]
        assert n < 9, "n"
"""
STAGES = """
@I.ir_module
class Module:
    @T.prim_func(s_tir=True)
    def main(A: T.Buffer((8, 4), "float32"), C: T.Buffer((8, 4), "float32")):
        B = T.sblock_alloc_buffer((8, 4), "float32")
        for i, j in T.grid(8, 4):
            with T.sblock("double"):
                vi, vj = T.axis.remap("SS", [i, j])
                B[vi, vj] = A[vi, vj] * T.float32(2)
        for i, j in T.grid(8, 4):
            with T.sblock("add_one"):
                vi, vj = T.axis.remap("SS", [i, j])
                C[vi, vj] = B[vi, vj] + T.float32(1)
"""
LOOPS = """
@I.ir_module
class Module:
    @T.prim_func(s_tir=True)
    def main(A: T.Buffer((16,), "int32"), B: T.Buffer((16,), "int32"), n: T.int32):
        S = T.alloc_buffer((4, 4), "int32", scope="local")
        for i in range(4):
            for j in range(4):
                S[i, j] = A[i * 4 + j] + 1
        for i in range(4):
            for j in range(4):
                B[i * 4 + j] = T.Select(n > 2, S[j, i], S[i, j]) // 3
        for i in T.unroll(4):
            if n < i:
                A[i] = A[i] * 2 - 1
"""
BUFFERED = """
@I.ir_module
class Module:
    @T.prim_func(s_tir=True)
    def main(A: T.Buffer((4, 8), "float32"), B: T.Buffer((4,), "float32")):
        for i in range(4):
            S = T.alloc_buffer((8,), "float32")
            for j in range(8):
                S[j] = A[i, j]
            for j in range(8):
                B[i] = B[i] + S[j]
"""


@cache
def programs() -> tuple[Any, ...]:
    """A matmul, two stages, plain loops, a local buffer, and generated programs."""
    written = [from_source(text) for text in (MATMUL, STAGES, LOOPS, BUFFERED)]
    return (*written, *(generate(random.Random(seed)) for seed in range(GENERATED)))


@cache
def mutants(mutator: Mutator) -> list[tuple[Any, int, Any]]:
    """(program, seed, mutant) wherever the mutator finds something to do."""
    found = []
    for program in programs():
        if mutator.can_mutate(program):
            for seed in range(RNG_SEEDS):
                mutant = mutator.mutate(program, random.Random(seed))
                if mutant is not None:
                    found.append((program, seed, mutant))
    return found


def test_names_are_distinct() -> None:
    names = [m.name for m in IR_MUTATORS] + [m.name for m in SCHEDULE_MUTATORS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("mutator", IR_MUTATORS, ids=lambda mutator: mutator.name)
class TestEveryMutator:
    def test_its_mutants_are_programs(self, mutator: Mutator) -> None:
        hashes = [tvm_ffi.structural_hash(program) for program in programs()]
        found = mutants(mutator)
        assert found, "succeeds on no program"
        for program, _, mutant in found:
            assert compat.why_ill_formed(mutant) is None
            assert compat.structural_equal(load_module(module_text(mutant)), mutant)
            assert not tvm_ffi.structural_equal(mutant, program)
            assert [p.name for p in mutant["main"].params] == [
                p.name for p in program["main"].params
            ]
        assert hashes == [tvm_ffi.structural_hash(program) for program in programs()]

    def test_the_same_seed_gives_the_same_mutant(self, mutator: Mutator) -> None:
        for program, seed, mutant in mutants(mutator)[:40]:
            again = mutator.mutate(program, random.Random(seed))
            assert again is not None and tvm_ffi.structural_equal(again, mutant)

    def test_it_can_be_applied_to_its_own_mutants(self, mutator: Mutator) -> None:
        rng = random.Random(0)
        for program in programs()[:6]:
            for _ in range(5):
                program = mutator.mutate(program, rng) or program
            assert compat.why_ill_formed(program) is None


def test_mutators_can_be_stacked_on_each_other() -> None:
    rng = random.Random(1)
    for program in programs():
        for _ in range(25):
            mutator = rng.choice(IR_MUTATORS)
            if mutator.can_mutate(program):
                program = mutator.mutate(program, rng) or program
        assert compat.why_ill_formed(program) is None
        assert compat.structural_equal(load_module(module_text(program)), program)


def results(module: Any) -> list[Any] | None:
    """The arguments after a run by the reference interpreter; None if that is undefined."""
    arguments = make_inputs(module["main"], 0)
    try:
        compile_program(module).run(arguments)
    except (Unsupported, UndefinedBehaviour, StepLimit, AssertFailed):
        return None
    return arguments


def test_most_mutants_are_valid() -> None:
    verdicts = []
    for mutator in IR_MUTATORS:
        for program in programs():
            mutant = mutator.mutate(program, random.Random(3))
            if mutant is not None:
                verdicts.append(results(mutant) is not None)
    assert sum(verdicts) >= 0.9 * len(verdicts)


PRESERVING = [m for m in IR_MUTATORS if m.preserves_semantics]


@pytest.mark.parametrize("mutator", PRESERVING, ids=lambda mutator: mutator.name)
def test_what_claims_to_preserve_the_meaning_does(mutator: Mutator) -> None:
    for program in programs():
        expected = results(program)
        mutant = mutator.mutate(program, random.Random(5))
        if expected is None or mutant is None:
            continue
        found = results(mutant)
        assert found is not None
        for one, other in zip(expected, found, strict=True):
            np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


def test_what_guards_an_access_or_writes_local_memory_is_known_as_needed() -> None:
    function = from_source(GUARDED)["main"]
    needed = {str(site.node) for site in sites_of(function) if is_needed(function, site)}
    assert {"i >= 1", "7 - k", "n < 9"} <= needed
    assert not {"j < 5", "i - 1", "7 - j", "local[k]"} & needed


def test_what_is_passed_to_a_function_of_the_module_is_mutated() -> None:
    module = from_script(CALLING)
    passed = {str(call_arguments(module)[1])}
    for seed in range(200):
        mutant = ReplaceExpression().mutate(module, random.Random(seed))
        if mutant is not None:
            passed.add(str(call_arguments(mutant)[1]))
    assert len(passed) > 3


def call_arguments(module: Any) -> Any:
    """The arguments of the one call of a function of the module in main."""
    calls = (node for node in compat.nodes(module["main"].body) if compat.type_key(node) == "Call")
    return next(call for call in calls if compat.type_key(call.op) == "GlobalVar").args


CALLING = """
def main(A: T.Buffer((8,), "int32"), n: T.int32):
    Module.add(A.data, n)
def add(a: T.handle("int32"), n: T.int32):
    A = T.decl_buffer((8,), "int32", data=a)
    for i in range(8):
        A[i] = A[i] % 8 + n
"""
