"""Latency of whole models compared with onnxruntime-web, from nothing but their names.

    python benchmarks/web_models.py whisper-tiny-encoder vit-s16 upsampling-decoder
        [--budget 60] [--rounds 15] [--folder build/models] [--json]

Each model is exported by examples/export_models.py (which needs PyTorch: pip install
'tzer[examples]') where the folder hasn't it yet, tuned for WebAssembly, and measured by
web_latency.py in Node on one thread. `ratio` is the peer's minimum time ÷ ours: above 1, ours is
faster.

Exit status 1 if outputs differ, 2 with a one-line message if something is missing or fails.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
JITWEB = "import sys; from jitweb.cli import main; sys.exit(main())"


class Failed(Exception):
    """A step failed, and has said why."""


def run(*command: str, is_captured: bool = False) -> str:
    """Run one of our own programs; returns what it prints.

    Raises:
        Failed: its exit status is 2, or another that no result explains.
    """
    done = subprocess.run(
        [sys.executable, *command], stdout=subprocess.PIPE, text=True, cwd=HERE.parent
    )
    if done.returncode not in ((0, 1) if is_captured else (0,)):
        raise Failed
    return done.stdout


def measured(name: str, folder: Path, budget: float, rounds: int) -> dict[str, Any]:
    """Export, tune and measure; returns what web_latency.py prints.

    Raises:
        Failed: a step failed.
    """
    model, bundle = folder / f"{name}.onnx", folder / name
    if not model.is_file():
        run(str(HERE.parent / "examples" / "export_models.py"), name, "-o", str(folder))
    tune = ("tune", str(model), "--target", "wasm", "--budget", f"{budget:g}s", "-o", str(bundle))
    run("-c", JITWEB, *tune)
    options = ("--rounds", str(rounds), "--json")
    answer = run(str(HERE / "web_latency.py"), str(bundle), str(model), *options, is_captured=True)
    result: dict[str, Any] = json.loads(answer)
    return result


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="+", metavar="NAME")
    parser.add_argument("--budget", type=float, default=60.0)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--folder", type=Path, default=HERE.parent / "build" / "models")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    results = []
    try:
        for name in given.names:
            results.append(measured(name, given.folder.resolve(), given.budget, given.rounds))
            if not given.json:
                ours, peer = results[-1]["ours_ms"]["min"], results[-1]["peer_ms"]["min"]
                print(
                    f"{name:24} {ours:8.1f} ms, {results[-1]['peer']} {peer:8.1f} ms, "
                    f"ratio {results[-1]['ratio']:.2f}"
                )
    except Failed:
        return 2
    except KeyboardInterrupt:
        return 130
    if given.json:
        print(json.dumps(results, indent=1))
    return 0 if all(each["outputs_agree"] for each in results) else 1


if __name__ == "__main__":
    sys.exit(main())
