"""A campaign in a process of its own, for tests that kill it: python -m … DIR SECONDS [JOBS].

Prints "started" when the first test is over, so that a test can tell its start from its work.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from corpus.store import Store
from tzer.campaign import run_campaign
from tzer.options import CampaignOptions

Stats = dict[str, Any]


def options_for(
    out: Path, seconds: float | None, jobs: int = 1, tests: int | None = None, **more: Any
) -> CampaignOptions:
    """Options of a short campaign."""
    return CampaignOptions(time_s=seconds, tests=tests, jobs=jobs, out=out, seed=1, **more)


def run(out: Path, tests: int, jobs: int = 1) -> Stats:
    """The statistics of a campaign of so many tests in this folder."""
    with Store.create_or_resume(out) as store:
        return run_campaign(options_for(out, None, jobs, tests), store)


def main() -> None:
    out, seconds, jobs = Path(sys.argv[1]), float(sys.argv[2]), int((*sys.argv, "1")[3])
    said = False

    def on_progress(stats: dict[str, Any]) -> None:
        nonlocal said
        if not said and stats["tests"]:
            print("started", flush=True)
            said = True

    options = options_for(out, seconds, jobs)
    with Store.create_or_resume(out) as store:
        run_campaign(options, store, on_progress)


if __name__ == "__main__":
    main()
