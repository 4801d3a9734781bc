"""The commands as a user types them: output that can be piped, errors that say how to fix it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from jitweb.cli import main
from jitweb.output import _unmeasured_text
from tests.command import run_command
from tests.harness.liar import LyingPage, answered
from tests.jitweb.tiny import Tiny
from tests.tab import Tab

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-c", "from jitweb.cli import main; main()"]


def jitweb(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return run_command(main, *arguments, **environment)


def test_tune_verify_run_and_bench(products: dict[str, Path], tmp_path: Path) -> None:
    out, records = tmp_path / "out", tmp_path / "r.sqlite3"
    tune = ["tune", products["first"], "--records", records, "-o", out, "--json"]
    tuned = jitweb(*tune)
    assert tuned.returncode == 0, tuned.stderr
    report = json.loads(tuned.stdout)
    assert report.keys() >= {"latency_ms", "static_ms", "device", "kernels", "tuning_s", "bundle"}
    assert report["measured"] > 0 and report["tuning_s"] > 0
    for row in report["kernels"]:
        assert row.keys() >= {"task", "kind", "sites", "tried", "ms", "share", "gflops"}

    again = jitweb(*tune)
    assert json.loads(again.stdout)["measured"] == 0
    tried = {row["task"]: row["tried"] for row in report["kernels"]}
    assert {row["task"]: row["tried"] for row in json.loads(again.stdout)["kernels"]} == tried

    verified = jitweb("verify", out)
    assert verified.returncode == 0, verified.stderr
    assert "ok" in verified.stdout and "onnx.reference" in verified.stdout

    benched = json.loads(jitweb("bench", out, "--time", "1s", "--json").stdout)
    assert benched.keys() >= {"latency_ms", "device", "kernels", "tuning_s", "first_result_ms"}
    assert {row["task"]: row["tried"] for row in benched["kernels"]} == tried
    assert 0 < benched["tuning_s"] <= json.loads(again.stdout)["tuning_s"]

    np.savez(tmp_path / "x.npz", x=np.ones((4, 64), np.float32))
    ran = jitweb("run", out, "--input", tmp_path / "x.npz", "-o", tmp_path / "y.npz")
    assert ran.returncode == 0, ran.stderr
    with np.load(tmp_path / "y.npz") as archive:
        assert archive["y"].shape == (4, 512)

    listed = json.loads(jitweb("records", "ls", "--records", records, "--json").stdout)
    assert {row["status"] for row in listed} == {"ok"}
    moved = tmp_path / "moved.jsonl"
    assert jitweb("records", "export", moved, "--records", records).returncode == 0
    other = tmp_path / "other.sqlite3"
    assert jitweb("records", "import", moved, "--records", other).returncode == 0
    assert json.loads(jitweb("records", "ls", "--records", other, "--json").stdout) == listed


def test_what_a_bundle_says_is_not_obeyed_by_the_terminal(bundle: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(bundle, copy)
    plan = json.loads((copy / "plan.json").read_text())
    for task in plan["tasks"].values():
        task["name"] = "\x1b]0;t\x07gone"  # which click strips of nothing
    (copy / "plan.json").write_text(json.dumps(plan))
    done = jitweb("bench", copy, "--time", "1s")
    assert done.returncode == 0, done.stderr
    assert "gone" in done.stdout and "\x1b" not in done.stdout and "\x07" not in done.stdout


def test_a_changed_bundle_is_status_one(bundle: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-r", bundle, copy], check=True)
    (copy / "runtime.mjs").write_text("export const load = null;")
    done = jitweb("verify", copy, "--target", "wasm")
    assert done.returncode == 1
    assert "runtime.mjs is not as it was written" in done.stdout
    assert "copy the bundle again, or tune the model again" in done.stdout


def test_inspect_shows_every_kernel(small_models: dict[str, Path]) -> None:
    report = json.loads(jitweb("inspect", small_models["gpt"], "--json").stdout)
    assert sum(row["sites"] for row in report["tasks"]) == report["calls"]
    assert sum(row["share"] for row in report["tasks"]) == pytest.approx(1)
    assert "matmul" in jitweb("inspect", small_models["gpt"]).stdout


def test_an_interrupted_tune_keeps_what_it_has(
    small_models: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command = [*COMMAND, "tune", str(small_models["bert"]), "--budget", "60s", "-o", str(out)]
    records = str(tmp_path / "r.sqlite3")
    process = subprocess.Popen(
        [*command, "--records", records],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "tried" in line:
            break
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    assert jitweb("verify", out).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["tune", "/nowhere.onnx"], "/nowhere.onnx does not exist"),
        (["tune", "{tmp}"], "is a folder"),
        (["tune", "{garbage}"], "is a text and not a model"),
        (["tune", "/dev/zero"], "is not a regular file"),
        (["verify", "{garbage}"], "is a file; name the bundle's folder"),
        (["tune", "{cut}"], "damaged"),
        (["tune", "{bert}", "--target", "cuda"], "the targets are wasm and webgpu"),
        (["tune", "{bert}", "--shape", "input_ids"], "is not a shape"),
        (["tune", "{bert}", "--shape", "ids=1x16"], "the model's inputs are input_ids"),
        (["tune", "{bert}", "--shape", "input_ids=1X17"], "it is fixed at 1x16 in the file"),
        (["inspect", "{bert}", "--shape", "input_ids=1xN:512"], "input_ids=1xN:512 does not fit"),
        (["inspect", "{bert}", "--shape", "ids=1xN"], "N needs its greatest length: 1xN:512"),
        (["inspect", "{bert}", "--shape", "ids=M:4xN:512"], "only one length can be open"),
        (["inspect", "{bert}", "--shape", "ids=0x4"], "a size is at least 1"),
        (["inspect", "{bert}", "--shape", "ids=1x-4"], "a size is at least 1"),
        (["inspect", "{bert}", "--shape", "ids=1xN:99999999999"], "is open to 9999999 at most"),
        (["inspect", "{bert}", "--target", "webgpu"], "compiles for wasm alone"),
        (["tune", "{bert}", "--shard", "1KB"], "give at least 1MB"),
        (["tune", "{bert}", "--device", "http://192.0.2.1:80"], "such as http://127.0.0.1:8100"),
        (["records", "ls", "--records", "{tmp}/nope.db"], "nope.db does not exist"),
        (["records", "export", "{garbage}/x"], "name another file"),
        (["records", "import", "{garbage}"], "by jitweb records export FILE"),
        (["tune", "{bert}", "--shape", "x=1", "--shape", "x=2"], "x is given twice"),
        (["tune", "{bert}", "--budget", "soon"], "give one such as"),
        (["tune", "{bert}", "--device", "wgpu"], "wgpu runs no WebAssembly"),
        (["tune", "{bert}", "--target", "webgpu", "--device", "node"], "node runs no WebGPU"),
        (["tune", "{bert}", "-o", "{garbage}"], "is a file"),
        (["tune", "/nowhere.onnx", "-o", "{garbage}/x"], "garbage.onnx is a file; name another"),
        (["tune", "/nowhere.onnx", "-o", "/proc/x"], "/proc takes no new folder"),
        (["tune", "{bert}", "--records", "{garbage}"], "can't be used for records"),
        (["verify", "{tmp}"], "is not a bundle"),
        (["verify", "{bundle}", "--target", "metal"], "metal"),
        (["run", "{bundle}", "--input", "{garbage}", "-o", "y.npz"], "can't be read as .npz"),
        *(
            (["run", "{bundle}", "--input", name, "-o", "y.npz"], "can't be read as .npz")
            for name in ("{tmp}/array.npy", "{tmp}/empty.npz", "{tmp}/cut.npz", "{tmp}")
        ),
        (["run", "{bundle}", "--input", "{tmp}/no.npz", "-o", "y.npz"], "no.npz does not exist"),
        (["tune", "{bert}", "--target", "wasm,webgpu", "--device", "node"], "node runs no WebGPU"),
        (["bench", "/nowhere"], "/nowhere does not exist; name the folder of a bundle"),
        (["serve", "{tmp}"], "is not a bundle"),
        (["records", "import", "{garbage}"], "line 1 is not a record"),
        (["frobnicate"], "No such command"),
    ],
)
def test_wrong_use_is_one_line_and_status_two(
    small_models: dict[str, Path],
    bundle: Path,
    tmp_path: Path,
    arguments: list[str],
    words: str,
) -> None:
    garbage, cut = tmp_path / "garbage.onnx", tmp_path / "cut.onnx"
    garbage.write_text("this is not a model\n")
    content = small_models["bert"].read_bytes()
    cut.write_bytes(content[: len(content) // 2])
    np.save(tmp_path / "array.npy", np.zeros(3))
    np.savez(tmp_path / "cut.npz", x=np.zeros(300))
    (tmp_path / "cut.npz").write_bytes((tmp_path / "cut.npz").read_bytes()[:300])
    (tmp_path / "empty.npz").touch()
    places = {
        "tmp": tmp_path, "garbage": garbage, "cut": cut, "bert": small_models["bert"],
        "bundle": bundle,
    }  # fmt: skip
    before = sorted(path.name for path in tmp_path.iterdir())
    given = [argument.format(**places) for argument in arguments]
    if arguments[0] == "tune" and "-o" not in arguments:
        given += ["-o", str(tmp_path / "out")]
    done = jitweb(*given, JITWEB_RECORDS=str(tmp_path.parent / "records.sqlite3"))
    assert done.returncode == 2, done.stdout
    lines = [line for line in done.stderr.splitlines() if line.startswith("jitweb:")]
    assert len(lines) == 1 and words in lines[0], done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_search_that_ended_early_says_how_many_kernels_it_measured() -> None:
    part = {"kernels": [{"ms": 1.0}, {"ms": None}, {"ms": None}]}
    assert _unmeasured_text(part) == (
        "1 of 3 kernels measured, the rest by the space's static order; a longer --budget goes on"
    )
    assert _unmeasured_text({"kernels": [{"ms": None}]}).startswith("nothing measured")


def test_the_forms_of_a_shape_are_shown_as_they_are_typed() -> None:
    assert "--shape NAME=1x128" in jitweb("tune", "--help").stdout


def test_a_broken_bundle_is_not_served_and_what_is_missing_is_called_so(tmp_path: Path) -> None:
    out = Tiny(targets=("wasm",)).write(tmp_path / "out")
    changed = sorted(path for path in out.glob("*.wasm"))[0]
    changed.write_bytes(b"")
    done = jitweb("serve", out)
    assert done.returncode == 2 and done.stderr.startswith(f"jitweb: {changed} was changed; copy")
    changed.unlink()
    done = jitweb("serve", out)
    assert done.returncode == 2 and done.stderr.startswith(f"jitweb: {changed} is missing; copy")
    done = jitweb("verify", out)
    assert done.returncode == 1 and f"missing  {changed.name} is not there" in done.stdout


def test_a_target_that_a_bundle_lacks_is_named_with_those_that_it_holds(tmp_path: Path) -> None:
    out = Tiny(targets=("wasm",)).write(tmp_path / "out")
    for command in ("verify", "bench"):
        done = jitweb(command, out, "--target", "webgpu")
        assert done.returncode == 2 and done.stdout == ""
        assert done.stderr == f"jitweb: {out} holds wasm and no webgpu; tune it for that\n"


@pytest.mark.parametrize("arguments", [["--help"], ["tune", "--help"], ["records", "ls"]])
def test_help_and_records_import_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    code = (
        "import sys\nfrom jitweb.cli import main\n"
        "try: main()\n"
        "finally: print(*sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=os.environ | {"JITWEB_RECORDS": str(tmp_path / "r.sqlite3")},
    )
    assert done.returncode == 0
    assert not {"tvm", "numpy", "onnx"} & set(done.stderr.split())


def test_tuning_in_whichever_browser_opens_the_page(
    small_models: dict[str, Path], tmp_path: Path, browser: None
) -> None:
    arguments = ["tune", small_models["bert"], "--target", "wasm,webgpu", "--json"]
    arguments += ["--budget", "4s"]
    where = ["--device", "http://127.0.0.1:0", "--records", tmp_path / "r", "-o", tmp_path / "out"]
    with subprocess.Popen(
        [*COMMAND, *map(str, arguments + where)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        address = process.stderr.readline().split()[1]
        with Tab(address):
            output, errors = process.communicate(timeout=180)
    assert process.returncode == 0, errors
    assert "measuring in Chromium" in errors
    report = json.loads(output)
    for target in ("wasm", "webgpu"):
        part = report["targets"][target]
        assert part["device"]["device"] == "browser" and part["measured"] > 0


def test_a_page_that_lies_ends_the_search_in_one_line_and_is_not_recorded(
    small_models: dict[str, Path], tmp_path: Path
) -> None:
    records = tmp_path / "r"
    model, where = small_models["bert"], ["--device", "http://127.0.0.1:0", "--records", records]
    with subprocess.Popen(
        [*COMMAND, "tune", str(model), *map(str, where), "-o", str(tmp_path / "out")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        address = process.stderr.readline().split()[1]
        LyingPage(
            address,
            lambda request: (
                [answered(request["id"], {"samples": [[1e-5, -1.0]]})]
                if request["do"] == "time"
                else ()
            ),
        )
        errors = process.communicate(timeout=60)[1]
    assert process.returncode == 2
    assert "measuring in Liar 1 on Linux" in errors and "Traceback" not in errors
    (line,) = [line for line in errors.splitlines() if line.startswith("jitweb: ")]
    assert "samples holds what is not the time of a call; choose another --device" in line
    assert json.loads(jitweb("records", "ls", "--records", records, "--json").stdout) == []
