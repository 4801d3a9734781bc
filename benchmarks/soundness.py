"""Soundness: do the oracles report anything for TVM's own default pass order?

    python benchmarks/soundness.py [--cases 20000 | --traces 20000] [--jobs 2] [--target llvm]
                                   [--out DIR] [--json]

Every case applies TVM's own default order: to seeds, to mutants of seeds and to generated
programs, a third each; with `--traces` to seeds and mutants after random schedule primitives. A
report is either a bug in TVM that affects every user, or a false alarm of an oracle: each signature
is printed with its count, known issues last. `--out` keeps the first three cases of each, to be
examined, and a line for each case; the same folder again goes on from there. Exit status 1 if
anything was reported that is not known.
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
from harness.oracles.known_issues import known_issue
from harness.verdict import Kind, Verdict
from harness.worker.post_mortem import verdict_of
from harness.worker.sandbox import Settings, Worker

START_SECONDS = 300.0
JOB_SECONDS = 20.0


KEPT_CASES = 3


@dataclass
class Tally:
    """The results so far; shared by the threads. `results` is the file of one line a case."""

    total: int
    out: Path | None
    lock: threading.Lock = field(default_factory=threading.Lock)
    kinds: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    findings: dict[str, dict[str, Any]] = field(default_factory=dict)
    done: set[int] = field(default_factory=set)
    next: int = 0
    native: bool = True

    def resume(self) -> None:
        """Read the results of an earlier run of the same cases."""
        if self.out is None or not self._results.exists():
            return
        for line in self._results.read_text().splitlines():
            try:
                row = json.loads(line)
            except ValueError:  # the last line of a run that was killed
                continue
            self._count(row)

    @property
    def _results(self) -> Path:
        assert self.out is not None
        return self.out / "results.jsonl"

    def take(self) -> int | None:
        """The number of the next case, or None at the end."""
        with self.lock:
            while self.next in self.done:
                self.next += 1
            if self.next >= self.total:
                return None
            self.next += 1
            return self.next - 1

    def add(self, number: int, source: str, case: Case | None, verdict: Verdict | None) -> None:
        """Count a verdict; None if there was no case."""
        row: dict[str, Any] = {"number": number, "source": source, "kind": "no case"}
        if case is not None and verdict is not None:
            row |= {"kind": verdict.kind, "message": verdict.message[:300]}
            if verdict.is_finding:
                row |= {
                    "signature": verdict.signature,
                    "pass": verdict.pass_name,
                    "origin": case.origin,
                }
        with self.lock:
            count = self._count(row)
            if self.out is None:
                return
            with self._results.open("a") as file:
                file.write(json.dumps(row) + "\n")
            if case is not None and 0 < count <= KEPT_CASES:
                place = list(self.findings).index(row["signature"]) + 1
                (self.out / f"{place:03}-{row['kind']}-{count}.json").write_text(case.to_json())

    def _count(self, row: dict[str, Any]) -> int:
        """Count the row; returns how many there are of its signature, 0 if it is no finding."""
        self.done.add(row["number"])
        self.kinds[row["kind"]] += 1
        self.sources[row["source"]] += 1
        if row["kind"] == Kind.INVALID:
            self.reasons[row["message"].partition(":")[0][:60]] += 1
        if "signature" not in row:
            return 0
        known = known_issue(row["kind"], row["signature"])
        first = {
            **{key: row[key] for key in ("signature", "kind", "message", "pass", "origin")},
            "source": row["source"],
            "known": "" if known is None else known.name,
            "count": 0,
        }
        finding = self.findings.setdefault(row["signature"], first)
        finding["count"] += 1
        count: int = finding["count"]
        return count


SOURCES = ("seed", "mutant", "generated")
TRACED = ("traced", "traced mutant")
LONGEST_TRACE = 12


@dataclass(frozen=True)
class Source:
    """What cases are made from; `mutators` of programs, `primitives` of schedules."""

    seeds: list[str]
    targets: list[str]
    mutators: list[str]
    primitives: list[str]
    traces: bool
    first: int
    careful: bool

    def request(self, number: int) -> tuple[str, dict[str, Any]]:
        """The source's name and the request for this case, in the default order."""
        rng = random.Random(self.first + number)
        names = TRACED if self.traces else SOURCES
        name = names[number % len(names)]
        count, mutators = rng.choice((1, 1, 2, 4)), None
        if name == "generated":
            count = 0
        elif self.traces:
            changes = rng.choice((1, 1, 2, 4)) if name == "traced mutant" else 0
            mutators = rng.choices(self.mutators, k=changes)
            count = changes + rng.randint(1, LONGEST_TRACE)
            mutators += rng.choices(self.primitives, k=3 * count)
        return name, {
            "do": "mutate",
            "action": {"seed": "replay", "generated": "generate"}.get(name, "ir"),
            "case": None if name == "generated" else rng.choice(self.seeds),
            "partner": [],
            "mutators": mutators,
            "count": count,
            "legal": True,
            "seed": rng.getrandbits(48),
            "targets": self.targets,
            "default_order": True,
            **({"avoid": []} if self.careful else {}),
        }


def run_cases(worker: Worker, source: Source, tally: Tally) -> None:
    """Run cases on one worker until all are done."""
    while (number := tally.take()) is not None:
        name, request = source.request(number)
        made = worker.run(request)
        if made.status != "done" and made.stage.sequence == "schedule":
            made = worker.run({**request, "fatal": made.stage.pass_index})
        if made.status != "done" or "case" not in made.reply:
            tally.add(number, name, None, None)
            continue
        outcome = worker.run({"do": "run", "case": made.reply["case"], "native": tally.native})
        done = outcome.status == "done"
        verdict = Verdict.from_json(outcome.reply["verdict"]) if done else verdict_of(outcome)
        tally.add(number, name, Case.from_json(made.reply["case"]), verdict)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    count = parser.add_mutually_exclusive_group()
    count.add_argument("--cases", type=int, default=20_000)
    count.add_argument("--traces", type=int, help="so many cases with random schedule primitives")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--target", default="llvm", help="targets, separated by commas")
    parser.add_argument("--interpreted", action="store_true", help="run nothing natively")
    parser.add_argument(
        "--out", type=Path, help="folder of the results, and of cases of each finding"
    )
    parser.add_argument(
        "--careful", action="store_true", help="seldom draw primitives that are known to fail"
    )
    parser.add_argument("--first", type=int, default=0, help="the number of the first case")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.out is not None:
        arguments.out.mkdir(parents=True, exist_ok=True)

    traces = arguments.traces is not None
    total = arguments.traces if traces else arguments.cases
    tally = Tally(total, arguments.out, native=not arguments.interpreted)
    tally.resume()
    settings = Settings(handler="tzer.job:handle", seconds=START_SECONDS)
    started = time.monotonic()
    workers = [Worker(settings) for _ in range(arguments.jobs)]
    targets = arguments.target.split(",")
    about = workers[0].run({"do": "seeds", "targets": targets}).reply
    names = workers[0].run({"do": "about"}).reply["ir_mutators"]
    seeds = [seed["case"] for seed in about["seeds"]]
    source = Source(
        seeds=[seed for seed in seeds if not traces or "SBlockRealize" in seed],  # can be scheduled
        targets=targets,
        mutators=[name for name in names if not name.startswith("schedule-")],
        primitives=[name for name in names if name.startswith("schedule-")],
        traces=traces,
        first=arguments.first,
        careful=arguments.careful,
    )
    for worker in workers:
        worker.settings = Settings(handler=settings.handler, seconds=JOB_SECONDS)
    threads = [
        threading.Thread(target=run_cases, args=(worker, source, tally)) for worker in workers
    ]
    for thread in threads:
        thread.start()
    resumed = len(tally.done)
    while any(thread.is_alive() for thread in threads):
        threads[0].join(5)
        here = max(1, len(tally.done) - resumed)
        left = (time.monotonic() - started) * (tally.total - len(tally.done)) / here
        print(
            f"\r{len(tally.done)} of {tally.total} cases, {len(tally.findings)} signatures, "
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
        "findings": sorted(
            tally.findings.values(), key=lambda finding: (finding["known"], -finding["count"])
        ),
    }
    if as_json:
        print(json.dumps(result, indent=1))
    else:
        print(f"{total} cases in {seconds:.0f} s; verdicts {result['verdicts']}")
        print(f"invalid because: {result['invalid_because']}")
        for finding in result["findings"]:
            known = f" ({finding['known']})" if finding["known"] else ""
            print(f"{finding['count']:6} x {finding['signature']}{known}")
            print(f"         {finding['message']}")
    return 1 if any(not finding["known"] for finding in tally.findings.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
