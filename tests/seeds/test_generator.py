"""The generator makes well-formed, typed programs that depend only on its random numbers."""

from __future__ import annotations

import random
from functools import cache
from typing import Any

import pytest
import tvm_ffi
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tvm import tirx

from harness import compat
from harness.case import load_module, module_text
from harness.ir.intervals import limits
from harness.ir.sites import Memory, Scope, Variable, sites
from harness.semantics import StepLimit, UndefinedBehaviour, Unsupported, compile_program
from harness.semantics.inputs import make_inputs
from seeds.expressions import ExpressionGenerator
from seeds.generator import generate
from seeds.values import FLOATS, INTEGERS, vector

QUICK = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SCALARS = (*INTEGERS, *FLOATS, "bool")


@QUICK
@given(st.integers(0, 1 << 32), st.sampled_from([1, 4, 8, 20]))
def test_programs_are_well_formed_and_typed(seed: int, size: int) -> None:
    module = generate(random.Random(seed), size)
    assert compat.why_ill_formed(module) is None
    assert compat.structural_equal(load_module(module_text(module)), module)


@QUICK
@given(st.integers(0, 1 << 32))
def test_the_same_random_numbers_give_the_same_program(seed: int) -> None:
    first, second = generate(random.Random(seed)), generate(random.Random(seed))
    assert tvm_ffi.structural_equal(first, second)


def test_programs_differ() -> None:
    texts = {module_text(generate(random.Random(seed))) for seed in range(50)}
    assert len(texts) == 50


def test_every_program_has_inputs() -> None:
    for seed in range(50):
        function = generate(random.Random(seed))["main"]
        assert len(make_inputs(function, seed)) == len(function.params)


def test_every_kind_of_statement_and_loop_occurs() -> None:
    seen: set[Any] = set()
    for seed in range(300):
        for node in compat.nodes(generate(random.Random(seed))["main"].body):
            key = compat.type_key(node)
            seen.add((key, int(node.kind)) if key == "For" else key)
    statements = {
        "Bind", "AllocBuffer", "DeclBuffer", "AssertStmt", "While", "IfThenElse", "AttrStmt",
        "BufferStore", "SBlock", "MatchBufferRegion",
    }  # fmt: skip
    loops = {("For", kind) for kind in range(4)}
    expressions = {"Let", "Select", "Ramp", "Broadcast", "Shuffle", "Cast", "FloorDiv", "Mod"}
    assert statements | loops | expressions <= seen


RARE = (
    "float8_e4m3fn", "float8_e5m2", "int4", "software_pipeline_stage", "software_pipeline_order",
    "software_pipeline_async_stages", "tirx.prefetch",
)  # fmt: skip
STAGES = "software_pipeline_stage"


@cache
def _programs() -> list[Any]:
    return [generate(random.Random(seed), 5) for seed in range(240)]


def test_layouts_dtypes_and_annotations_that_operators_never_use_occur() -> None:
    seen: set[str] = set()
    for module in _programs():
        text = module_text(module)
        seen.update(each for each in RARE if f'"{each}"' in text)
        seen.update(_rare_layouts(module))
    assert seen == {*RARE, "helper", "strides", "offset", "gaps", "backwards"}


def _rare_layouts(module: Any) -> set[str]:
    found = {"helper"} if len(module.functions) > 1 else set()
    for param in module["main"].params:
        if compat.is_buffer(param):
            found |= {"strides"} if param.ty.strides else set()
            found |= {"offset"} if isinstance(param.ty.elem_offset, compat.Var) else set()
    for node in compat.nodes(module["main"].body):
        if compat.type_key(node) == "AllocBuffer" and node.buffer.ty.strides:
            found.add("gaps")
        if compat.type_key(node) == "DeclBuffer" and node.buffer.ty.strides:
            found.add("backwards")
    return found


def test_functions_are_called_with_what_they_were_made_for() -> None:
    """So that the interpreter follows the calls, and finds them valid."""
    called = [module for module in _programs() if _calls(module)]
    valid = sum(_is_valid(module, seed) for seed, module in enumerate(called))
    assert len(called) > 10 and valid >= 0.9 * len(called)


def _calls(module: Any) -> bool:
    nodes = compat.nodes(module["main"].body) if len(module.functions) > 1 else ()
    return any(compat.type_key(node) == "GlobalVar" for node in nodes)


def test_marks_of_pipelines_fit_their_loops() -> None:
    seen = 0
    for module in _programs():
        for node in compat.nodes(module["main"].body):
            if compat.type_key(node) != "For" or STAGES not in node.annotations:
                continue
            seen += 1
            stages = [int(stage) for stage in node.annotations[STAGES]]
            order = [int(place) for place in node.annotations["software_pipeline_order"]]
            assert len(stages) == len(node.body.block.body.seq)
            assert sorted(order) == list(range(len(stages))) and sorted(stages) == stages
    assert seen > 3


def test_nearly_all_programs_are_valid() -> None:
    verdicts = [_is_valid(generate(random.Random(seed)), seed) for seed in range(100)]
    assert sum(verdicts) >= 95


def _is_valid(module: Any, seed: int) -> bool:
    try:
        compile_program(module).run(make_inputs(module["main"], seed))
    except (Unsupported, UndefinedBehaviour, StepLimit):
        return False
    return True


def scope() -> tuple[Scope, Any]:
    """A loop variable, a scalar and two buffers."""
    i, n = compat.Var("i", "int32"), compat.Var("n", "int64")
    a, b = tirx.decl_buffer((4, 8), "float32", "A"), tirx.decl_buffer((8,), "int8", "B")
    variables = (Variable(i, "int32", (0, 3), is_loop=True), Variable(n, "int64", (-8, 8)))
    memories = (
        Memory(a, "float32", (4, 8), finite=True),
        Memory(b, "int8", (8,), interval=(-8, 8)),
    )
    return Scope(variables, memories), i


@QUICK
@given(st.integers(0, 1 << 32), st.sampled_from(SCALARS), st.sampled_from([1, 4]))
def test_expressions_have_the_requested_dtype(seed: int, dtype: str, lanes: int) -> None:
    demanded = vector(dtype, lanes)
    value = ExpressionGenerator(random.Random(seed), scope()[0]).draw(demanded, 4)
    assert value.dtype == demanded == compat.dtype_of(value.expr)


@QUICK
@given(st.integers(0, 1 << 32), st.sampled_from(["int8", "uint8", "int32", "int64"]))
def test_intervals_contain_the_values_of_constant_expressions(seed: int, dtype: str) -> None:
    value = ExpressionGenerator(random.Random(seed), Scope(), loads=False).draw(dtype, 3)
    low, high = value.range
    assert limits(dtype)[0] <= low <= high <= limits(dtype)[1]


@pytest.mark.parametrize("seed", range(20))
def test_the_scope_has_every_variable_that_a_program_uses(seed: int) -> None:
    for site in sites(generate(random.Random(seed))["main"]):
        if site.key == "Var" and site.role == "value":
            assert any(variable.var.same_as(site.node) for variable in site.scope.variables)
