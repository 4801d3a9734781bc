"""Ablation: what guidance, specific mutators and mutated passes are worth, by new blocks.

    python benchmarks/ablation.py [--time 20m] [--repeat 2] [--jobs 2] [--strategies joint,...]
                                  [--tests N] [--results ablation.json] [--json]

Campaigns of the strategies, one after another, `--repeat` times over. They differ by the switches
of `tzer.options` alone. Each run is written to `--results` when it ends, and what is there already
is not run again: the same command goes on after a break. `new` are native blocks beyond those of
the seeds, and `legal` the signatures of findings in legal orders that are no known issues; `ratio`
is joint's new blocks divided by those of the strategy, at the end (goal: >= 1.3 for no-coverage),
and `ratio_at` the same at each eighth of the time, from means over the repetitions. Seeds are
tested in the first third of a run. On a busy machine `--tests` is the fairer budget, as long as the
strategies' tests cost the same.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from corpus.store import Store
from harness.console.command_line import Duration
from harness.system.files import write_atomically
from tzer.campaign import run_campaign
from tzer.options import CampaignOptions, Strategy

POINTS = 8

Run = dict[str, Any]


def run(
    strategy: Strategy, seconds: float | None, tests: int | None, jobs: int, repetition: int
) -> Run:
    """One campaign, in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "campaign"
        options = CampaignOptions(seconds, tests, jobs, out, seed=repetition, strategy=strategy)
        before = os.getloadavg()[0]
        with Store.create_or_resume(out) as store:
            stats = run_campaign(options, store)
            curve = [
                (point["elapsed_s"], point["tests"], point["native_blocks"])
                for point in store.timeline()
            ]
            found = [each for each in store.findings() if each.legal and each.known is None]
    seeds = stats["native_blocks_seeds"]
    return {
        "strategy": str(strategy),
        "budget": seconds or tests,
        "jobs": jobs,
        "repetition": repetition,
        "load_before": round(before, 2),
        "tests": stats["tests"],
        "valid_rate": round(stats["valid_rate"], 4),
        "corpus": stats["corpus"],
        "seeds": seeds,
        "new": stats["native_blocks"] - seeds,
        "legal": len({each.signature for each in found}),
        "curve": [[round(at, 1), tests, blocks - seeds] for at, tests, blocks in curve],
    }


def at(run: Run, spent: float) -> int:
    """The new blocks of a run after so many seconds, or tests if these are its budget."""
    which = 1 if isinstance(run["budget"], int) else 0
    reached = [point[2] for point in run["curve"] if point[which] <= spent]
    return max(0, reached[-1] if reached else 0)


def summary(runs: list[Run], budget: float) -> dict[str, Any]:
    """Means, and joint's ratios to them, of each strategy."""
    moments = [budget * (number + 1) / POINTS for number in range(POINTS)]
    by_strategy: dict[str, list[Run]] = {}
    for each in runs:
        by_strategy.setdefault(each["strategy"], []).append(each)
    result: dict[str, Any] = {}
    for name, those in by_strategy.items():
        curve = [statistics.mean(at(each, moment) for each in those) for moment in moments[:-1]]
        result[name] = {
            "new": [each["new"] for each in those],
            "tests": [each["tests"] for each in those],
            "legal": [each["legal"] for each in those],
            "curve": [round(value) for value in curve]
            + [round(statistics.mean(each["new"] for each in those))],
        }
    joint = result.get(str(Strategy.JOINT))
    for name, each in result.items() if joint is not None else ():
        if name != Strategy.JOINT:
            pairs = zip(joint["curve"], each["curve"], strict=True)
            each["ratio_at"] = [
                round(ours / theirs, 3) if theirs else None for ours, theirs in pairs
            ]
            each["ratio"] = each["ratio_at"][-1]
    return result


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--time", default="20m", help="of a run, e.g. 90s or 20m")
    parser.add_argument("--tests", type=int, help="of a run, in place of a time")
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--strategies", default=",".join(map(str, Strategy)))
    parser.add_argument("--results", type=Path, default=Path("ablation.json"))
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    seconds = None if arguments.tests else Duration().convert(arguments.time, None, None)
    strategies = [Strategy(name) for name in arguments.strategies.split(",")]
    known: list[Run] = []
    if arguments.results.exists():
        known = json.loads(arguments.results.read_text())
    runs: list[Run] = []
    for repetition in range(arguments.repeat):
        for strategy in strategies:
            key = (str(strategy), seconds or arguments.tests, arguments.jobs, repetition)
            names = ("strategy", "budget", "jobs", "repetition")
            same = [each for each in known if tuple(each[name] for name in names) == key]
            if not same:
                same = [run(strategy, seconds, arguments.tests, arguments.jobs, repetition)]
                known += same
                write_atomically(arguments.results, json.dumps(known, indent=1).encode())
            runs += same
            last = same[0]
            print(
                f"{strategy}, {repetition}: {last['new']} new blocks, {last['tests']} tests, "
                f"{last['legal']} legal signatures, load {last['load_before']} before",
                file=sys.stderr,
            )
    result = summary(runs, seconds or arguments.tests)
    if arguments.json:
        print(json.dumps(result, indent=1))
        return 0
    for name, each in result.items():
        print(
            f"{name:13} {each['new']} new blocks, ratio {each.get('ratio', '-')}: {each['curve']}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
