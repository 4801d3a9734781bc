"""Does my transformer work? Small models of many architectures in the forms that exporters write.

    python benchmarks/model_zoo.py [--only PATTERNS] [--cache FOLDER] [--redo failed|all] [--json]

Each combination of zoo_list.py is exported once into the cache folder (zoo_exports.py, which needs
torch, transformers, onnxscript and onnxruntime: the extra ``examples``; --exporter names another
Python that has them). onnxruntime runs it on three random inputs; then jitweb imports it, tunes it
for WebAssembly without a device, runs the bundle in Node, and the outputs are compared. A line a
combination, a table by architecture and form in the end. Results are kept in the cache folder, so
a run that was broken off goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
from zoo_list import FORMS, combinations

from harness import UserError
from jitweb.model import ImportedModel
from jitweb.workflow import Options, tune_model

HERE = Path(__file__).resolve().parent
TOLERANCES = {"float32": 1e-4, "float16": 1e-2, "float16-torch": 1e-2, "int8": 5e-2, "nbits": 1e-3}
STAGES = ("no export", "import", "tune", "run", "differs", "agrees")
LIMIT_S = 180


def export(names: Sequence[str], cache: Path, exporter: str) -> None:
    """Export those that are not there, a process an architecture."""
    missing = [name for name in names if not (cache / f"{name}.json").is_file()]
    for architecture in dict.fromkeys(name.partition(".")[0] for name in missing):
        group = [name for name in missing if name.partition(".")[0] == architecture]
        print(f"exporting {architecture}: {len(group)}", file=sys.stderr)
        subprocess.run(
            [exporter, str(HERE / "zoo_exports.py"), str(cache), *group],
            stdout=subprocess.DEVNULL,
            check=False,
        )


def judge(name: str, cache: Path, target: str) -> dict[str, Any]:
    """How far a combination comes: `stage` as in STAGES, `reason`, and the greatest `error`."""
    if not (cache / f"{name}.json").is_file():
        return {"stage": "no export", "reason": "the exporter ended"}
    facts = json.loads((cache / f"{name}.json").read_text())
    if "error" in facts:
        return {"stage": "no export", "reason": facts["error"]}
    path = cache / f"{name}.onnx"
    shapes = {k: tuple(map(int, v.split("x"))) for k, v in facts["shapes"].items()}
    stage, start = "import", time.perf_counter()

    def on_import(model: ImportedModel) -> None:
        nonlocal stage
        stage = "tune"

    try:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "out"
            options = Options(path, out, (target,), shapes)
            report = tune_model(options, lambda name: None, None, on_import=on_import)
            stage = "run"
            error, where = _compare(out, path.with_suffix(".npz"), target)
    except Exception as error_:
        kind = "" if isinstance(error_, UserError) else f"{type(error_).__name__}: "
        return {"stage": stage, "reason": " ".join(f"{kind}{error_}".split())[:400]}
    tolerance = TOLERANCES[FORMS[name.partition(".")[2]].precision]
    return {
        "stage": "agrees" if error <= tolerance else "differs",
        "reason": "" if error <= tolerance else f"{where} by {error:.2g}",
        "error": error,
        "import_s": round(report.import_s, 2),
        "tune_s": round(report.tuning_s, 2),
        "seconds": round(time.perf_counter() - start, 2),
    }


def _compare(bundle: Path, arrays: Path, target: str) -> tuple[float, str]:
    """The greatest difference from onnxruntime, as a share of the output's scale, and where."""
    from jitweb.bundle import read_plan
    from jitweb.compare import errors
    from jitweb.host import open_host

    kept = np.load(arrays)
    worst, where = 0.0, ""
    with open_host(bundle, read_plan(bundle), target, 1, "auto") as host:
        for number in sorted({key.partition(".")[0] for key in kept.files}):
            prefix = f"{number}.input."
            given = {k.removeprefix(prefix): kept[k] for k in kept.files if k.startswith(prefix)}
            for output, found in host.run(given).items():
                wanted = kept[f"{number}.output.{output}"]
                if found.shape != wanted.shape:
                    return float("inf"), f"{output}: shape {found.shape}, not {wanted.shape}"
                error = float(np.max(errors(found, wanted), initial=0.0))
                if error > worst:
                    worst, where = error, output
    return worst, where


def _judge_into(pipe: Any, name: str, cache: Path, target: str) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    pipe.send(judge(name, cache, target))


def judged_apart(name: str, cache: Path, target: str) -> dict[str, Any]:
    """`judge` in a process of its own, which may crash or hang."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_judge_into, args=(sender, name, cache, target))
    process.start()
    sender.close()
    try:
        if not receiver.poll(LIMIT_S):
            return {"stage": "tune", "reason": f"not done after {LIMIT_S} s"}
        return receiver.recv()  # type: ignore[no-any-return]
    except EOFError:
        process.join()
        return {"stage": "tune", "reason": f"the process ended with {process.exitcode}"}
    finally:
        process.kill()
        process.join()


def table(results: Mapping[str, Mapping[str, Any]], part: int) -> Iterable[str]:
    """Counts by architecture (part 0) or form (part 1), of those that onnxruntime runs."""
    groups: dict[str, Counter[str]] = {}
    for name, result in results.items():
        groups.setdefault(name.split(".", 1)[part], Counter())[result["stage"]] += 1
    yield f"| {('architecture', 'form')[part]} | exports | import | tune | agree |"
    yield "|---|---|---|---|---|"
    total: Counter[str] = Counter()
    for group, counts in (*groups.items(), ("all", total)):
        total.update(counts if group != "all" else {})
        past = [sum(counts[stage] for stage in STAGES[first:]) for first in (1, 2, 3, 5)]
        yield f"| {group} | {' | '.join(map(str, past))} |"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", default="*", help="patterns of names, as in bert.*,*.float16")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "jitweb-zoo")
    parser.add_argument("--target", choices=("wasm", "webgpu"), default="wasm")
    parser.add_argument("--exporter", default=sys.executable, help="a Python with torch")
    parser.add_argument("--redo", choices=("none", "failed", "all"), default="none")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    wanted = arguments.only.split(",")
    names = [name for name in combinations() if any(fnmatch(name, text) for text in wanted)]
    export(names, arguments.cache, arguments.exporter)
    kept = arguments.cache / f"results.{arguments.target}.json"
    known: dict[str, Any] = json.loads(kept.read_text()) if kept.is_file() else {}
    for name in names:
        settled = ("agrees", "no export") if arguments.redo == "failed" else STAGES
        if arguments.redo != "all" and known.get(name, {}).get("stage") in settled:
            continue
        known[name] = judged_apart(name, arguments.cache, arguments.target)
        kept.write_text(json.dumps(known, indent=1))
        line = f"{name}  {known[name]['stage']}  {known[name]['reason']}"
        print(line, file=sys.stderr if arguments.json else sys.stdout, flush=True)
    results = {name: known[name] for name in names}
    if arguments.json:
        print(json.dumps(results))
        return 0
    for part in (0, 1):
        print("", *table(results, part), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
