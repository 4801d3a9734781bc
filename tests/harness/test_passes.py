"""The pass catalogue: what can be constructed, what is legal, and how sequences are completed."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import networkx
import pytest
import tvm
from hypothesis import given, settings
from hypothesis import strategies as st
from tvm import te, tirx
from tvm.ir.instrument import pass_instrument

from harness import compat, passes
from harness.case import Case, CaseError, PassCall, module_text
from harness.oracles.verify import judge
from harness.passes import CATALOGUE, State, context
from harness.passes.build import lower
from harness.passes.graph import (
    OPTIONAL,
    PASS_GRAPH,
    PROVIDERS,
    build_graph,
    legal_passes,
    moving_passes,
)
from harness.passes.orders import REQUIRED
from harness.passes.picture import lowering_as_mermaid, lowering_graph
from harness.targets import get_target
from harness.targets.table import NAMES
from harness.verdict import Kind
from seeds.recipe import from_script
from tests.programs import matmul, scaled_sum, store_at

SEEDS = st.integers(0, 1 << 32)
MATMUL_STATES = passes.initial_states(matmul())


def _calls(*names: str) -> tuple[PassCall, ...]:
    return tuple(PassCall(name) for name in names)


# The catalogue.


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_every_pass_is_constructed_with_any_drawn_arguments(name: str) -> None:
    for seed in range(10):
        call = passes.draw_call(random.Random(seed), CATALOGUE[name])
        assert passes.make_pass(call) is not None


def test_every_pass_that_tvm_offers_is_in_the_catalogue() -> None:
    made_of_functions = {"Apply", "Filter"}
    for dialect, module in (("tirx", tirx.transform), ("s_tir", tvm.s_tir.transform)):
        for name in dir(module):
            constructor = getattr(module, name)
            if name[0].isupper() and not isinstance(constructor, type):
                assert name in made_of_functions or f"{dialect}.{name}" in CATALOGUE


@pytest.mark.parametrize("info", CATALOGUE.values(), ids=lambda info: info.name)
def test_every_pass_says_where_its_states_come_from(info: passes.PassInfo) -> None:
    assert info.source
    assert bool(info.never) == (State.NEVER in info.needs)
    assert not info.gives & info.destroys


@pytest.mark.parametrize(
    ("call", "diagnostic"),
    [
        (PassCall("tirx.Nonsense"), "unknown pass 'tirx.Nonsense'"),
        (PassCall("tirx.NarrowDataType"), "needs its argument target_bits"),
        (PassCall("tirx.NarrowDataType", (16,)), "target_bits must be one of 32, 64, not 16"),
        (PassCall("tirx.VectorizeLoop", (1,)), "enable_vectorize must be one of False, True"),
        (PassCall("tirx.RemoveNoOp", (1,)), "takes at most 0 arguments"),
        (PassCall("tirx.UnrollLoop", ("[]",)), "config must be JSON text of an object"),
        (PassCall("tirx.UnrollLoop", ("[" * 5000,)), "config must be JSON text of an object"),
        (PassCall("tirx.UnrollLoop", ('{"auto_max_step": "x"}',)), "config must be JSON text"),
        (PassCall("tirx.UnrollLoop", ('{"max": 1}',)), "keys among auto_max_step"),
        (PassCall("tirx.BindTarget", ("z80",)), "target must be one of 'llvm'"),
        (PassCall("tirx.BindTarget"), "needs its argument target"),
        (PassCall("context.Set"), "needs its argument entries"),
        (PassCall("context.Set", ('{"tirx.add_lower_pass": 1}',)), "keys of the PassContext"),
        (PassCall("context.Set", ('{"tirx.noalias": 1}',)), "tirx.noalias must be one of False"),
        (PassCall("context.Set", ("[]",)), "must be JSON text of an object"),
    ],
    ids=str,
)
def test_a_wrong_call_is_one_clear_line(call: PassCall, diagnostic: str) -> None:
    with pytest.raises(CaseError) as caught:
        passes.make_pass(call)
    assert diagnostic in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_configuration_reaches_the_pass_and_ends_with_it() -> None:
    module = lower(scaled_sum(), passes.complete(MATMUL_STATES, (), "llvm")[1:4])
    unrolled = lower(module, [PassCall("tirx.UnrollLoop", ('{"auto_max_step": 64}',))])
    kept = lower(module, [PassCall("tirx.UnrollLoop", ('{"auto_max_step": 0}',))])

    def loops(mod: Any) -> int:
        return sum(isinstance(node, tirx.For) for node in compat.nodes(mod["main"].body))

    assert loops(unrolled) == 0
    assert loops(kept) == loops(module) == 2


def test_every_key_of_the_pass_context_is_drawn_or_left_out_for_a_reason() -> None:
    drawn = {name.partition("/")[0] for name, _ in CATALOGUE[context.SET].args[0].fields}
    for key in compat.context_keys():
        assert (key in drawn) != (context.left_out(key) is not None), key


@pytest.mark.parametrize("entry", CATALOGUE[context.SET].args[0].fields, ids=lambda entry: entry[0])
def test_no_value_of_the_pass_context_is_a_finding(entry: tuple[str, tuple[Any, ...]]) -> None:
    name, values = entry
    for value in values:
        order = (PassCall(context.SET, (json.dumps({name: value}),)), *passes.default_order("llvm"))
        for module in (matmul(), scaled_sum()):
            verdict = judge(Case(module_text(module), order), native=False).verdict
            assert verdict.kind is Kind.OK, (value, verdict)


def test_entries_of_the_pass_context_hold_from_where_they_are_set() -> None:
    seen: list[tuple[str, Any]] = []

    def look(index: int, call: PassCall) -> None:
        config = dict(tvm.transform.PassContext.current().config.items())
        step = config.get("tirx.UnrollLoop")
        seen.append((call.name, None if step is None else int(step.auto_max_step)))

    entries = PassCall(context.SET, ('{"tirx.UnrollLoop/auto_max_step": 64}',))
    order = (PassCall("s_tir.CanonicalizeLoop"), entries, PassCall("s_tir.LowerInitBlock"))
    lower(matmul(), order, before_pass=look)
    assert [step for _, step in seen] == [None, None, 64]
    assert not dict(tvm.transform.PassContext.current().config.items())


def test_the_graph_shows_needs_and_gives_with_their_source() -> None:
    graph = PASS_GRAPH
    edge = graph.edges[State.NO_INIT, "s_tir.ConvertBlocksToOpaque"]
    assert edge["relation"] == "needs"
    assert "ICHECK" in edge["source"]
    assert graph.edges["s_tir.LowerInitBlock", State.NO_INIT]["relation"] == "gives"
    assert graph.edges["tirx.StorageRewrite", State.SEPARATE_STORAGE]["relation"] == "destroys"


def test_the_required_order_is_one_that_the_graph_allows() -> None:
    steps = lowering_graph()
    assert networkx.is_directed_acyclic_graph(steps)
    assert all(before < after for before, after in steps.edges)
    for state in PROVIDERS:
        assert PASS_GRAPH.nodes[state]["kind"] == "state"
        assert networkx.ancestors(PASS_GRAPH, state)


@settings(max_examples=50, deadline=None)
@given(seed=SEEDS)
def test_the_passes_to_draw_from_are_those_whose_needs_the_graph_finds_met(seed: int) -> None:
    calls = passes.draw_legal(MATMUL_STATES, random.Random(seed), 6)
    states = passes.states_after(MATMUL_STATES, calls)
    legal = legal_passes(states)
    assert set(moving_passes(states)) <= set(legal)
    for name in OPTIONAL:
        assert (name in legal) == (set(PASS_GRAPH.predecessors(name)) <= states)


def test_a_step_that_no_pass_gives_is_not_in_a_graph() -> None:
    with pytest.raises(KeyError):
        build_graph((), REQUIRED)


def test_the_picture_of_a_lowering_is_current() -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-it-works.md").read_text()
    picture = f"```mermaid\n{lowering_as_mermaid()}\n```\n"
    assert picture in page, f"put this into docs/how-it-works.md:\n{picture}"


# States.


def test_states_are_read_off_the_module() -> None:
    assert not MATMUL_STATES & {State.NO_BLOCKS, State.NO_INIT, State.FLAT_BUFFERS}
    loop = passes.initial_states(store_at(lambda i: i))
    assert {State.NO_BLOCKS, State.FLAT_BUFFERS, State.CANONICAL_LOOPS} <= loop
    assert State.NO_BF16_COMPUTE not in passes.initial_states(scaled_sum("bfloat16"))
    assert State.NO_FP8_COMPUTE not in passes.initial_states(scaled_sum("float8_e4m3fn"))
    assert State.NARROW_INTEGERS not in passes.initial_states(scaled_sum("int64"))


def test_a_loop_with_a_start_or_a_step_is_not_canonical() -> None:
    i = tirx.Var("i", "int32")
    target = tirx.decl_buffer((8,), "int32", "target")
    store = tirx.BufferStore(target, i, [i])
    for start, step in ((1, None), (0, 2)):
        loop = tirx.For(i, start, 4, tirx.ForKind.SERIAL, store, step=step)
        function = tirx.PrimFunc([target], loop).with_attr("global_symbol", "main")
        states = passes.initial_states(tvm.IRModule({"main": function}))
        assert State.CANONICAL_LOOPS not in states


def test_an_allocation_that_nothing_accesses_is_flattened_all_the_same() -> None:
    """Else LLVM's code generator refuses it."""
    for shape, flat in (((16,), True), ((4, 4), False)):
        module = from_script(f"def main():\n    A = T.alloc_buffer({shape})\n")
        assert (State.FLAT_BUFFERS in passes.initial_states(module)) is flat


def test_a_variable_defined_by_two_loops_is_not_unique() -> None:
    module = store_at(lambda i: i)
    assert State.UNIQUE_DEFINITIONS in passes.initial_states(module)
    function = module["main"]
    twice = function.with_body(tirx.SeqStmt([function.body, function.body]))
    assert State.UNIQUE_DEFINITIONS not in passes.initial_states(tvm.IRModule({"main": twice}))


@pytest.mark.parametrize("make", [scaled_sum, matmul], ids=["scaled_sum", "matmul"])
def test_what_the_catalogue_says_of_a_pass_is_so_of_the_module_after_it(make: Any) -> None:
    visible = {
        State.NO_INIT,
        State.OPAQUE_BLOCKS,
        State.NO_BLOCKS,
        State.FLAT_BUFFERS,
        State.NO_VECTOR_LOOPS,
        State.CANONICAL_LOOPS,
        State.TARGET_BOUND,
        State.ENTRY_ANNOTATED,
    }
    states = passes.initial_states(make())

    def after(index: int, call: PassCall, module: Any) -> None:
        nonlocal states
        states = passes.states_after(states, [call])
        assert states & visible <= passes.initial_states(module), call

    calls = passes.default_order("llvm")
    upto = [call.name for call in calls].index("tirx.SplitHostDevice")
    lower(make(), calls[:upto], after_pass=after)


# Legality.


@pytest.mark.parametrize(
    ("names", "position"),
    [
        (["s_tir.LowerOpaqueBlock"], 0),
        (["s_tir.LowerInitBlock", "s_tir.CompactBufferAllocation"], 1),
        (["s_tir.ConvertBlocksToOpaque"], 0),
        (["tirx.FlattenBuffer"], 0),
        (["tirx.BF16StorageLegalize"], 0),
        (["tirx.LowerIntrin"], 0),
        (["tirx.PointerValueTypeRewrite"], 0),
        (["s_tir.CanonicalizeLoop", "tirx.Nonsense"], 1),
        (["s_tir.CanonicalizeLoop", "s_tir.LowerInitBlock"], None),
    ],
    ids=str,
)
def test_the_first_pass_without_its_state_is_found(names: list[str], position: int | None) -> None:
    assert passes.first_illegal(MATMUL_STATES, _calls(*names)) == position


def _low(*names: str) -> tuple[PassCall, ...]:
    """The calls after the passes that bring matmul down to flat buffers."""
    lowering = ("LowerInitBlock", "ConvertBlocksToOpaque", "LowerOpaqueBlock")
    return _calls(*(f"s_tir.{name}" for name in lowering), "tirx.FlattenBuffer", *names)


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (["tirx.VectorizeLoop", "s_tir.LoopPartition"], "partition before vectors"),
        (["tirx.StorageRewrite", "tirx.StorageRewrite"], "storage is merged once"),
        (["tirx.UnrollLoop", "tirx.StorageRewrite"], "unrolling repeats allocations"),
        (["s_tir.LowerOpaqueBlock"], "nothing structured is left"),
    ],
    ids=lambda item: item if isinstance(item, str) else "-".join(item),
)
def test_orders_that_the_passes_do_not_promise_are_illegal(names: list[str], why: str) -> None:
    assert passes.is_legal(MATMUL_STATES, _low(*names[:-1]))
    assert not passes.is_legal(MATMUL_STATES, _low(*names)), why


def test_making_definitions_unique_again_makes_storage_rewriting_legal() -> None:
    calls = _low("tirx.UnrollLoop", "tirx.ConvertSSA", "tirx.StorageRewrite")
    assert passes.is_legal(MATMUL_STATES, calls)


@pytest.mark.parametrize("target", NAMES)
def test_both_lowerings_are_legal(target: str) -> None:
    assert passes.is_legal(MATMUL_STATES, passes.default_order(target))
    assert passes.is_legal(MATMUL_STATES, passes.minimal_order(target))
    assert passes.is_legal(MATMUL_STATES, passes.complete(MATMUL_STATES, (), target))
    get_target(target)


def test_nothing_is_missing_after_a_whole_lowering() -> None:
    assert passes.complete(MATMUL_STATES, passes.default_order("llvm"), "llvm") == ()


def test_a_missing_state_is_mended_by_the_passes_that_give_it() -> None:
    wanted = _calls("tirx.StorageRewrite")
    outcomes = {passes.repair(MATMUL_STATES, wanted, random.Random(seed)) for seed in range(20)}
    assert outcomes == {(), _low("tirx.StorageRewrite")}


@settings(max_examples=150, deadline=None)
@given(seed=SEEDS, length=st.integers(0, 12))
def test_drawn_sequences_are_legal_and_can_be_completed(seed: int, length: int) -> None:
    for states in (MATMUL_STATES, LIKELY_STATES):
        calls = passes.draw_legal(states, random.Random(seed), length)
        assert passes.is_legal(states, calls)
        assert passes.is_legal(states, (*calls, *passes.complete(states, calls, "llvm")))


@settings(max_examples=150, deadline=None)
@given(seed=SEEDS, length=st.integers(0, 12))
def test_repaired_random_sequences_are_legal(seed: int, length: int) -> None:
    rng = random.Random(seed)
    calls = passes.draw_random(rng, length)
    assert len(calls) == length
    assert passes.is_legal(MATMUL_STATES, passes.repair(MATMUL_STATES, calls, rng))


@settings(max_examples=50, deadline=None)
@given(seed=SEEDS)
def test_a_legal_sequence_needs_no_repair(seed: int) -> None:
    rng = random.Random(seed)
    calls = passes.draw_legal(MATMUL_STATES, rng, 6)
    assert passes.repair(MATMUL_STATES, calls, rng) == calls


def _likely() -> Any:
    """A flat program that the plain lowering must bring a few more states to."""
    i = tirx.Var("i", "int32")
    target = tirx.decl_buffer((2, 8), "bfloat16", "target")
    store = tirx.BufferStore(target, tirx.const(1, "bfloat16"), [i // 8, i % 8])
    body = tirx.IfThenElse(tirx.likely(i < 13), store, None)
    loop = tirx.For(i, 0, 16, tirx.ForKind.VECTORIZED, body)
    function = tirx.PrimFunc([target], tirx.SeqStmt([loop, loop]))
    return tvm.IRModule({"main": function.with_attr("global_symbol", "main")})


LIKELY_STATES = passes.initial_states(_likely())


# TVM's own order.


def test_the_default_order_is_what_tvm_compiles_by() -> None:
    seen: list[str] = []

    @pass_instrument
    class Recorder:
        def run_before_pass(self, module: Any, info: Any) -> None:
            seen.append(str(info.name))

    with tvm.transform.PassContext(opt_level=2, instruments=[Recorder()]):
        tvm.compile(scaled_sum(), tvm.target.Target("llvm"))
    groups = {"_pipeline", "sequential", "tirx.Filter"}
    recorded = [name for name in seen if name not in groups]
    expected: list[str] = []
    for call in passes.default_order("llvm"):
        expected.append(call.name)
        expected.extend(_PARTS.get(call.name, ()))
    assert recorded == expected


# Passes that are sequences themselves.
_PARTS = {
    "s_tir.HoistIfThenElse": (
        "s_tir.InsertHoistIfThenElse",
        compat.SIMPLIFY_WITH_BLOCKS,
        "tirx.RemoveNoOp",
    ),
    "tirx.SplitHostDevice": ("tirx.ConvertSSA",),
}


def test_the_default_order_gives_the_module_that_tvm_builds() -> None:
    a = te.placeholder((4, 4), "float32", "a")
    b = te.compute((4, 4), lambda i, j: te.exp(a[i, j]) + a[j, i], "b")
    module = tvm.IRModule({"main": te.create_prim_func([a, b])})
    ours = lower(module, passes.default_order("llvm"))
    target = tvm.target.Target(get_target("llvm").description())
    theirs = tirx.transform.BindTarget(target.with_host(target))(module)
    pipeline, finalize_host, _ = tvm.s_tir.pipeline.default_s_tir_pipeline()
    theirs = finalize_host()(pipeline(theirs))
    assert compat.structural_equal(ours, theirs)


def test_a_spoilt_sequence_is_the_legal_one_with_a_pass_or_two_more() -> None:
    illegal = 0
    for seed in range(60):
        rng = random.Random(seed)
        calls = passes.draw_legal(MATMUL_STATES, rng, 5)
        spoilt = passes.spoil(calls, rng)
        assert 1 <= len(spoilt) - len(calls) <= 2
        left = iter(spoilt)
        assert all(call in left for call in calls)
        illegal += not passes.is_legal(MATMUL_STATES, spoilt)
    assert illegal > 20
