"""Soundness: do the oracles report anything for TVM's own default pass order?

    python benchmarks/soundness.py [--cases 20000] [--jobs 2] [--target llvm] [--traces]
                                   [--out DIR] [--json]

Every case applies TVM's own default order and nothing else: to seeds, to mutants of seeds and to
generated programs, a third each; with `--traces` to seeds after random schedule primitives. A
report is either a bug in TVM that affects every user, or a false alarm of an oracle: each signature
is printed with its count, and the first case of each is written to `--out`, to be examined. Exit
status 1 if anything was reported.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from harness.case import Case
from harness.verdict import Kind, Verdict
from harness.worker.post_mortem import verdict_of
from harness.worker.sandbox import Settings, Worker

START_SECONDS = 300.0
JOB_SECONDS = 20.0


@dataclass
class Tally:
    """The results so far; shared by the threads."""

    total: int
    out: Path | None
    lock: threading.Lock = field(default_factory=threading.Lock)
    kinds: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    findings: dict[str, dict[str, Any]] = field(default_factory=dict)
    started: int = 0
    native: bool = True

    def take(self) -> int | None:
        """The number of the next case, or None at the end."""
        with self.lock:
            if self.started >= self.total:
                return None
            self.started += 1
            return self.started - 1

    def add(self, source: str, case: Case, verdict: Verdict) -> None:
        with self.lock:
            self.kinds[verdict.kind] += 1
            self.sources[source] += 1
            if verdict.kind is Kind.INVALID:
                self.reasons[verdict.message.partition(":")[0][:60]] += 1
            if verdict.is_finding:
                self._add_finding(source, case, verdict)

    def _add_finding(self, source: str, case: Case, verdict: Verdict) -> None:
        known = self.findings.get(verdict.signature)
        if known is not None:
            known["count"] += 1
            return
        self.findings[verdict.signature] = {
            "signature": verdict.signature,
            "kind": verdict.kind,
            "message": verdict.message,
            "pass": verdict.pass_name,
            "source": source,
            "origin": case.origin,
            "count": 1,
        }
        if self.out is not None:
            name = f"{len(self.findings):03}-{verdict.kind}.json"
            (self.out / name).write_text(case.to_json())


SOURCES = ("seed", "mutant", "generated")
LONGEST_TRACE = 12


def run_cases(
    worker: Worker,
    seeds: list[str],
    targets: list[str],
    mutators: list[str],
    tally: Tally,
    first: int,
) -> None:
    """Run cases on one worker until all are done; the mutators are of schedules, or none."""
    while (number := tally.take()) is not None:
        rng = random.Random(first + number)
        source = "traced" if mutators else SOURCES[number % 3]
        request = request_of(source, rng, seeds, targets, mutators)
        made = worker.run(request)
        if made.status != "done" and made.stage.sequence == "schedule":
            made = worker.run({**request, "fatal": made.stage.pass_index})
        if made.status != "done" or "case" not in made.reply:
            with tally.lock:
                tally.sources["no case"] += 1
            continue
        outcome = worker.run({"do": "run", "case": made.reply["case"], "native": tally.native})
        done = outcome.status == "done"
        verdict = Verdict.from_json(outcome.reply["verdict"]) if done else verdict_of(outcome)
        tally.add(source, Case.from_json(made.reply["case"]), verdict)


def request_of(
    source: str, rng: random.Random, seeds: list[str], targets: list[str], mutators: list[str]
) -> dict[str, Any]:
    """The request for a case of this source, in the default order."""
    count = 0 if source == "generated" else rng.choice((1, 1, 2, 4))
    if source == "traced":
        count = rng.randint(1, LONGEST_TRACE)
    return {
        "do": "mutate",
        "action": {"seed": "replay", "generated": "generate"}.get(source, "ir"),
        "case": None if source == "generated" else rng.choice(seeds),
        "partner": [],
        "mutators": rng.choices(mutators, k=3 * count) if mutators else None,
        "count": count,
        "legal": True,
        "seed": rng.getrandbits(48),
        "targets": targets,
        "default_order": True,
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--target", default="llvm", help="targets, separated by commas")
    parser.add_argument("--interpreted", action="store_true", help="run nothing natively")
    parser.add_argument("--out", type=Path, help="folder for the first case of each finding")
    parser.add_argument("--traces", action="store_true", help="apply schedule primitives")
    parser.add_argument("--first", type=int, default=0, help="the number of the first case")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.out is not None:
        arguments.out.mkdir(parents=True, exist_ok=True)

    tally = Tally(arguments.cases, arguments.out, native=not arguments.interpreted)
    settings = Settings(handler="tzer.job:handle", seconds=START_SECONDS)
    started = time.monotonic()
    workers = [Worker(settings) for _ in range(arguments.jobs)]
    targets = arguments.target.split(",")
    about = workers[0].run({"do": "seeds", "targets": targets}).reply
    seeds = [seed["case"] for seed in about["seeds"]]
    mutators = workers[0].run({"do": "about"}).reply["ir_mutators"] if arguments.traces else []
    mutators = [name for name in mutators if name.startswith("schedule-")]
    for worker in workers:
        worker.settings = Settings(handler=settings.handler, seconds=JOB_SECONDS)
    threads = [
        threading.Thread(
            target=run_cases, args=(worker, seeds, targets, mutators, tally, arguments.first)
        )
        for worker in workers
    ]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        threads[0].join(5)
        left = (time.monotonic() - started) * (tally.total / max(1, tally.started) - 1)
        print(
            f"\r{tally.started} of {tally.total} cases, {len(tally.findings)} signatures, "
            f"{left:.0f} s left   ",
            end="",
            file=sys.stderr,
            flush=True,
        )
    print(file=sys.stderr)
    for worker in workers:
        worker.close()
    return show(tally, time.monotonic() - started, arguments.json)


def show(tally: Tally, seconds: float, as_json: bool) -> int:
    """Print the result; returns the exit status."""
    total = sum(tally.kinds.values())
    result: dict[str, Any] = {
        "cases": total,
        "seconds": round(seconds, 1),
        "sources": dict(tally.sources),
        "verdicts": {str(kind): count for kind, count in tally.kinds.most_common()},
        "valid_rate": round(1 - tally.kinds[Kind.INVALID] / max(1, total), 4),
        "invalid_because": dict(tally.reasons.most_common(20)),
        "findings": sorted(tally.findings.values(), key=lambda finding: -finding["count"]),
    }
    if as_json:
        print(json.dumps(result, indent=1))
    else:
        print(f"{total} cases in {seconds:.0f} s; verdicts {result['verdicts']}")
        print(f"invalid because: {result['invalid_because']}")
        for finding in result["findings"]:
            print(f"{finding['count']:6} x {finding['signature']}\n         {finding['message']}")
    return 1 if tally.findings else 0


if __name__ == "__main__":
    sys.exit(main())
