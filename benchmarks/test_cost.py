"""Test cost: the processor's time that a test of a campaign costs, by what it goes to.

    python benchmarks/test_cost.py [--tests 300] [--seeds 1,2] [--against CHECKOUT] [--json]

Campaigns with one worker for llvm. Milliseconds of processor time a test: of the worker by job
(judging, native runs, mutation, calibration, dropping of passes, traces, confirmation), of the
campaign itself, and of the rest (forks, transport); then by what the worker's jobs spent their time
on, by the clock. The first start of the worker doesn't count. With `--against`, another checkout of
the project, with its own .venv, makes the same campaigns alternately, and `ratio` says how many
times as many distinct valid tests a second of processor time this one makes (goal: >= 5 against
f7da0a4).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent.parent
# The functions of tzer/trial.py that ask for a job, and what it is for.
PURPOSES = {
    "test": "judge",
    "_calibrate": "calibrate",
    "still_holds": "drop passes",
    "_trace": "trace",
    "_confirm": "confirm",
    "test_plan": "mutate",
}
SPENT = ("passes", "code_generators", "llvm", "interpreter", "checks")


class Account:
    """Hooks into a campaign of the checkout at hand, which may be an old one."""

    def __init__(self) -> None:
        self.jobs: Counter[str] = Counter()
        self.wall: Counter[str] = Counter()
        self.cpu: Counter[str] = Counter()
        self.digests: set[str] = set()
        self.started: float | None = None

    def install(self) -> None:
        from harness.verdict import Kind
        from tzer import campaign, trial

        run, test = trial.Examiner._run, trial.Examiner.test
        prepare = campaign.Campaign._prepare

        def run_counted(examiner: Any, request: Any, **more: Any) -> Any:
            before = time.perf_counter()
            outcome = run(examiner, request, **more)
            purpose = _purpose(request)
            self.jobs[purpose] += 1
            self.wall[purpose] += time.perf_counter() - before
            self.cpu[purpose] += getattr(outcome, "cpu_seconds", 0.0)
            return outcome

        def test_counted(examiner: Any, case: Any, **more: Any) -> Any:
            result = test(examiner, case, **more)
            if result.verdict is not None and result.verdict.kind is not Kind.INVALID:
                self.digests.add(case.digest)
            return result

        def prepare_counted(campaign: Any) -> None:
            prepare(campaign)
            self.started = processor_seconds()

        trial.Examiner._run = run_counted  # type: ignore[method-assign]
        trial.Examiner.test = test_counted  # type: ignore[method-assign]
        campaign.Campaign._prepare = prepare_counted  # type: ignore[method-assign]


def _purpose(request: dict[str, Any]) -> str:
    frame = sys._getframe(2)
    while frame is not None and frame.f_code.co_name not in PURPOSES:
        frame = frame.f_back  # type: ignore[assignment]
    purpose = PURPOSES[frame.f_code.co_name] if frame is not None else "other"
    return "native run" if purpose == "judge" and request.get("native") else purpose


def processor_seconds() -> float:
    """Of this process and all that it has started."""
    import psutil

    me = psutil.Process()
    total = 0.0
    for process in (me, *me.children(recursive=True)):
        times = process.cpu_times()
        total += times.user + times.system + times.children_user + times.children_system
    return total


def campaign(tests: int, seed: int) -> dict[str, Any]:
    """One campaign of the checkout at hand."""
    from corpus.store import Store
    from tzer.campaign import run_campaign
    from tzer.options import CampaignOptions

    account, finished = Account(), [0.0]
    account.install()
    own = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "campaign"
        options = CampaignOptions(tests=tests, time_s=None, jobs=1, out=out, seed=seed)

        def on_progress(stats: dict[str, Any]) -> None:
            if stats["tests"]:  # the worker's own time is gone with it
                finished[0] = max(finished[0], processor_seconds())

        with Store.create_or_resume(out) as store:
            stats = run_campaign(options, store, on_progress)
    own = time.process_time() - own
    spent = max(processor_seconds(), finished[0]) - (account.started or 0.0)
    done = stats["tests"]
    by_job = {name: round(1e3 * value / done, 2) for name, value in account.cpu.items()}
    by_job["campaign"] = round(1e3 * own / done, 2)
    by_job["rest"] = round(1e3 * spent / done - sum(by_job.values()), 2)
    return {
        "tests": done,
        "distinct_valid": len(account.digests),
        "processor_s": round(spent, 2),
        "ms_a_test": round(1e3 * spent / done, 2),
        "by_job": by_job,
        "jobs": dict(account.jobs),
        "clock_ms_a_test": {
            name: round(1e3 * stats.get(f"{name}_s", 0.0) / done, 2) for name in SPENT
        },
        "native_blocks": stats["native_blocks"],
        "findings": {str(kind): count for kind, count in stats["findings"].items()},
    }


def in_checkout(root: Path, tests: int, seed: int) -> dict[str, Any]:
    """The campaign of this seed in a process of its own, with the code of that checkout."""
    python = root / ".venv" / "bin" / "python"
    command = [python if python.exists() else sys.executable, __file__]
    command += ["--one", str(root), "--tests", str(tests), "--seeds", str(seed)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def rate(results: list[dict[str, Any]]) -> float:
    """Distinct valid tests a second of processor time."""
    tests = sum(result["distinct_valid"] for result in results)
    return tests / sum(float(result["processor_s"]) for result in results)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--tests", type=int, default=300)
    parser.add_argument("--seeds", default="1,2", help="of the campaigns, separated by commas")
    parser.add_argument("--against", type=Path, help="another checkout, with its own .venv")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    seeds = [int(seed) for seed in arguments.seeds.split(",")]
    if arguments.one is not None:
        sys.path.insert(0, str(arguments.one))
        print(json.dumps(campaign(arguments.tests, seeds[0])))
        return 0
    ours, theirs = [], []
    for seed in seeds:
        ours.append(in_checkout(HERE, arguments.tests, seed))
        if arguments.against is not None:
            theirs.append(in_checkout(arguments.against.resolve(), arguments.tests, seed))
    result: dict[str, Any] = {"tests_a_second": round(rate(ours), 2), "campaigns": ours}
    if theirs:
        result["against"] = {"tests_a_second": round(rate(theirs), 2), "campaigns": theirs}
        result["ratio"] = round(rate(ours) / rate(theirs), 2)
    if arguments.json:
        print(json.dumps(result, indent=1))
    else:
        for each in ours:
            print(f"{each['ms_a_test']} ms a test: {each['by_job']}; {each['clock_ms_a_test']}")
        print(f"{result['tests_a_second']} tests a second, ratio {result.get('ratio', '-')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
