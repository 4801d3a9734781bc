"""Latency of a whole model: a jitweb bundle compared with onnxruntime-web, in the same V8.

    python benchmarks/web_latency.py BUNDLE MODEL.onnx [--where node|chromium]
        [--target wasm|webgpu] [--threads 1] [--rounds 15] [--adapter auto|software] [--json]
    python benchmarks/web_latency.py --peer-only MODEL.onnx ...

Both are loaded into one process and get the same inputs. They run alternately: first until their
times stop falling, then for the given number of rounds, so that other load on the machine affects
both. `ratio` is the peer's minimum time ÷ ours: above 1, ours is faster. `first_result_ms` is the
time from nothing to the first output: fetching or reading, compiling, and one run. The bundle is
used through its own runtime, as a page does; the peer is installed with npm, in the version below,
into build/peers. WebGPU needs `--where chromium`, and runs on the GPU if there is one, otherwise
(or with `--adapter software`) on the browser's software adapter.

Exit status 1 if the outputs differ, 2 with a one-line message if something is missing or fails.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import onnx

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from peers import install_npm

from harness.devices.base import DeviceError
from harness.devices.browser import browser_command, find_browser, may_have_gpu
from harness.devices.node import find_node, processor_name
from harness.devices.page import BROWSER_SUPERVISOR
from jitweb.bundle import read_plan
from jitweb.errors import JitwebError
from jitweb.onnx.graph import graph_inputs
from jitweb.onnx.read import fix_shapes

PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
HERE = Path(__file__).resolve()
# The files that a page with the peer downloads (the package's `exports`), the entry point first.
PEER_FILES = {
    ("node", "wasm"): "ort.node.min.mjs ort-wasm-simd-threaded.mjs ort-wasm-simd-threaded.wasm",
    ("chromium", "wasm"): "ort.wasm.bundle.min.mjs ort-wasm-simd-threaded.wasm",
    ("chromium", "webgpu"): "ort.webgpu.bundle.min.mjs ort-wasm-simd-threaded.asyncify.wasm",
}
TOLERANCE = {"wasm": 1e-3, "webgpu": 1e-2}  # of an output's largest magnitude; webgpu may use f16
WARM_MS = 20_000.0  # maximum warm-up of one side
SILENCE_SECONDS = 600.0  # timeout without a message from the measurement
OTHER_IDS = 100  # upper bound of integer inputs that no Gather uses as indices
PASS_ON = ("Cast", "Reshape", "Squeeze", "Unsqueeze", "Identity", "Flatten")


@dataclass(frozen=True)
class Job:
    """The options of a measurement."""

    model: Path
    bundle: Path | None
    where: str
    target: str
    threads: int
    rounds: int
    adapter: str


# The model and its inputs


@dataclass(frozen=True)
class Model:
    """The parts of the ONNX file that are needed here.

    `inputs` have `name`, `dtype` and `shape`; `symbols` are the extents of symbolic dimensions;
    `tables` are, by an input's name, the rows of the table that a Gather indexes with the input.
    """

    inputs: list[dict[str, Any]]
    symbols: Mapping[str, int]
    tables: Mapping[str, int]
    external: tuple[Path, ...]


def read_model(path: Path, plan: Mapping[str, Any] | None) -> Model:
    """Read the model; its symbolic shapes are those of the bundle.

    Raises:
        JitwebError: the model can't be read, or is not that of the bundle.
    """
    try:
        model = onnx.load(str(path), load_external_data=False)
    except OSError as error:
        raise JitwebError(f"{path} can't be read ({error.strerror}); name an ONNX file") from None
    except Exception as error:  # protobuf's DecodeError, which is in no public module
        raise JitwebError(f"{path} is not an ONNX file: {error}") from None
    values = graph_inputs(model)
    tensors = plan["variants"][0]["inputs"] if plan else []
    shapes = {each["name"]: each["shape"] for each in tensors}
    named = [[dim.dim_param for dim in value.type.tensor_type.shape.dim] for value in values]
    try:
        fix_shapes(model, shapes)
    except JitwebError as error:
        hint = "the bundle is of another model" if plan else "add a bundle, which has its shapes"
        raise JitwebError(f"{path}: {hint} ({error})") from None
    inputs = [describe(value) for value in values]
    symbols = {
        symbol: extent
        for names, each in zip(named, inputs, strict=True)
        for symbol, extent in zip(names, each["shape"], strict=True)
        if symbol
    }
    return Model(inputs, symbols, rows(model), data(model, path))


def describe(value: onnx.ValueInfoProto) -> dict[str, Any]:
    kind = value.type.tensor_type
    dtype = str(onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type))
    return {"name": value.name, "dtype": dtype, "shape": [dim.dim_value for dim in kind.shape.dim]}


def rows(model: onnx.ModelProto) -> dict[str, int]:
    tables = {tensor.name: tensor.dims[0] for tensor in model.graph.initializer if tensor.dims}
    source = {value.name: value.name for value in graph_inputs(model)}
    found: dict[str, int] = {}
    for node in model.graph.node:
        if node.op_type in PASS_ON and node.input[0] in source:
            source[node.output[0]] = source[node.input[0]]
        if node.op_type == "Gather" and node.input[0] in tables and node.input[1] in source:
            name, count = source[node.input[1]], tables[node.input[0]]
            found[name] = min(count, found.get(name, count))
    return found


def data(model: onnx.ModelProto, path: Path) -> tuple[Path, ...]:
    """The files of the external weights."""
    tensors = model.graph.initializer
    entries = (entry for tensor in tensors for entry in tensor.external_data)
    places = sorted({entry.value for entry in entries if entry.key == "location"})
    for place in places:
        if Path(place).name != place or not (path.parent / place).is_file():
            raise JitwebError(f"the weights file {place} is not in the model's folder")
    return tuple(path.parent / place for place in places)


def make_inputs(model: Model) -> list[np.ndarray]:
    """Ids below their table's size, masks of ones, token types of zeros, and normal floats."""
    rng = np.random.default_rng(0)
    made = []
    for each in model.inputs:
        name, dtype, shape = each["name"], np.dtype(each["dtype"]), each["shape"]
        if dtype.kind == "f":
            made.append(rng.standard_normal(shape).astype(dtype))
        elif dtype.kind == "b" or "mask" in name:
            made.append(np.ones(shape, dtype))
        elif "type" in name:
            made.append(np.zeros(shape, dtype))
        else:
            made.append(rng.integers(0, model.tables.get(name, OTHER_IDS), shape).astype(dtype))
    return made


# Node and Chromium


def populate(site: Path, job: Job, model: Model, dist: Path) -> None:
    """Fill the folder of the measurement with links to the files that it reads and its request."""
    links = {"model.onnx": job.model, "peer": dist, "index.html": HERE.with_suffix(".html")}
    links |= {HERE.with_suffix(".mjs").name: HERE.with_suffix(".mjs")}
    links |= {f"data.{number}": path for number, path in enumerate(model.external)}
    links |= {"bundle": job.bundle} if job.bundle else {}
    for name, path in links.items():
        (site / name).symlink_to(path.resolve())
    for number, array in enumerate(make_inputs(model)):
        (site / f"input.{number}").write_bytes(array.tobytes())
    request = {
        "ours": "bundle/" if job.bundle else None,
        "peer": f"peer/{PEER_FILES[job.where, job.target].split()[0]}",
        "external": {path.name: f"data.{number}" for number, path in enumerate(model.external)},
        "symbols": dict(model.symbols),
        "inputs": model.inputs,
        "target": job.target,
        "threads": job.threads,
        "rounds": job.rounds,
        "warm_ms": WARM_MS,
        "tolerance": TOLERANCE[job.target],
    }
    (site / "request.json").write_text(json.dumps(request))


def run_in_node(site: Path) -> dict[str, Any]:
    """Measure in a Node process, which prints its progress to standard error."""
    command = [find_node(), str(HERE.with_suffix(".mjs")), site.as_uri() + "/"]
    status = subprocess.run(command, stdout=sys.stderr).returncode
    if not (site / "result").is_file():
        raise JitwebError(f"Node ended with status {status} (out of memory?)")
    answer: dict[str, Any] = json.loads((site / "result").read_text())
    return answer


class BenchmarkHandler(SimpleHTTPRequestHandler):
    """Serves the page and its files and receives its result; refuses requests of other pages."""

    protocol_version = "HTTP/1.1"
    server: BenchmarkServer

    def send_head(self) -> Any:
        if self.headers["Host"] == self.server.host:
            return super().send_head()
        self.send_error(404)
        return None

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.headers["Origin"] == f"http://{self.server.host}":
            self.server.receive(self.path, body)
        self.send_response(204)
        self.end_headers()

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-store")
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()

    def log_message(self, format: str, *_: Any) -> None:
        pass


class BenchmarkServer(ThreadingHTTPServer):
    """The page's server, on a free port of 127.0.0.1."""

    daemon_threads = True

    def __init__(self, site: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(BenchmarkHandler, directory=str(site)))
        self.host = f"127.0.0.1:{self.server_port}"
        self.last_message = time.monotonic()
        self.result: dict[str, Any] | None = None
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *error: Any) -> None:
        self.shutdown()
        self.server_close()

    def receive(self, path: str, body: str) -> None:
        self.last_message = time.monotonic()
        if path == "/result":
            self.result = json.loads(body)
        else:
            print(body, file=sys.stderr, flush=True)


def run_in_chromium(site: Path, adapter: str) -> dict[str, Any]:
    """Measure in a page of a fresh, headless Chromium.

    Raises:
        JitwebError: the browser ended, or the page sent no message for too long.
    """
    software = adapter == "software" or not may_have_gpu()
    command = browser_command(find_browser(), site / "profile", software=software)
    supervisor = [sys.executable, "-I", str(BROWSER_SUPERVISOR), str(site / "profile")]
    with BenchmarkServer(site) as server:
        process = subprocess.Popen(
            [*supervisor, *command, f"http://{server.host}/"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        with process:  # on exit this closes its standard input, and the supervisor ends the browser
            while server.result is None:
                time.sleep(0.2)
                if process.poll() is not None:
                    raise JitwebError(f"the browser ended with status {process.returncode}")
                if time.monotonic() - server.last_message > SILENCE_SECONDS:
                    raise JitwebError(f"the page sent no message for {SILENCE_SECONDS:g} s")
    return server.result


# The measurement


def measure(job: Job) -> dict[str, Any]:
    """Measure both sides; returns the object that `--json` prints.

    Raises:
        JitwebError, DeviceError: something is missing or failed.
    """
    plan = read_plan(job.bundle) if job.bundle else None
    if plan and job.target not in plan["targets"]:
        raise JitwebError(f"{job.bundle} has no target {job.target}: tune the model for it")
    model = read_model(job.model, plan)
    if job.where == "chromium":
        find_browser()
    dist = install_npm(PACKAGE, VERSION) / "dist"
    parts = [job.bundle / name for name in plan["files"]] if job.bundle and plan else []
    read_ahead([job.model, *model.external, *parts])
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        site = Path(name)
        populate(site, job, model, dist)
        answer = run_in_node(site) if job.where == "node" else run_in_chromium(site, job.adapter)
    if "error" in answer:
        raise JitwebError(f"the measurement failed: {' '.join(answer['error'].split())[:400]}")
    code = [dist / name for name in PEER_FILES[job.where, job.target].split()]
    facts = {"model": job.model.stem, "where": job.where, "target": job.target}
    return facts | {
        **answer,
        "threads": job.threads,
        "rounds": job.rounds,
        "peer": f"{PACKAGE} {answer['peer']}",
        "device": f"{answer['device']}, {processor_name()}",
        "ours_bytes": ours_bytes(job.bundle, plan) if job.bundle and plan else None,
        "peer_bytes": {"model": size_of(job.model, *model.external), "code": size_of(*code)},
    }


def read_ahead(paths: Iterable[Path]) -> None:
    """Read the files of both sides once, so that both measure with a warm page cache."""
    for path in paths:
        try:
            with path.open("rb") as content:
                while content.read(1 << 24):
                    pass
        except OSError as error:
            raise JitwebError(f"{path} can't be read: {error.strerror}") from None


def size_of(*paths: Path) -> int:
    return sum(path.stat().st_size for path in paths)


def ours_bytes(bundle: Path, plan: Mapping[str, Any]) -> dict[str, int]:
    """The bytes of the bundle, of its weights, and of its code: plan, kernels, runtime, page."""
    files = [bundle / name for name in [*plan["files"], "plan.json"]]
    code = [path for path in files if path.suffix != ".safetensors"]
    weights = size_of(bundle / "weights.safetensors")
    return {"bundle": size_of(*files), "weights": weights, "code": size_of(*code)}


def show(result: Mapping[str, Any]) -> None:
    """Print the result as text."""
    print(
        f"{result['model']}, {result['target']}, {result['threads']} thread(s): {result['device']}"
    )
    for name, label in (("ours", "jitweb"), ("peer", result["peer"])):
        if times := result[f"{name}_ms"]:
            latency = f"{times['min']:9.2f} ms min, {times['median']:9.2f} median"
            first = result["first_result_ms"][name]
            print(f"  {label:24} {latency}, first result after {first:.0f} ms")
    if result["ratio"]:
        print(f"  ratio {result['ratio']:.2f} (of medians {result['ratio_median']:.2f})")
    for name, out in result["outputs"].items():
        print(f"  {name}: max abs error {out['max_abs_error']:.2e} of {out['scale']:.3g}")


class Parser(argparse.ArgumentParser):
    """Prints an error as one line."""

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {message}", file=sys.stderr)
        raise SystemExit(2)


def parse() -> tuple[Job, bool]:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="+", type=Path, metavar="BUNDLE MODEL.onnx")
    parser.add_argument("--where", choices=("node", "chromium"), default="node")
    parser.add_argument("--target", choices=("wasm", "webgpu"), default="wasm")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--adapter", choices=("auto", "software"), default="auto")
    parser.add_argument("--peer-only", action="store_true", help="measure only the peer")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if len(given.paths) != 2 and not (given.peer_only and len(given.paths) == 1):
        parser.error("name the bundle and the model: BUNDLE MODEL.onnx (or --peer-only MODEL.onnx)")
    if (given.where, given.target) not in PEER_FILES:
        parser.error("Node has no WebGPU; add --where chromium")
    if given.threads < 1 or given.rounds < 1:
        parser.error("--threads and --rounds must be at least 1")
    bundle = None if given.peer_only else given.paths[0]
    options = {name: getattr(given, name) for name in ("where", "target", "threads", "rounds")}
    return Job(given.paths[-1], bundle, adapter=given.adapter, **options), given.json


def main() -> int:
    job, as_json = parse()
    try:
        result = measure(job)
    except (JitwebError, DeviceError) as error:
        print(f"{Path(__file__).name}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    print(json.dumps(result, indent=1)) if as_json else show(result)
    return 1 if result["outputs_agree"] is False else 0


if __name__ == "__main__":
    sys.exit(main())
