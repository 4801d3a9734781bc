"""Tally: what a campaign has done so far, over all of its runs, as counts and statistics.

The campaign counts in it, under its lock, and writes it to the store.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from corpus.store import Store
from harness.case import Case, PassCall, PrimitiveCall
from harness.system.text import last_line
from harness.verdict import Kind, Verdict
from harness.worker.progress_page import INSIDE_TVM, Spent
from tzer.coverage_map import CoverageMap
from tzer.footprint import Footprint
from tzer.payoff import Payoffs
from tzer.trial import Examiner, Trial

KEPT_FAULTS = 5


class Tally:
    """Counts, seconds, pay-offs and footprint; those of earlier runs are read from the store."""

    def __init__(self, store: Store) -> None:
        before, learned = store.progress(), store.learned()
        self.counts: Counter[str] = Counter(before.get("counts", {}))
        self.faults: dict[str, str] = dict(before.get("faults", {}))
        self.payoffs = Payoffs()
        self.payoffs.restore(learned.get("payoff", {}))
        self.footprint = Footprint(store.folder, learned.get("memory", ()))
        self.tests_at_start = self.counts["tests"]
        self.examiners: list[Examiner] = []
        self.started = time.monotonic()
        self.ended: float | None = None
        self._seconds_before: dict[str, float] = before.get("seconds", {})
        self._store = store

    @property
    def tests_done(self) -> int:
        """Tests of this run."""
        return self.counts["tests"] - self.tests_at_start

    def count_test(
        self, trial: Trial, case: Case, verdict: Verdict, *, seed: bool, known: bool, action: str
    ) -> None:
        """Count a test with its verdict; `action` is what was asked for, if not a seed."""
        valid = verdict.kind is not Kind.INVALID
        self.counts["tests"] += 1
        self.counts["valid_tests"] += valid
        self.counts["known_failures"] += known
        if trial.native:
            self.counts["native_runs"] += 1
            self.counts[f"native_{trial.native}"] += 1
            self.counts[f"native_{trial.native}_findings"] += verdict.is_finding
        if seed:
            self.counts["seed_blocks"] += int(trial.new.size)
        else:
            self.counts["mutants"] += 1
            self.counts["valid_mutants"] += valid
        self._count_payoff(trial, case, verdict, trial.mutator or action)

    def _count_payoff(self, trial: Trial, case: Case, verdict: Verdict, mutator: str) -> None:
        """Count what the test brought for what made it."""
        kept = trial.kept or case
        in_trace = verdict.stage.sequence == "schedule"
        culprit = [verdict.pass_name] if verdict.is_finding else []
        for kind, used, needed, culprits in (
            ("mutator", [mutator], [mutator], [mutator] if culprit else []),
            ("primitive", names(case.trace), names(kept.trace), culprit if in_trace else []),
            ("pass", names(case.passes), names(kept.passes), [] if in_trace else culprit),
        ):
            self.payoffs.count(
                kind,
                used,
                needed=needed,
                blocks=int(trial.new.size),
                culprits=culprits,
                seconds=trial.seconds,
            )

    def count_fault(self, traceback: str) -> None:
        """Count a bug of ours in a worker; keep the traceback of the first of a kind."""
        self.counts["faults"] += 1
        if len(self.faults) < KEPT_FAULTS:
            self.faults.setdefault(last_line(traceback), traceback)

    def seconds(self) -> dict[str, float]:
        """Seconds over all runs: elapsed, of the workers, and what these were spent on."""
        now: dict[str, float] = {
            "elapsed": (self.ended or time.monotonic()) - self.started,
            "worker": sum(examiner.wall_seconds for examiner in self.examiners),
            **{what: sum(examiner.spent[what] for examiner in self.examiners) for what in Spent},
        }
        return {name: self._seconds_before.get(name, 0.0) + value for name, value in now.items()}

    def stats(self, coverage_map: CoverageMap, corpus: int) -> dict[str, Any]:
        """The statistics so far; for the keys see `tzer stats` in the documentation."""
        times, counts = self.seconds(), self.counts
        inside_tvm = sum(times[what] for what in INSIDE_TVM)
        accounted = {what: times[what] for what in Spent if what is not Spent.ELSE}
        mutants = "mutants" if counts["mutants"] else "tests"
        return {
            "tests": counts["tests"],
            "tests_per_second": counts["tests"] / max(times["elapsed"], 1e-9),
            "valid_rate": counts[f"valid_{mutants}"] / max(counts[mutants], 1),
            "tvm_time_share": inside_tvm / max(times["worker"], 1e-9),
            "native_blocks": coverage_map.stable_count,
            "native_blocks_seeds": counts["seed_blocks"],
            "native_files": coverage_map.files_reached(),
            "python_lines": len(coverage_map.lines),
            "corpus": corpus,
            "findings": self._store.findings_by_kind(),
            "known_findings": self._store.known_findings(),
            "known_failures": counts["known_failures"],
            "elapsed_s": times["elapsed"],
            "worker_s": times["worker"],
            "tvm_s": inside_tvm,
            **{f"{what}_s": seconds for what, seconds in accounted.items()},
            "else_s": times["worker"] - sum(accounted.values()),
            "faults": counts["faults"],
            "native_runs": counts["native_runs"],
        }


def names(calls: Sequence[PassCall] | Sequence[PrimitiveCall]) -> tuple[str, ...]:
    """The names of the calls."""
    return tuple(call.name for call in calls)
