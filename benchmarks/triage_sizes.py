"""What minimization makes of a campaign's findings: lines, passes and seconds, before and after.

    tzer triage DIR && python benchmarks/triage_sizes.py DIR [--json]

Reads what the triage of each DIR has left, of every finding that was minimized.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tzer.triage.folder import read_index
from tzer.triage.result import TriageResult


def sizes(results: list[TriageResult]) -> dict[str, Any]:
    """Medians and shares of the goals (12 lines, 2 passes, 60 s)."""
    both = [(r.before, r.after, r.seconds) for r in results if r.before and r.after]
    lines = [(b.lines, a.lines) for b, a, _ in both if b.lines is not None and a.lines is not None]
    passes = [(before.passes, after.passes) for before, after, _ in both]
    seconds = [each for _, _, each in both]
    return {
        "findings": len(both),
        "lines_before": median(before for before, _ in lines),
        "lines": median(after for _, after in lines),
        "most_lines": max(after for _, after in lines),
        "within_12_lines": sum(after <= 12 for _, after in lines) / len(lines),
        "passes_before": median(before for before, _ in passes),
        "passes": median(after for _, after in passes),
        "within_2_passes": sum(after <= 2 for _, after in passes) / len(passes),
        "seconds": median(seconds),
        "most_seconds": max(seconds),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("campaigns", metavar="DIR", type=Path, nargs="+")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results = [each for folder in options.campaigns for each in read_index(folder).values()]
    if not any(result.after is not None and result.after.lines is not None for result in results):
        parser.error("nothing was minimized in there; run: tzer triage DIR")
    found = sizes([result for result in results if result.after is not None])
    if options.json:
        print(json.dumps(found, indent=2))
        return
    for name, value in found.items():
        print(f"{name:16} {value}")


if __name__ == "__main__":
    main()
