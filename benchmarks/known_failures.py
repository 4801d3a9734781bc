"""Known failures: how many generated programs end at a known issue in the plain order?

    python benchmarks/known_failures.py [--programs 579] [--seed 0] [--json]

Each program is drawn twice from the same random numbers and lowered in TVM's default order for
llvm: as it is, and with the ingredients that a campaign of its own learned to avoid: the second
sequence of programs feeds a fresh `Avoidance`, which starts with the prior. `ratio` is the share of
programs that end at known failures without avoidance, divided by that with it.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from harness.oracles.known_issues import known_issue
from harness.verdict import Kind, Verdict
from harness.worker.post_mortem import verdict_of
from harness.worker.sandbox import Settings, Worker
from tzer.avoidance import Avoidance
from tzer.joint import Action

JOB_SECONDS = 20.0


def run(worker: Worker, programs: int, seed: int, avoidance: Avoidance | None) -> dict[str, Any]:
    """The verdicts of the programs, and which known issues they ended at."""
    kinds: Counter[str] = Counter()
    issues: Counter[str] = Counter()
    rng = random.Random(seed)
    for number in range(programs):
        request: dict[str, Any] = {
            "do": "mutate",
            "action": Action.GENERATE,
            "case": None,
            "partner": [],
            "mutators": None,
            "count": 0,
            "legal": True,
            "seed": (seed << 32) + number,
            "targets": ["llvm"],
            "default_order": True,
        }
        if avoidance is not None:
            request["avoid"] = avoidance.draw(rng)
        made = worker.run(request)
        if made.status != "done" or "case" not in made.reply:
            continue
        outcome = worker.run({"do": "run", "case": made.reply["case"]})
        done = outcome.status == "done"
        verdict = Verdict.from_json(outcome.reply["verdict"]) if done else verdict_of(outcome)
        known = known_issue(verdict.kind, verdict.signature)
        if avoidance is not None:
            avoidance.learn(made.reply["ingredients"], known)
        kinds[verdict.kind] += 1
        if known is not None:
            issues[known.name] += 1
    total = max(1, sum(kinds.values()))
    return {
        "programs": total,
        "verdicts": {str(kind): count for kind, count in kinds.most_common()},
        "valid_rate": round(1 - kinds[Kind.INVALID] / total, 4),
        "known_failures": issues.total(),
        "known_share": round(issues.total() / total, 4),
        "by_issue": dict(issues.most_common()),
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--programs", type=int, default=579)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()

    worker = Worker(Settings(handler="tzer.job:handle", seconds=JOB_SECONDS))
    names = worker.run({"do": "about"}).reply["ingredients"]
    result = {
        name: run(worker, arguments.programs, arguments.seed, avoidance)
        for name, avoidance in (("without", None), ("with", Avoidance(names)))
    }
    worker.close()
    shares = [result[name]["known_share"] for name in ("without", "with")]
    result["ratio"] = round(shares[0] / shares[1], 2) if shares[1] else None
    if arguments.json:
        print(json.dumps(result, indent=1))
        return 0
    for name in ("without", "with"):
        each = result[name]
        print(
            f"{name:8} avoidance: {each['known_failures']} of {each['programs']} programs end at "
            f"known failures, {each['valid_rate']:.1%} valid; {each['by_issue']}"
        )
    print(f"ratio: {result['ratio']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
