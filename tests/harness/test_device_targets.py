"""Targets on a device: what the fuzzer finds in code that V8, naga or tint takes, or refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import psutil
import pytest
import tvm
from tvm import tirx

from harness import passes
from harness.case import Case, PassCall, module_text
from harness.devices.base import KernelFailed
from harness.oracles.failures import of_failure
from harness.oracles.oracle import Found, Sequence
from harness.oracles.verify import verify
from harness.passes.build import lower
from harness.semantics.reference import reference_of
from harness.targets import get_target
from harness.targets.web import DEVICES_OF_WEBGPU
from harness.verdict import Kind, Verdict
from harness.worker.sandbox import Settings, Worker
from tests import programs
from tests.missing import skip_without

DEVICES = ["wasm", *DEVICES_OF_WEBGPU]
GPUS = [name for name in DEVICES if name != "wasm"]
INT32_MIN = -(1 << 31)

HEAD = """
@I.ir_module
class Module:
    @T.prim_func(s_tir=True)
"""
ROWS_OF_INT64 = (
    HEAD
    + """
    def main(a: T.Buffer((7,), "int64"), b: T.Buffer((7,), "int64")):
        for i in T.parallel(T.int64(2), T.int64(5)):
            b[i] = a[i] * T.int64(3)
"""
)
NO_END = (
    HEAD
    + """
    def main(a: T.Buffer((4,), "int32")):
        while a[0] < 1:
            a[1] = 3
"""
)
IN_MEMORY_OF_ITS_OWN = (
    HEAD
    + """
    def main(a: T.Buffer((6,), "float32"), b: T.Buffer((6,), "float32")):
        kept = T.alloc_buffer((6,), "float32")
        for i in T.parallel(6):
            kept[i] = a[i] + T.float32(1)
        for i in T.parallel(6):
            b[i] = kept[5 - i]
"""
)


@pytest.fixture(autouse=True)
def available(request: pytest.FixtureRequest) -> None:
    """Skip a test whose target needs what is not installed, where that may be so."""
    name = request.node.callspec.params.get("name") if hasattr(request.node, "callspec") else None
    missing = get_target(name).available() if name else None
    if missing:
        skip_without(missing)


def module_of(source: str) -> Any:
    return tvm.script.from_source(source)


def of_one(value: Any, dtype: str = "float32") -> Any:
    """target[0] = value(source[0])."""
    source, target = (tirx.decl_buffer((1,), dtype, name) for name in ("source", "target"))
    store = tirx.BufferStore(target, value(tirx.BufferLoad(source, [0])), [0])
    function = tirx.PrimFunc([source, target], store).with_attr("global_symbol", "main")
    return tvm.IRModule({"main": function})


def verdict(module: Any, name: str, *calls: PassCall) -> Verdict:
    return verify(Case(module_text(module), calls, target=name))


@pytest.mark.parametrize("name", ["wasm-direct", *DEVICES])
def test_plain_programs_are_fine(name: str) -> None:
    for module in (
        programs.scaled_sum(),
        programs.scaled_sum("int32"),
        programs.matmul(),
        programs.store_at(lambda i: 3 - i),
        module_of(IN_MEMORY_OF_ITS_OWN),
        of_one(tirx.exp),
    ):
        found = verdict(module, name)
        assert found.kind is Kind.OK, found


@pytest.mark.parametrize("name", DEVICES)
def test_a_silent_miscompilation_shows_on_a_device(name: str) -> None:
    found = verdict(programs.shifted_inner(), name)
    assert (found.kind, found.pass_name) == (Kind.WRONG_RESULT, "s_tir.CanonicalizeLoop")


@pytest.mark.parametrize("name", DEVICES)
def test_the_order_of_a_device_ends_before_tvm_s_runtime_is_asked_for(name: str) -> None:
    order = [call.name for call in passes.default_order(name)]
    assert len(order) > 20 and "tirx.MakePackedAPI" not in order
    assert passes.is_legal(passes.initial_states(programs.matmul()), passes.default_order(name))
    assert verdict(programs.matmul(), name, *passes.default_order(name)).kind is Kind.OK


@pytest.mark.parametrize("name", GPUS)
@pytest.mark.parametrize(
    ("module", "word"),
    [
        (of_one(lambda x: tirx.max(x, tirx.const(INT32_MIN, "int32")), "int32"), ""),
        (of_one(lambda x: tirx.min(x, tirx.const(float("inf"), "float32"))), "inff"),
        (of_one(tirx.log1p), "log1pf"),
    ],
    ids=["the smallest integer", "infinity", "log1p"],
)
def test_a_shader_that_is_refused_is_a_finding(name: str, module: Any, word: str) -> None:
    found = verdict(module, name)
    assert (found.kind, found.legal) == (Kind.INVALID_CODEGEN, True), found
    assert word in found.message


@pytest.mark.parametrize("name", ["wasm", "wasm-direct"])
@pytest.mark.parametrize("dtype", ["int8", "uint16", "int64", "uint32", "float64"])
def test_wasm_computes_with_every_scalar_of_its_own(name: str, dtype: str) -> None:
    assert verdict(programs.scaled_sum(dtype), name).kind is Kind.OK


@pytest.mark.parametrize("name", ["wasm", "wasm-direct"])
@pytest.mark.parametrize("function", ["atan2", "fmod", "log1p", "pow", "round", "sinh", "tan"])
def test_what_c_s_mathematics_gives_is_imported(name: str, function: str) -> None:
    apply = getattr(tirx, function)
    binary = function in ("atan2", "fmod", "pow")
    for dtype in ("float32", "float64"):
        half = tirx.const(0.5, dtype)
        found = verdict(of_one(lambda x: apply(x, half) if binary else apply(x), dtype), name)  # noqa: B023
        if function == "fmod" and name == "wasm":  # TVM has none for processors, and says so
            assert "documented limit" in found.message, found
        else:
            assert found.kind is Kind.OK, found


@pytest.mark.parametrize("name", ["wasm", "wasm-direct"])
def test_parallel_loops_may_start_anywhere_and_count_in_int64(name: str) -> None:
    assert verdict(module_of(ROWS_OF_INT64), name).kind is Kind.OK


@pytest.mark.parametrize(
    ("name", "module", "words"),
    [
        ("wasm", programs.scaled_sum("float16"), "it computes with float16"),
        ("webgpu", programs.scaled_sum("float64"), "it computes with float64"),
        ("webgpu", programs.scaled_sum("int8"), "it computes with int8"),
    ],
)
def test_what_a_target_cannot_express_is_no_finding(name: str, module: Any, words: str) -> None:
    found = verdict(module, name)
    assert (found.kind, found.message) == (Kind.INVALID, f"not for {name}: {words}")


@pytest.mark.parametrize("name", DEVICES)
def test_the_program_on_a_device_begins_with_the_meaning_that_it_had(name: str) -> None:
    module = module_of(IN_MEMORY_OF_ITS_OWN)
    case = Case(module_text(module), target=name)
    prepared = case.with_module(get_target(name).prepare(module))
    before, after = reference_of(case), reference_of(prepared)
    assert after.expectation is not None
    assert before.mismatch(list(after.expectation.outputs)) is None


def run_unjudged(module: Any, name: str) -> None:
    """Compile and run what the reference interpreter would not let through."""
    target = get_target(name)
    calls = passes.complete(passes.initial_states(module), (), name)
    executable = target.build(lower(target.prepare(module), calls))
    assert executable is not None
    executable.run([np.zeros(4, np.int32)])


@pytest.mark.once
@pytest.mark.parametrize("name", ["wasm"])
@pytest.mark.parametrize(
    ("module", "kind", "words"),
    [
        (module_of(NO_END), Kind.HANG, "was not done after"),
        (programs.store_at(lambda i: i + 1), Kind.OUT_OF_BOUNDS, "0 bytes past the end"),
        (programs.store_at(lambda i: i - 1), Kind.OUT_OF_BOUNDS, "4 bytes before the start"),
        (programs.store_at(lambda i: i << 28), Kind.OUT_OF_BOUNDS, "out of bounds"),
    ],
    ids=["endless", "past the end", "before the start", "far away"],
)
def test_what_a_kernel_does_wrong_is_known(name: str, module: Any, kind: Kind, words: str) -> None:
    with pytest.raises(KernelFailed, match=words) as failure:
        run_unjudged(module, name)
    sequence = Sequence("plain", (), 0)
    found = of_failure(failure.value, sequence, "run")
    assert isinstance(found, Found)
    assert found.verdict.kind is kind
    assert verdict(programs.scaled_sum(), name).kind is Kind.OK


@pytest.mark.once
@pytest.mark.parametrize("name", ["wasm", "webgpu"])
def test_the_device_ends_with_its_worker(name: str) -> None:
    case = Case(module_text(programs.scaled_sum()), target=name)
    before = set(psutil.Process().children(recursive=True))
    with Worker(Settings()) as worker:
        outcome = worker.run({"case": case.to_json()})
        assert outcome.status == "done", outcome
        assert Verdict.from_json(outcome.reply["verdict"]).kind is Kind.OK
        started = set(psutil.Process().children(recursive=True)) - before
        commands = [" ".join(each.cmdline()) for each in started]
        assert any("node" in text or "wgpu" in text for text in commands), commands
    _, alive = psutil.wait_procs(list(started), timeout=20)
    assert not alive
