"""Does my transformer work? Small models of many architectures in the forms that exporters write.

    python benchmarks/model_zoo.py [--only PATTERNS] [--cache FOLDER] [--redo failed|all] [--json]

Each combination of zoo_list.py is exported once into the cache folder (zoo_exports.py, which needs
torch, transformers, onnxscript and onnxruntime: the extra ``examples``; --exporter names another
Python that has them). onnxruntime runs it on three random inputs; then jitweb imports it, tunes it
for the target without a device, and runs the bundle: WebAssembly in Node, WebGPU in a headless
Chromium. A quantised model agrees if it is no further from its origin in float32 than 1.1 times
what onnxruntime is (root mean square, as shares of the outputs' scales); others if they are within
TOLERANCES of onnxruntime. A line a combination, a table by architecture and form in the end.
Results of each target are kept in the cache folder, so a run that was broken off goes on where it
was.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
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
TOLERANCES = {"float32": 1e-4, "float16": 1e-2, "float16-torch": 1e-2, "nbits": 1e-3}
MOST_RATIO = 1.1  # of the distances from the origin, ours to onnxruntime's
LEAST_DISTANCE = 1e-6  # that a ratio is of
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

    def on_import(models: Sequence[ImportedModel]) -> None:
        nonlocal stage
        stage = "tune"

    try:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "out"
            options = Options(path, out, (target,), shapes)
            report = tune_model(options, lambda name: None, None, on_import=on_import)
            stage = "run"
            found = _compare(out, path.with_suffix(".npz"), target)
    except Exception as error_:
        kind = "" if isinstance(error_, UserError) else f"{type(error_).__name__}: "
        return {"stage": stage, "reason": " ".join(f"{kind}{error_}".split())[:400]}
    reason = found.why_not(FORMS[name.partition(".")[2]].precision)
    return {
        "stage": "differs" if reason else "agrees",
        "reason": reason,
        "error": found.error,
        "ratio": found.ratio,
        "import_s": round(report.import_s, 2),
        "tune_s": round(report.tuning_s, 2),
        "seconds": round(time.perf_counter() - start, 2),
    }


@dataclass(frozen=True)
class Comparison:
    """The greatest difference from onnxruntime, as a share of the output's scale, and where.

    `ratio`: how much further than onnxruntime we are from the model's origin, if that is known.
    """

    error: float
    where: str
    ratio: float | None

    def why_not(self, precision: str) -> str:
        """Why the outputs don't agree; "" if they do."""
        if self.error > TOLERANCES.get(precision, math.inf):
            return f"{self.where} by {self.error:.2g}"
        if self.ratio is not None and not self.ratio <= MOST_RATIO:
            return f"{self.ratio:.3g} times as far from float32 as onnxruntime"
        return ""


def _compare(bundle: Path, arrays: Path, target: str) -> Comparison:
    from jitweb.bundle import read_plan
    from jitweb.compare import errors
    from jitweb.host import open_host

    kept = np.load(arrays)
    worst, where = 0.0, ""
    squares: list[tuple[float, float]] = []
    with open_host(bundle, read_plan(bundle), target, 1, "auto") as host:
        for number in sorted({key.partition(".")[0] for key in kept.files}):
            prefix = f"{number}.input."
            given = {k.removeprefix(prefix): kept[k] for k in kept.files if k.startswith(prefix)}
            for output, found in host.run(given).items():
                wanted = kept[f"{number}.output.{output}"]
                if found.shape != wanted.shape:
                    reason = f"{output}: shape {found.shape}, not {wanted.shape}"
                    return Comparison(math.inf, reason, None)
                error = float(np.max(errors(found, wanted), initial=0.0))
                if error > worst:
                    worst, where = error, output
                origin = f"{number}.origin.{output}"
                if origin in kept.files:
                    ends = (found, wanted)
                    ours, theirs = (np.mean(errors(each, kept[origin]) ** 2) for each in ends)
                    squares.append((float(ours), float(theirs)))
    if not squares:
        return Comparison(worst, where, None)
    ours, theirs = (math.sqrt(sum(each) / len(squares)) for each in zip(*squares, strict=True))
    return Comparison(worst, where, ours / max(theirs, LEAST_DISTANCE))


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
    ratios: dict[str, list[float]] = {}
    for name, result in results.items():
        for group in (name.split(".", 1)[part], "all"):
            groups.setdefault(group, Counter())[result["stage"]] += 1
            if result.get("ratio") is not None:
                ratios.setdefault(group, []).append(result["ratio"])
    yield f"| {('architecture', 'form')[part]} | exports | import | tune | agree | ratio |"
    yield "|---|---|---|---|---|---|"
    for group, counts in sorted(groups.items(), key=lambda each: each[0] == "all"):
        past = [sum(counts[stage] for stage in STAGES[first:]) for first in (1, 2, 3, 5)]
        furthest = f"{max(ratios[group]):.3f}" if group in ratios else ""
        yield f"| {group} | {' | '.join(map(str, past))} | {furthest} |"


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
