"""Variants: a model of two plans with shared weights, of which the inputs choose one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jitweb.bench import bench_bundle
from jitweb.bundle import read_plan
from jitweb.errors import JitwebError
from jitweb.host import open_host
from jitweb.serve import serve
from tests.jitweb.test_runtime import in_node
from tests.jitweb.test_runtime_page import in_page
from tests.jitweb.tiny import IDS, POISON, Tiny, check
from tests.tab import Tab

IN_TURNS = """
    const model = await load(PLACE, OPTIONS), results = [];
    const slow = { ...right(), fast: false }, fast = { ids: ids(), fast: true };
    for (let i = 0; i < 12; i++) results.push(model.run(i % 4 < 2 ? slow : fast));
    const calls = [(await model.profile(slow)).length, (await model.profile(fast)).length];
    return { results: await Promise.all(results), calls, notes: model.notes };"""


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The hand-written bundle with two variants."""
    return Tiny(has_variants=True).write(tmp_path_factory.mktemp("variants") / "bundle")


def check_turns(returned: Any) -> None:
    for number, result in enumerate(returned["results"]):
        if number % 4 < 2:
            check(result)
        else:
            assert result == {"twice": [2, -4, 6, 4294966, 0]}
    assert returned["calls"][0] > returned["calls"][1] == 1 and returned["notes"] == []


@pytest.mark.parametrize("threads", [1, 3])
def test_inputs_choose_the_variant(both: Path, threads: int) -> None:
    text = IN_TURNS.replace("PLACE", json.dumps(str(both)))
    check_turns(in_node(text.replace("OPTIONS", f'{{ target: "wasm", threads: {threads} }}')))


def test_threads_stay_together_where_a_variant_shares_no_calls(tmp_path: Path) -> None:
    """One that the first thread runs alone must not run ahead of the others."""
    folder = Tiny(has_variants=True, small=("double",)).write(tmp_path / "bundle")
    text = IN_TURNS.replace("PLACE", json.dumps(str(folder)))
    check_turns(in_node(text.replace("OPTIONS", '{ target: "wasm", threads: 3 }')))


@pytest.mark.parametrize("target", ["wasm", "webgpu"])
def test_inputs_choose_the_variant_in_a_browser(both: Path, target: str, browser: None) -> None:
    text = IN_TURNS.replace("PLACE", '"/"').replace("OPTIONS", f'{{ target: "{target}" }}')
    (returned,) = in_page(both, text)
    check_turns(returned)


def test_the_faster_target_is_found_with_inputs_that_choose_a_variant(
    both: Path, browser: None
) -> None:
    (returned,) = in_page(
        both,
        """
        const model = await load("/");
        return { notes: model.notes, result: await model.run({ ...right(), fast: [0] }) };""",
    )
    assert returned["notes"] == []
    check(returned["result"])


def test_what_a_variant_does_not_read_may_be_left_out_or_be_anything(both: Path) -> None:
    returned = in_node(f"""
        const model = await load({json.dumps(str(both))}, {{ target: "wasm" }}), results = [];
        for (const x of [undefined, null, [], new Float32Array(0), floats(), "anything"]) {{
          for (const fast of [true, [true], [1], Uint8Array.of(1), [1n]]) {{
            results.push(await model.run({{ x, fast, ids: ids() }}));
          }}
        }}
        const {{ inputs, outputs, variants }} = model;
        return {{ results, inputs, outputs, variants }};""")
    assert all(each == {"twice": [2, -4, 6, 4294966, 0]} for each in returned["results"])
    assert [each["name"] for each in returned["inputs"]] == ["x", "ids", "fast"]
    assert [each["name"] for each in returned["outputs"]] == ["y", "twice", "stacks"]
    assert [each["when"] for each in returned["variants"]] == [{"fast": False}, {"fast": True}]
    names = [[each["name"] for each in variant["inputs"]] for variant in returned["variants"]]
    assert names == [["x", "ids", "fast"], ["fast", "ids"]]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ("{ ids: ids(), x: floats() }", "the input fast is missing: bool [1], 1 elements"),
        ("{ ...right(), fast: [] }", "the input fast has 0 elements"),
        ("{ ...right(), fast: [true, false] }", "the input fast has 2 elements"),
        ("{ ...right(), fast: 'yes' }", "the input fast must be bool"),
        ("{ ids: ids(), fast: false }", "the input x is missing"),
        ("{ ...right(), fast: true, other: 1 }", "no input other; it has x, ids, fast"),
        ("undefined", "the input x is missing"),
    ],
)
def test_inputs_that_choose_none_are_an_error(both: Path, inputs: str, message: str) -> None:
    returned = in_node(f"""
        const model = await load({json.dumps(str(both))}, {{ target: "wasm" }});
        return words(() => model.run({inputs}));""")
    assert returned.startswith("Error: ") and message in returned


def test_a_trap_in_one_variant_leaves_the_other_as_it_was(both: Path) -> None:
    returned = in_node(f"""
        const model = await load({json.dumps(str(both))}, {{ target: "wasm", threads: 3 }});
        const poisoned = ids();
        poisoned[{IDS - 1}] = {POISON}n;
        const message = await words(() => model.run({{ ids: poisoned, fast: true }}));
        return {{ message, after: await model.run({{ ...right(), fast: false }}) }};""")
    assert "the kernel double failed" in returned["message"]
    check(returned["after"])


def test_bench_measures_each_variant(both: Path) -> None:
    report = bench_bundle(both, "wasm", 1, 0.2)
    assert [each["when"] for each in report["variants"]] == [{"fast": False}, {"fast": True}]
    sites = [{row["name"]: row["sites"] for row in each["kernels"]} for each in report["variants"]]
    assert sites == [{"add": 1, "reverse": 2, "double": 1, "stack": 1}, {"double": 1}]
    assert report["latency_ms"] == report["variants"][0]["latency_ms"]


def test_the_page_offers_the_variants(both: Path, browser: None) -> None:
    with serve(both) as address, Tab(f"{address}?target=wasm&variant=1&run=1") as tab:
        tab.wait_until("['done', 'error'].includes(document.documentElement?.dataset.state)")
        assert tab.evaluate("window.jitweb.result.when") == {"fast": True}
        texts = "[...document.querySelector('#variant').options].map(({ text }) => text)"
        assert tab.evaluate(texts) == ["fast=false", "fast=true"]
        assert "twice" in tab.evaluate("document.querySelector('#tensors').textContent")


def test_the_command_lines_host_runs_the_variant_that_arrays_choose(both: Path) -> None:
    ids = np.array([[1, -2, 3, 2147483, 0]])
    with open_host(both, read_plan(both), "wasm", 1) as host:
        found = host.run({"ids": ids, "fast": np.array([True]), "x": np.zeros(0)})
        assert list(found) == ["twice"] and found["twice"].tolist() == [[2, -4, 6, 4294966, 0]]
        with pytest.raises(JitwebError, match="pass fast=false or fast=true"):
            host.run({"ids": ids})
