"""A case is text: it comes back the same, and a broken one is refused in one line."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import compat
from harness.case import Case, CaseError, PassCall, PrimitiveCall, load_module, module_text
from harness.ir.script import script
from harness.semantics.inputs import make_inputs
from tests import programs

SCALARS = st.one_of(st.booleans(), st.integers(-(2**40), 2**40), st.text(max_size=8))
NAMES = st.from_regex(r"[a-z_]{1,8}\.[A-Za-z0-9]{1,12}", fullmatch=True)
CALLS = st.builds(PassCall, NAMES, st.lists(SCALARS, max_size=3).map(tuple))
VALUES = st.one_of(SCALARS, st.lists(SCALARS, max_size=3).map(tuple))
PRIMITIVES = st.builds(
    PrimitiveCall,
    st.sampled_from(["split", "dlight.gpu.Matmul"]),
    st.lists(VALUES, max_size=3).map(tuple),
    st.sampled_from(["main", "other"]),
)


@given(
    st.lists(CALLS, max_size=4).map(tuple),
    st.integers(0, 4),
    st.integers(0, 2**31),
    st.lists(PRIMITIVES, max_size=4).map(tuple),
)
def test_a_case_survives_its_json(
    calls: tuple[PassCall, ...],
    opt_level: int,
    input_seed: int,
    trace: tuple[PrimitiveCall, ...],
) -> None:
    case = Case("{}", calls, "c", opt_level, input_seed, "an origin", trace)
    assert Case.from_json(case.to_json()) == case


def test_a_case_of_before_there_were_traces_loads_and_keeps_its_digest() -> None:
    written = (
        '{"format": 1, "module": "m", "passes": [{"name": "tirx.A", "args": [1]}], '
        '"target": "c", "opt_level": 1, "input_seed": 7, "origin": ""}'
    )
    case = Case.from_json(written)
    assert case.trace == ()
    assert case.to_json() == written
    assert case.digest == "def1ce6e10f7b848"


def test_the_digest_ignores_where_a_case_comes_from() -> None:
    assert Case("m", origin="a").digest == Case("m", origin="b").digest
    assert Case("m").digest != Case("m", opt_level=0).digest


@pytest.mark.parametrize("module", [programs.scaled_sum(), programs.matmul()])
def test_a_module_survives_its_text(module: object) -> None:
    assert compat.structural_equal(load_module(module_text(module)), module)
    assert script(module) is not None


NOT_CASES = [
    "",
    "nonsense",
    "[]",
    "{}",
    json.dumps({"format": 99}),
    Case("m").to_json().replace('"opt_level": 2', '"opt_level": "2"'),
    Case("m").to_json().replace('"passes": []', '"passes": [{"name": 1, "args": []}]'),
    Case("m").to_json().replace('"passes": []', '"passes": [{"name": "a", "args": [{}]}]'),
    Case("m").to_json().replace('"module"', '"modul"'),
    "[" * 100_000,
    *(
        Case("m").to_json().replace('"opt_level": 2', f'"opt_level": {number}')
        for number in ("-1", "5", "2.0", "true", "1" + "0" * 5000)
    ),
    *(
        Case("m").to_json().replace('"input_seed": 0', f'"input_seed": {number}')
        for number in ("-1", str(1 << 63))
    ),
    *(
        Case("m").to_json().replace('"target": "llvm"', f'"target": {json.dumps(name)}')
        for name in ("", "llvm\n", "llvm'", "a" * 99)
    ),
    *(
        Case("m", (PassCall(name),)).to_json()
        for name in (
            "",
            "StmtSimplify",
            "print().BindTarget",
            "tirx.A.B",
            "tirx.A\n",
            "T" * 99,
        )
    ),
    *(
        Case("m", (PassCall("tirx.A", (arg,)),)).to_json()
        for arg in (math.inf, math.nan, 1 << 64, "x" * 2000)
    ),
    Case("m", (PassCall("tirx.A", (0,) * 99),)).to_json(),
    Case("m", (PassCall("tirx.A"),) * 2000).to_json(),
    Case("m", origin="x" * 9999).to_json(),
    *(
        Case("m", trace=(PrimitiveCall(name),)).to_json()
        for name in ("", "Split", "a b", "split\n", "__class__", "x" * 99)
    ),
    *(
        Case("m", trace=(PrimitiveCall("split", args),)).to_json()
        for args in ((math.nan,), ("x" * 2000,), ((((1,),),),), (tuple(range(300)),))
    ),
    Case("m", trace=(PrimitiveCall("split", (), "a b"),)).to_json(),
    Case("m", trace=(PrimitiveCall("split"),) * 300).to_json(),
    Case("m", trace=(PrimitiveCall("split"),)).to_json().replace('"args": []', '"args": {}'),
    Case("m", trace=(PrimitiveCall("split"),)).to_json().replace('"args": []', '"args": [{}]'),
]


@pytest.mark.parametrize("text", NOT_CASES, ids=range(len(NOT_CASES)))
def test_what_is_no_case_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(CaseError) as raised:
        Case.from_json(text)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"root_index":0,"nodes":[{"type":"None"}]}'])
def test_what_is_no_module_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(CaseError) as raised:
        load_module(text)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "int8", "uint16", "bool"])
def test_inputs_depend_on_nothing_but_function_and_seed(dtype: str) -> None:
    function = programs.scaled_sum(dtype if dtype != "bool" else "int32")["main"]
    first, second, other = (make_inputs(function, seed) for seed in (1, 1, 2))
    assert all(bytes(a.tobytes()) == b.tobytes() for a, b in zip(first, second, strict=True))
    assert any(a.tobytes() != b.tobytes() for a, b in zip(first, other, strict=True))


def test_well_formedness_is_told_in_words() -> None:
    import tvm
    from tvm import tirx

    assert compat.why_ill_formed(programs.matmul()) is None
    stray = tirx.PrimFunc([], tirx.Evaluate(tirx.Var("stray", "int32")))
    assert "stray" in (compat.why_ill_formed(tvm.IRModule({"main": stray})) or "")
