"""The tuner: spends a budget of seconds on the tasks that can gain the most time.

First, the best guess of each task's space is verified and timed. Then, until the budget is spent,
the task with the highest expected gain (its call sites x what a perfect kernel would save, less
after each attempt without a gain) gets its next candidates, timed alternately with the best so far.
Stopping early leaves the best so far. Records of earlier runs replace measurements; a search with a
larger budget continues where they stopped.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness.compat import tvm_version
from harness.devices.base import Device, KernelFailed, KernelRefused, Timing, is_time
from harness.system.text import first_line
from jitweb import records as recorded
from jitweb.compare import TOLERANCE
from jitweb.errors import JitwebError
from jitweb.records import DeviceSpeed, Record, Records
from jitweb.space.candidate import Candidate
from jitweb.targets import Built, WebTarget
from jitweb.task_input import TaskInput, difference, make_arguments, reference_outputs

BATCH = 3  # candidates timed together with the best so far
TIMING_SECONDS = 0.06  # for each candidate of a timing
LONGEST_TIMING = 1.5
PLAIN = "plain"
WORTHWHILE = 0.99  # an attempt is without a gain if the time is still more than this fraction
DISAPPOINTMENT = 0.6  # the factor of a task's expected gain after an attempt without a gain
NEGLIGIBLE = 0.001  # of the model's latency: an attempt with a lower expected gain is not made
SPEED_SECONDS = 0.1
CACHED = 4 << 20  # bytes
LONGER = 1.1  # shares of equal budgets differ a little


@dataclass
class TaskState:
    """The state of a task's search; the first `tried` candidates have been tried."""

    task: TaskInput
    candidates: list[Candidate]
    best: Candidate  # the first candidate until one was tried
    time: Timing | None = None
    tried: int = 0
    attempts_for_nothing: int = 0
    from_records: bool = False
    is_settled: bool = False  # the records suffice
    built: Built | None = None
    wrong: list[Candidate] = field(default_factory=list)
    failure: str = ""  # the last candidate's
    times: dict[str, Timing] = field(default_factory=dict)  # of correct candidates, by their text

    @property
    def left(self) -> list[Candidate]:
        """The candidates to try; the plain kernel only if no other one is correct."""
        if self.is_settled:
            return []
        return [
            candidate
            for candidate in self.candidates[self.tried :]
            if self.time is None or candidate.family != PLAIN
        ]


@dataclass(frozen=True)
class Progress:
    """The tuner's progress: the sum of the best times so far, in milliseconds, and the budget."""

    elapsed_s: float
    budget_s: float | None
    tried: int
    left: int
    latency_ms: float | None
    task: str


@dataclass(frozen=True)
class TuningResult:
    """The best candidate of each task, by its key."""

    states: Mapping[str, TaskState]
    seconds: float
    measured: int
    is_complete: bool

    @property
    def latency_ms(self) -> float | None:
        return _latency(self.states.values())


Arguments = tuple[list[np.ndarray], dict[int, np.ndarray]]  # and what is expected for them
OnProgress = Callable[[Progress], None]
OnWrong = Callable[[TaskInput, Candidate, str], None]


class Tuner:
    """One run of the tuner. With `device` None it chooses by the space's static order.

    With `remeasure` records are written but not read; with `goes_on` a search that was shorter than
    this one's budget is continued.
    """

    def __init__(
        self,
        target: WebTarget,
        device: Device | None,
        records: Records | None,
        *,
        budget_s: float | None = None,
        remeasure: bool = False,
        goes_on: bool = False,
        on_progress: OnProgress = lambda progress: None,
        on_wrong: OnWrong = lambda task, candidate, message: None,
    ) -> None:
        self.target, self.device, self.records = target, device, records
        self.remeasure, self.goes_on = remeasure, goes_on
        self.budget_s, self.on_progress, self.on_wrong = budget_s, on_progress, on_wrong
        self.started = time.monotonic()
        self.measured = 0
        self._arguments: tuple[str, dict[int | None, Arguments]] | None = None
        self._device_key = recorded.device_key(device.fingerprint()) if device else ""
        self._compiler = f"tvm {tvm_version()}"
        self._step_s = 0.5  # how long a step took at most, as far as known
        self._speed: DeviceSpeed | None = None

    def _measure_speed(self) -> DeviceSpeed | None:
        """The device's peaks, from the records or measured now; None if that fails."""
        assert self.device is not None
        known = self.records.speed(self._device_key, self.target.name) if self.records else None
        if known is not None:
            return known
        times = []
        probes = self.target.probes()
        try:
            for probe in probes:
                built = self.target.build(probe.kernel)
                with self._loaded([built]) as (handle,):
                    launch = built.launch(handle, probe.arguments, (len(probe.arguments) - 1,))
                    (timing,) = self.device.time([launch], SPEED_SECONDS)
                times.append(timing.min_ms)
        except (KernelFailed, KernelRefused):
            return None
        rates = [
            probe.amount / taken / 1e6 for probe, taken in zip(probes[:2], times, strict=False)
        ]
        speed = DeviceSpeed(rates[0], rates[1], times[2])
        if self.records:
            self.records.set_speed(self._device_key, self.target.name, speed)
        return speed

    @contextmanager
    def _loaded(self, builds: Sequence[Built]) -> Iterator[list[int]]:
        """Load code on the device for the duration of the block; yields the handles."""
        assert self.device is not None
        handles: list[int] = []
        try:
            for built in builds:
                handles.append(self.device.load(built.code))
            yield handles
        finally:
            for handle in handles:
                self.device.release(handle)

    def run(self, tasks: Sequence[TaskInput]) -> TuningResult:
        """Tune until the budget is spent, nothing can be gained, or a KeyboardInterrupt.

        Raises:
            JitwebError: a task has no correct kernel.
            DeviceError: the device can't be opened, or died.
        """
        states = {task.key: self._begin(task) for task in tasks}
        wanting = [state.task.key for state in states.values() if state.left]
        complete, seconds = True, self._seconds
        try:
            if self.device is not None:
                complete = self._search(states)
        except KeyboardInterrupt:
            complete, seconds = False, time.monotonic() - self.started
        for state in states.values():
            if state.time is None:
                self._take_first(state)
        if self.records is not None and self.device is not None:
            where = (self.target.name, self._device_key, self._compiler)
            self.records.set_searched(wanting, *where, math.inf if complete else seconds)
        return TuningResult(states, time.monotonic() - self.started, self.measured, complete)

    @property
    def _seconds(self) -> float:
        return math.inf if self.budget_s is None else self.budget_s

    def _begin(self, task: TaskInput) -> TaskState:
        candidates = self.target.candidates(task.function, task.constants)
        state = TaskState(task, candidates, candidates[0])
        if self.device is None or self.records is None or self.remeasure:
            return state
        where = (task.key, self.target.name, self._device_key, self._compiler)
        # A failure may be unrelated to the candidate, such as a browser that a user closed.
        known = {
            record.candidate: record
            for record in self.records.of_task(*where)
            if record.status != recorded.FAILED
        }
        tried = [candidate for candidate in candidates if candidate.text in known]
        state.times = {
            text: Timing((each.min_ms, each.median_ms, each.median_ms))
            for text, each in known.items()
            if each.min_ms is not None and each.median_ms is not None
        }
        state.wrong = [each for each in tried if known[each.text].status != recorded.OK]
        by_text = {candidate.text: candidate for candidate in tried}
        fastest = next((by_text[text] for text in known if text in by_text), None)
        if fastest is not None and known[fastest.text].status == recorded.OK:
            state.best, state.time = fastest, state.times[fastest.text]
            state.from_records = True
        searched = self.records.searched(*where) or math.inf
        goes_on = self.goes_on and searched * LONGER < self._seconds
        state.is_settled = state.time is not None and not goes_on
        state.candidates = tried + [each for each in candidates if each.text not in known]
        state.tried = len(tried)
        return state

    def _take_first(self, state: TaskState) -> None:
        """Take the first candidate that compiles and is not known to be wrong."""
        for candidate in state.candidates:
            if candidate in state.wrong:
                continue
            try:
                if candidate.fallback is not None:  # which the bundle holds as well
                    self.target.build(candidate.fallback.build())
                state.best, state.built = candidate, self.target.build(candidate.build())
                return
            except Exception as error:  # TVM may raise anything; others may compile
                state.failure = f"not built: {first_line(error)}"
        raise JitwebError(_no_kernel(state))

    def _search(self, states: Mapping[str, TaskState]) -> bool:
        """Search; returns whether it ended before the budget because nothing more can be gained."""
        first = sorted(
            (state for state in states.values() if state.time is None),
            key=lambda each: -each.task.flops * each.task.sites,
        )
        if any(state.left for state in states.values()):
            self._speed = self._measure_speed()
        for state in first:
            while state.time is None and state.left:
                if not self._has_time() and state is not first[0]:
                    return False
                self._attempt(state, states, count=1)
            if state.time is None:
                raise JitwebError(_no_kernel(state))
        while True:
            open_states = [state for state in states.values() if state.left]
            if not open_states:
                return True
            if not self._has_time():
                return False
            state = max(open_states, key=self._expected_gain)
            if self._expected_gain(state) < NEGLIGIBLE * (_latency(states.values()) or 0.0):
                return True
            self._attempt(state, states, count=BATCH)

    def settle(self, state: TaskState, candidates: Sequence[Candidate]) -> None:
        """Take the fastest of these in the place of the best, whatever that takes.

        Where none was measured, some are now; without a device it is the first that compiles. If
        none is correct, all stays as it is.
        """
        if self.device is None:
            others = TaskState(state.task, list(candidates), state.best)
            try:
                self._take_first(others)
            except JitwebError:
                return
            state.best, state.built = others.best, others.built
            return
        left = [each for each in candidates if each not in state.wrong]
        if not any(each.text in state.times for each in left):
            for candidate in left[:BATCH]:
                built = self._verified(state, candidate)
                if built is not None:
                    self._race(state, [(candidate, built)])
        timed = [each for each in left if each.text in state.times]
        if timed:
            state.best = min(timed, key=lambda each: state.times[each.text].min_ms)
            state.built, state.time = None, state.times[state.best.text]

    def _has_time(self) -> bool:
        if self.budget_s is None:
            return True
        return time.monotonic() - self.started + self._step_s < self.budget_s

    def _expected_gain(self, state: TaskState) -> float:
        """The expected gain of another attempt, in milliseconds of the model."""
        if state.time is None:
            return float("inf")
        possible = max(0.0, state.time.min_ms - self._least_ms(state.task))
        return state.task.sites * possible * DISAPPOINTMENT**state.attempts_for_nothing

    def _least_ms(self, task: TaskInput) -> float:
        """The task's time at the device's peak rates, in milliseconds."""
        if self._speed is None:
            return 0.0
        compute = task.flops / self._speed.fma_gflops / 1e6
        memory = task.bytes / self._speed.bandwidth_gbs / 1e6
        # Data that fits the caches is faster than memory, so bandwidth is not a bound for it.
        return max(compute, memory if task.bytes > CACHED else 0.0, self._speed.dispatch_ms)

    def _attempt(self, state: TaskState, states: Mapping[str, TaskState], count: int) -> None:
        started = time.monotonic()
        taken = state.left[:count]
        state.tried += len(taken)
        if state.time is not None and state.built is None:  # the best one of the records
            state.built = self.target.build(state.best.build())
        fresh: list[tuple[Candidate, Built]] = []
        for candidate in taken:
            built = self._verified(state, candidate)
            if built is not None:
                fresh.append((candidate, built))
        if fresh:
            self._race(state, fresh)
        self._step_s = max(0.8 * self._step_s, time.monotonic() - started)
        self.on_progress(
            Progress(
                time.monotonic() - self.started,
                self.budget_s,
                sum(each.tried for each in states.values()),
                sum(len(each.left) for each in states.values()),
                _latency(states.values()),
                state.task.name,
            )
        )

    def _verified(self, state: TaskState, candidate: Candidate) -> Built | None:
        """The candidate, compiled, if it is correct, else None, with the failure in the records.

        Its fallback must be, too: the bundle holds both.
        """
        assert self.device is not None
        try:
            built = self.target.build(candidate.build())
        except Exception as error:  # TVM may raise anything; only this candidate is lost
            self._reject(state, candidate, recorded.REFUSED, f"not built: {first_line(error)}")
            return None
        try:
            handle = self.device.load(built.code)
        except KernelRefused as refusal:
            self._reject(state, candidate, recorded.REFUSED, f"refused: {refusal}")
            return None
        try:
            diagnostic = self._diagnostic(state.task, candidate, built, handle)
        except KernelFailed as failure:
            self._reject(state, candidate, recorded.FAILED, str(failure))
            return None
        finally:
            self.device.release(handle)
        if diagnostic is not None:
            self._reject(state, candidate, recorded.WRONG, diagnostic)
            return None
        if candidate.fallback is not None and self._verified(state, candidate.fallback) is None:
            self._reject(state, candidate, recorded.FAILED, f"its fallback: {state.failure}")
            return None
        return built

    def _diagnostic(
        self, task: TaskInput, candidate: Candidate, built: Built, handle: int
    ) -> str | None:
        """What is wrong with a candidate's results, at whichever length; None if they are right."""
        assert self.device is not None
        for length in task.lengths:
            arguments, expected = self._inputs(task, length)
            outputs = self.device.run(built.launch(handle, arguments, task.writes, length))
            tolerance = candidate.tolerance or TOLERANCE
            found = difference(outputs, expected, task.writes, tolerance)
            if found is not None:
                return found if length is None else f"at a length of {length}, {found}"
        return None

    def _reject(self, state: TaskState, candidate: Candidate, status: str, message: str) -> None:
        state.wrong.append(candidate)
        state.failure = message
        self._record(state.task, candidate, status, None)
        self.on_wrong(state.task, candidate, message)

    def _race(self, state: TaskState, fresh: list[tuple[Candidate, Built]]) -> None:
        assert self.device is not None
        runners = [*fresh]
        if state.built is not None:
            runners.insert(0, (state.best, state.built))
        arguments, _ = self._inputs(state.task)
        builds = [built for _, built in runners]
        try:
            with self._loaded(builds) as handles:
                launches = [
                    built.launch(handle, arguments, state.task.writes)
                    for handle, built in zip(handles, builds, strict=True)
                ]
                seconds = min(LONGEST_TIMING, TIMING_SECONDS * len(runners))
                times = self.device.time(launches, seconds)
        except (KernelFailed, KernelRefused) as failure:
            if len(fresh) == 1:
                self._reject(state, fresh[0][0], recorded.FAILED, str(failure))
            else:  # run each by itself to find out which one failed
                for each in fresh:
                    self._race(state, [each])
            return
        self.measured += len(fresh)
        # The load on the machine differs between races: the best of the race before runs in both,
        # and scales their times so that they can be compared.
        scale = 1.0
        if state.built is not None and state.time is not None:
            scale = state.time.min_ms / times[0].min_ms
        before = state.time
        for (candidate, built), raw in zip(runners, times, strict=True):
            if built is state.built:
                continue
            timing = Timing(tuple(scale * sample for sample in raw.samples_ms))
            if not (is_time(timing.min_ms) and is_time(timing.median_ms)):
                self._reject(state, candidate, recorded.FAILED, "its time can't be compared")
                continue
            self._record(state.task, candidate, recorded.OK, timing)
            state.times[candidate.text] = timing
            if state.time is None or timing.min_ms < state.time.min_ms:
                state.best, state.built, state.time = candidate, built, timing
        assert state.time is not None
        brought = before is None or state.time.min_ms < WORTHWHILE * before.min_ms
        state.attempts_for_nothing = 0 if brought else state.attempts_for_nothing + 1

    def _record(
        self, task: TaskInput, candidate: Candidate, status: str, timing: Timing | None
    ) -> None:
        if self.records is None:
            return
        key = (task.key, self.target.name, self._device_key, self._compiler, candidate.text)
        times = (timing.min_ms, timing.median_ms) if timing else (None, None)
        self.records.add([Record(*key, status, *times)])

    def _inputs(self, task: TaskInput, length: int | None = None) -> Arguments:
        """Arguments for the task, and the expected outputs; cached for one task."""
        if self._arguments is None or self._arguments[0] != task.key:
            self._arguments = (task.key, {})
        known = self._arguments[1]
        if length not in known:
            fixed = task.at(length)
            arguments = make_arguments(fixed)
            known[length] = (arguments, reference_outputs(fixed, arguments))
        return known[length]


def _no_kernel(state: TaskState) -> str:
    return f"no kernel for {state.task.name} works ({state.failure}); please report the model"


def _latency(states: Any) -> float | None:
    """The sum of the best times over all call sites, or None if a task has none yet."""
    total = 0.0
    for state in states:
        if state.time is None:
            return None
        total += state.task.sites * state.time.min_ms
    return total
