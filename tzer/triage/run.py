"""Triage: from the findings of a campaign to reports that are worth a maintainer's time.

Known issues are set apart first. The rest is grouped by signature; one finding of each group is
confirmed, minimized and written as a script that shows it, the next one if that fails, and the
others are its duplicates. A silent finding says too little for that, and each is examined. Then
those whose minimized programs have one cause become one, and what is left gets an issue text.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TypeVar

from corpus.store import Finding
from harness.oracles.known_issues import KnownIssue
from harness.verdict import Kind
from tzer.triage.examine import (
    BY_SHAPE,
    Examined,
    FindingExaminer,
    Reproducer,
    blank_result,
)
from tzer.triage.folder import TriageFolder
from tzer.triage.known import which
from tzer.triage.minimize import Interrupted
from tzer.triage.result import Status, TriageResult
from tzer.triage.signature import signature_of

Task = TypeVar("Task")
Done = TypeVar("Done")
FEWEST_SHARED = 2  # parts of a shape that say that a larger program has the smaller one's cause


@dataclass(frozen=True)
class TriageReport:
    """All results in the order of the findings.

    `faults` are tracebacks of our own exceptions in the sandbox.
    """

    examined: list[Examined]
    interrupted: bool = False
    faults: tuple[str, ...] = ()

    @property
    def reproducers(self) -> dict[str, Reproducer]:
        """The script of each that is reported."""
        return {each.result.id: each.reproducer for each in self.examined if each.reproducer}


@dataclass
class Triage:
    """One run of triage. `deadline` ends minimization, by `time.monotonic`."""

    folder: TriageFolder
    issues: Sequence[KnownIssue]
    release: str
    jobs: int
    deadline: float
    on_done: Callable[[TriageResult], None] = lambda result: None
    on_step: Callable[[str, str], None] = lambda finding_id, text: None
    _stopping: threading.Event = field(default_factory=threading.Event)
    _examiners: list[FindingExaminer] = field(default_factory=list)
    _of_thread: threading.local = field(default_factory=threading.local)

    def stop(self) -> None:
        """End the run, from a signal handler or another thread; what was found is kept."""
        self._stopping.set()
        for examiner in list(self._examiners):
            examiner.interrupt()

    def run(self, findings: Sequence[Finding]) -> TriageReport:
        """Examine the findings, those of `jobs` groups at a time.

        Raises:
            UserError: the folder can't be written, or a worker can't be started.
            Exception: a bug of ours; what was found is kept.
        """
        known = [(finding, self._known(finding)) for finding in findings]
        done = [_as_known(finding, issue) for finding, issue in known if issue is not None]
        for each in done:
            self.on_done(each.result)
        groups = list(grouped(finding for finding, issue in known if issue is None))
        order = {finding.id: number for number, finding in enumerate(findings)}
        with ThreadPoolExecutor(self.jobs) as pool:
            try:
                for group in self._in_threads(pool, self._examined_group, groups):
                    done.extend(group)
            finally:
                for examiner in self._examiners:
                    examiner.close()
        done.sort(key=lambda each: order[each.result.id])
        faults = sorted({fault for examiner in self._examiners for fault in examiner.faults})
        return TriageReport(without_duplicates(done), self._stopping.is_set(), tuple(faults))

    # Groups of findings.

    def _examined_group(self, group: list[Finding], examiner: FindingExaminer) -> list[Examined]:
        """The results of findings of one signature: the first to be reported, and the rest."""
        done: list[Examined] = []
        for number, finding in enumerate(group):
            one = self._recognized(examiner.examine(finding))
            if one.result.status is Status.REPORTED:
                one = examiner.with_reproducer(one, finding)
            done.append(one)
            self.on_done(one.result)
            if one.result.status in (Status.REPORTED, Status.KNOWN):
                rest = [_duplicate(other, one.result) for other in group[number + 1 :]]
                for result in rest:
                    self.on_done(result)
                return [*done, *map(Examined, rest)]
        return done

    def _recognized(self, examined: Examined) -> Examined:
        """The finding as a known issue, if its minimized form is one."""
        result, smaller = examined.result, examined.smaller
        if result.status is not Status.REPORTED or smaller is None:
            return examined
        signatures = (smaller.verdict.signature, result.signature)
        issue = which(result.kind, signatures, self.issues, self.release)
        if issue is None:
            return examined
        return replace(examined, result=_with_issue(result, issue))

    def _known(self, finding: Finding) -> KnownIssue | None:
        triaged = signature_of(finding.verdict, finding.case.target)
        return which(finding.kind, (finding.signature, triaged), self.issues, self.release)

    # Threads.

    def _in_threads(
        self,
        pool: ThreadPoolExecutor,
        work: Callable[[Task, FindingExaminer], Done],
        tasks: Sequence[Task],
    ) -> list[Done]:
        """The results of the work on each task, in order; without those that were interrupted."""

        def one(task: Task) -> list[Done]:
            if self._stopping.is_set():
                return []
            try:
                return [work(task, self._examiner())]
            except Interrupted:
                return []
            except BaseException:
                self.stop()
                raise

        return [done for found in pool.map(one, tasks) for done in found]

    def _examiner(self) -> FindingExaminer:
        """That of this thread; a worker ends with the thread that has started it."""
        if not hasattr(self._of_thread, "examiner"):
            stopped = self._stopping.is_set
            examiner = FindingExaminer(self.folder, self.deadline, stopped, self.on_step)
            self._of_thread.examiner = examiner
            self._examiners.append(examiner)
        found: FindingExaminer = self._of_thread.examiner
        return found


def grouped(findings: Iterable[Finding]) -> Iterator[list[Finding]]:
    """The findings by signature, each group in their order; a silent one is alone in its own."""
    groups: dict[str, list[Finding]] = {}
    for finding in findings:
        key = signature_of(finding.verdict, finding.case.target)
        if finding.kind in BY_SHAPE:
            key = f"{key}|{finding.id}"
        groups.setdefault(key, []).append(finding)
    yield from groups.values()


def without_duplicates(examined: Sequence[Examined]) -> list[Examined]:
    """The findings, those of which one before has the same cause as duplicates of that one."""
    first: list[TriageResult] = []
    found: list[Examined] = []
    for each in examined:
        result = each.result
        if result.status is Status.REPORTED:
            same = next((other for other in first if have_one_cause(other, result)), None)
            if same is None:
                first.append(result)
            else:
                each = replace(each, result=_of_one_cause(result, same), reproducer=None)
        found.append(each)
    return found


def have_one_cause(one: TriageResult, other: TriageResult) -> bool:
    """Whether two minimized findings are taken for one: by signature, or, where the shapes of the
    programs are in it, if one has all that the other has."""
    if one.signature == other.signature:
        return True
    if not all(Kind(result.kind) in BY_SHAPE for result in (one, other)):
        return False
    places = {result.signature.rpartition("|")[0] for result in (one, other)}
    shapes = sorted((set(one.shape), set(other.shape)), key=len)
    return len(places) == 1 and len(shapes[0]) >= FEWEST_SHARED and shapes[0] <= shapes[1]


def _of_one_cause(result: TriageResult, first: TriageResult) -> TriageResult:
    return replace(
        result,
        status=Status.DUPLICATE,
        reason=f"of {first.id}: its minimized program has the same signature",
        duplicate_of=first.id,
    )


def _duplicate(finding: Finding, first: TriageResult) -> TriageResult:
    result = blank_result(finding, Status.DUPLICATE, f"of {first.id}: the same signature")
    if first.status is Status.KNOWN:
        reason = f"{first.reason}, as {first.id}"
        return replace(result, status=Status.KNOWN, reason=reason, known=first.known)
    return replace(result, duplicate_of=first.id)


def _with_issue(result: TriageResult, issue: KnownIssue) -> TriageResult:
    reason = f"{issue.name}: {issue.why}"
    return replace(result, status=Status.KNOWN, reason=reason, known=issue.reference)


def _as_known(finding: Finding, issue: KnownIssue) -> Examined:
    return Examined(_with_issue(blank_result(finding, Status.KNOWN, ""), issue))
