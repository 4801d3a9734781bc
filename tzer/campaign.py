"""Campaign: the loop of `tzer fuzz`, for a new folder or one to resume.

Every worker has a thread, which takes the next test (first the seeds, then what `joint.py` plans),
executes it (`trial.py`) and stores its results in one transaction, so that a kill at any moment
loses the tests in flight and nothing else. The store holds the whole state of the loop, so that a
campaign on the same folder resumes. TVM is loaded only in the workers.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from corpus.store import Store
from harness import UserError
from harness.case import Case, PassCall
from harness.coverage import native
from harness.oracles.known_issues import known_issue
from harness.system.text import last_line
from harness.verdict import Verdict
from harness.worker.sandbox import SandboxError, Settings, Worker
from tzer.coverage_map import CoverageMap
from tzer.interrupt import ended_by_signals
from tzer.joint import MutationPlan, ScheduledEntry, Scheduler
from tzer.native_runs import NativeRuns
from tzer.options import CampaignOptions
from tzer.tally import Tally, names
from tzer.trial import AnyWorker, Examiner, Stopped, Trial, persistently

HANDLER = "tzer.job:handle"
JOB_SECONDS = 10.0
# In the first campaign on a machine this includes building every seed.
PREPARE_SECONDS = 300.0
# Up to this share of the budget only seeds are tested; after it, every fourth test is a seed.
SEED_SHARE = 1 / 3
SEED_EVERY = 4
CACHED_CASES = 128
TICK_SECONDS = 0.5
TIMELINE_SECONDS = 5.0
GRACE_SECONDS = 1.0
CONFIRMATIONS = 3

Progress = Callable[[dict[str, Any]], None]


class CampaignError(UserError):
    """The campaign can't start or continue."""


@dataclass(frozen=True)
class NextTest:
    """The next test: an unchanged seed, an imported entry, or a plan with its parent case."""

    seed: dict[str, str] | None = None
    imported: int | None = None
    plan: MutationPlan | None = None
    parent: Case | None = None
    partner: tuple[PassCall, ...] = ()


class Campaign:
    """One run of a campaign on a store. `run` may be called once."""

    def __init__(
        self,
        options: CampaignOptions,
        store: Store,
        on_progress: Progress,
        start_worker: Callable[[Settings], AnyWorker] = Worker,
    ) -> None:
        self.options = options
        self.store = store
        self.on_progress = on_progress
        self.lock = threading.RLock()
        self.stopping = threading.Event()
        self.coverage_map = CoverageMap()
        self.start_worker = start_worker
        self.workers: list[AnyWorker] = []
        self.failure: Exception | None = None
        self.before = store.progress()
        self.tally = Tally(store)
        self.seeds_done: set[str] = set(self.before.get("seeds_done", []))
        self.seeds: list[dict[str, str]] = []
        self.imported: list[int] = []  # entries that were not run yet
        self.seeds_finished: bool = self.before.get("seeds_finished", False)
        self.seeds_total = 0
        self.prepared = False
        self._case = lru_cache(CACHED_CASES)(store.case)  # of an entry, by its id
        # Attempts to confirm each signature; CONFIRMATIONS if no more are needed.
        self.attempts: Counter[str] = Counter(
            {finding.signature: CONFIRMATIONS for finding in store.findings()}
        )
        self.seed = self.before.get("seed", options.seed)
        if self.seed is None:
            self.seed = random.SystemRandom().getrandbits(32)
        self.native_runs = NativeRuns(random.Random(self.seed), self.before.get("shapes", ()))
        self._next_timeline = 0.0
        self._turn = 0

    # Start and end.

    def run(self) -> dict[str, Any]:
        """Run until the budget is spent or `stop` is called; returns the final statistics.

        Raises:
            CampaignError: a worker can't be started.
        """
        with ended_by_signals(self.stop):
            try:
                self.on_progress(self.store.stats())
                self._prepare()
                threads = [
                    threading.Thread(target=self._worker_loop, args=(index,), daemon=True)
                    for index in range(self.options.jobs)
                ]
                for thread in threads:
                    thread.start()
                self._watch(threads)
            except Stopped:
                pass
            except SandboxError as error:
                self.failure = error
            finally:
                self.stop()
                for worker in self.workers:
                    worker.close()
        self.tally.ended = time.monotonic()
        if isinstance(self.failure, SandboxError):
            raise CampaignError(str(self.failure)) from None
        if self.failure is not None:
            raise self.failure
        if not self.prepared:  # stopped before the first test
            return self.store.stats()
        with self.lock, self.store.transaction():
            self._write_progress()
            self._write_learned()
            stats = self._stats()
            self.store.record_stats(stats)
        self.on_progress(stats)
        return stats

    def stop(self) -> None:
        """End the campaign: no new test is started, and those in flight are dropped."""
        self.stopping.set()
        for worker in list(self.workers):
            worker.interrupt()

    def _prepare(self) -> None:
        """Start the first worker, get mutators and seeds from it, and load the store's state."""
        worker = self._new_worker(PREPARE_SECONDS)
        about = self._request(worker, {"do": "about"})
        if worker.native:
            block_map = native.load_block_map()
            self.coverage_map.file_of_block = block_map.block_file
            self.native_runs.use_block_map(block_map)
        self._restore(about)
        if not self.seeds_finished:
            request = {"do": "seeds", "targets": self.options.targets}
            seeds = self._request(worker, request)["seeds"]
            self.seeds = [seed for seed in seeds if seed["name"] not in self.seeds_done]
            self.seeds_total = len(seeds)
            random.Random(self.seed).shuffle(self.seeds)
        worker.settings = replace(worker.settings, seconds=JOB_SECONDS)
        # The budget starts here: the first campaign on a machine decodes the library and builds the
        # seeds before, which takes a while.
        self.tally.started = time.monotonic()
        self.prepared = True

    def _request(self, worker: AnyWorker, request: dict[str, Any]) -> dict[str, Any]:
        outcome = worker.run(request)
        if outcome.status == "done":
            return outcome.reply
        if self.stopping.is_set():
            raise Stopped
        reason = last_line(outcome.stderr) or outcome.status
        raise SandboxError(f"a worker could not start: {reason}")

    def _new_worker(self, seconds: float = JOB_SECONDS) -> AnyWorker:
        settings = Settings(handler=HANDLER, scope=tuple(self.options.scope), seconds=seconds)
        worker = self.start_worker(settings)
        self.workers.append(worker)
        if self.stopping.is_set():  # `stop` may have been called before the worker was in the list
            raise Stopped
        return worker

    def _restore(self, about: dict[str, Any]) -> None:
        self.scheduler = Scheduler(
            random.Random(f"{self.seed}:{self.tally.counts['tests']}"),
            about["ir_mutators"],
            about["pass_mutators"],
            passes=about["passes"],
            general=about["general"],
            ingredients=about["ingredients"],
            strategy=self.options.strategy,
            tolerance=self.options.tolerance,
        )
        self.scheduler.restore(self.before.get("scheduler", {}))
        self.scheduler.transitions.restore(self.store.learned().get("passes", {}))
        blocks, lines = self.store.coverage()
        self.coverage_map.settle(blocks)
        self.coverage_map.add_lines(lines)
        for entry, passes in zip(self.store.entries(), self.store.passes(), strict=True):
            if not entry.judged:
                self.imported.append(entry.id)
                continue
            counts = (entry.chosen, entry.ir_failures, entry.pass_failures)
            known = ScheduledEntry(entry.id, *counts, passes=names(passes))
            self.scheduler.add(known, entry.blocks)

    # The thread of each worker.

    def _worker_loop(self, index: int) -> None:
        try:
            if index == 0:
                worker = self.workers[0]
            else:
                worker = persistently(self._new_worker, self.stopping)
            self._count_start(worker)
            examiner = Examiner(
                worker,
                self.coverage_map,
                self.stopping,
                self._wants_confirmation,
                self.options.targets,
                self._count_fault,
                self.native_runs,
                self.options.trickle,
            )
            with self.lock:
                self.tally.examiners.append(examiner)
            try:
                while (test := self._next_test()) is not None:
                    self._record(test, self._execute(examiner, test))
            finally:
                examiner.ended = time.monotonic()
        except Stopped:
            pass
        except Exception as error:
            # Whatever the error is, the other threads must not silently continue without this one.
            self.failure = self.failure or error
            self.stop()

    def _count_start(self, worker: AnyWorker) -> None:
        """Record the blocks that the worker reached at its start: no child reports them again."""
        with self.lock, self.store.transaction():
            new = self.coverage_map.settle(worker.start_blocks)
            self.tally.counts["seed_blocks"] += int(new.size)
            self.store.add_coverage(new, ())

    def _execute(self, examiner: Examiner, test: NextTest) -> Trial:
        if test.seed is not None:
            case = Case.from_json(test.seed["case"])
            return examiner.test(case, seed=True)
        keep_all = self.scheduler.wants_everything()
        if test.imported is not None:
            assert test.parent is not None
            return examiner.test(test.parent, keep_all=keep_all)
        assert test.plan is not None
        return examiner.test_plan(test.plan, test.parent, test.partner, keep_all)

    def _next_test(self) -> NextTest | None:
        """The next test, or None when the budget is spent."""
        with self.lock:
            spent = self._spent()
            if spent >= 1 or self.stopping.is_set():
                return None
            self._turn += 1
            if self.seeds and (spent < SEED_SHARE or self._turn % SEED_EVERY == 0):
                return NextTest(seed=self.seeds.pop())
            if self.imported:
                entry = self.imported.pop()
                return NextTest(imported=entry, parent=self.store.case(entry))
            plan = self.scheduler.next()
            parent = self._case(plan.entry) if plan.entry is not None else None
            partner = self._case(plan.partner).passes if plan.partner is not None else ()
            return NextTest(plan=plan, parent=parent, partner=partner)

    def _spent(self) -> float:
        """The fraction of the budget that is spent: of the time or the tests, whichever is more."""
        spent = 0.0
        if self.options.time_s:
            spent = (time.monotonic() - self.tally.started) / self.options.time_s
        if self.options.tests:
            spent = max(spent, self.tally.tests_done / self.options.tests)
        return spent

    # Results.

    def _record(self, test: NextTest, trial: Trial) -> None:
        """Store the results of a test, in one transaction."""
        with self.lock, self.store.transaction():
            verdict = trial.verdict
            if test.imported is not None:  # what it brought is added like that of any other test
                self.store.remove_entry(test.imported)
            known = known_issue(verdict.kind, verdict.signature) if verdict is not None else None
            if test.plan is not None:
                self.scheduler.learn(
                    test.plan,
                    trial.mutator,
                    trial.new.size + len(trial.lines),
                    trial.seconds,
                    tested=names(trial.case.passes if trial.case is not None else ()),
                    needed=names(trial.kept.passes if trial.kept is not None else ()),
                    ingredients=trial.ingredients,
                    known=known,
                )
            if trial.case is None or verdict is None:
                self.tally.counts["no_mutant"] += 1
                self.tally.counts["lost_mutants"] += bool(trial.fault)
                return
            self.tally.count_test(
                trial,
                trial.case,
                verdict,
                seed=test.seed is not None,
                known=known is not None,
                action=str(test.plan.action) if test.plan is not None else "unchanged",
            )
            if test.seed is not None:
                self.seeds_done.add(test.seed["name"])
            if trial.new.size or trial.lines:
                self.store.add_coverage(trial.new, trial.lines)
            if verdict.is_finding:
                self._add_finding(trial.case, verdict, trial.confirmed)
            if trial.kept is not None:
                self._add_to_corpus(trial.kept, trial, test)
            self._write_progress()

    def _add_finding(self, case: Case, verdict: Verdict, confirmed: bool) -> None:
        """Store the finding; only one that was confirmed in a fresh process is counted."""
        seconds, tests = self.tally.seconds()["elapsed"], self.tally.counts["tests"]
        self.store.add_finding(case, verdict, tests, confirmed, seconds)
        self.attempts[verdict.signature] += CONFIRMATIONS if confirmed else 1

    def _count_fault(self, traceback: str) -> None:
        with self.lock:
            self.tally.count_fault(traceback)

    def _wants_confirmation(self, signature: str) -> bool:
        with self.lock:
            return self.attempts[signature] < CONFIRMATIONS

    def _add_to_corpus(self, case: Case, trial: Trial, test: NextTest) -> None:
        """Add the case to the corpus and the scheduler."""
        parent = test.plan.entry if test.plan is not None else None
        tests = self.tally.counts["tests"]
        entry_id = self.store.add_entry(case, trial.reached, parent, tests)
        seconds = max(0.01, trial.seconds)
        entry = ScheduledEntry(entry_id, seconds=seconds, passes=names(case.passes))
        self.scheduler.add(entry, trial.reached)

    def _write_progress(self) -> None:
        self.store.update_counters(self.scheduler.take_changed())
        self.store.record_progress(self._progress())

    def _write_learned(self) -> None:
        """Write down what is too much for every test, and may be lost with a kill."""
        self.store.record_learned(
            {
                "payoff": self.tally.payoffs.state(),
                "passes": self.scheduler.transitions.state(),
                "memory": self.tally.footprint.points,
            }
        )

    # Progress and statistics.

    def _watch(self, threads: list[threading.Thread]) -> None:
        """Report progress until the budget is spent and the last tests have ended."""
        over = 0.0
        while any(thread.is_alive() for thread in threads):
            self.stopping.wait(TICK_SECONDS)
            if self.stopping.is_set():
                break
            self._tick()
            if self._spent() >= 1:
                over = over or time.monotonic()
                if time.monotonic() - over > GRACE_SECONDS:
                    break
        self.stop()
        for thread in threads:
            thread.join(JOB_SECONDS)

    def _tick(self) -> None:
        """Report and record the statistics; now and then add a point to the timeline."""
        with self.lock:
            stats = self._stats()
            self.store.record_stats(stats)
            if time.monotonic() >= self._next_timeline:
                self._next_timeline = time.monotonic() + TIMELINE_SECONDS
                self.store.add_timeline(stats)
                self.tally.footprint.measure(stats["elapsed_s"])
                self._write_learned()
        self.on_progress(stats)

    def _stats(self) -> dict[str, Any]:
        return self.tally.stats(self.coverage_map, len(self.scheduler.entries))

    def _progress(self) -> dict[str, Any]:
        """The state that a run on the same folder resumes from, as JSON."""
        finished = self.seeds_finished or len(self.seeds_done) >= self.seeds_total > 0
        return {
            "seed": self.seed,
            "counts": dict(self.tally.counts),
            "faults": self.tally.faults,
            "seconds": self.tally.seconds(),
            "seeds_finished": finished,
            "seeds_done": [] if finished else sorted(self.seeds_done),
            "scheduler": self.scheduler.state(),
            "shapes": self.native_runs.shapes(),
        }


def run_campaign(
    options: CampaignOptions,
    store: Store,
    on_progress: Progress = lambda stats: None,
    start_worker: Callable[[Settings], AnyWorker] = Worker,
) -> dict[str, Any]:
    """Fuzz into the store until the budget is spent; returns the final statistics.

    `on_progress` is called with the statistics about twice a second, on the calling thread.
    `start_worker` starts each worker, here or elsewhere. SIGINT and SIGTERM end the campaign early
    and cleanly.

    Raises:
        CampaignError: a worker can't be started; one line that says why.
    """
    return Campaign(options, store, on_progress, start_worker).run()
