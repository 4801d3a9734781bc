"""`tzer fuzz`: options, checks before the start, and what is said at the end of a campaign."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness import UserError
from harness.console.command_line import Duration, Names, NonEmptyPath, as_json
from harness.console.terminal import print_json, print_line, print_text
from harness.targets.table import NAMES, TRICKLE
from tzer.options import DEFAULT_TOLERANCE, CampaignOptions, Strategy

if TYPE_CHECKING:
    from corpus.store import Store
    from tzer.ray_cluster import RayCluster

DEFAULT_TIME = "10m"
DEFAULT_TARGETS = ("llvm",)


@click.command()
@click.option("--time", "time_s", type=Duration(), help=f"How long, e.g. 8h. [{DEFAULT_TIME}]")
@click.option("--tests", type=click.IntRange(min=1), help="How many tests instead.")
@click.option("--jobs", type=click.IntRange(min=1), help="Workers. [one a processor]")
@click.option("--ray", "ray_address", metavar="ADDRESS", help="Workers on this Ray cluster.")
@click.option(
    "--out",
    type=NonEmptyPath(path_type=Path),
    default=Path("campaign"),
    show_default=True,
    help="The campaign's folder; the same one again resumes it.",
)
@click.option(
    "--target",
    "target_lists",
    type=Names(),
    multiple=True,
    help=f"Code generators: {', '.join(NAMES)}. [llvm, and now and then {', '.join(TRICKLE)}]",
)
@click.option(
    "--scope",
    "scope_lists",
    type=Names(),
    multiple=True,
    help="Source groups that coverage counts in.",
)
@click.option("--seed", type=int, help="Makes the campaign's choices repeatable.")
@click.option(
    "--strategy",
    type=click.Choice([*map(str, Strategy)]),
    default="joint",
    show_default=True,
    help="What is mutated, and what guides it; all but joint are baselines.",
)
@click.option(
    "--tolerance",
    type=click.IntRange(min=1),
    default=DEFAULT_TOLERANCE,
    show_default=True,
    help="Fruitless mutations of a program in a row before its passes have their turn.",
)
@as_json
def fuzz(
    time_s: float | None,
    tests: int | None,
    jobs: int | None,
    ray_address: str | None,
    out: Path,
    target_lists: tuple[tuple[str, ...], ...],
    scope_lists: tuple[tuple[str, ...], ...],
    seed: int | None,
    strategy: str,
    tolerance: int,
    json_output: bool,
) -> None:
    """Run a campaign, or go on with one.

    Ends when its time is over or at Ctrl-C, with everything kept. The exit status is 0 then,
    whether or not anything was found: finding is what a campaign is for.
    """
    from corpus.store import Store
    from harness.coverage.scope import DEFAULT_GROUPS, resolve_scope
    from tzer.cov import tvm_release
    from tzer.progress import progress_view

    if time_s is None and tests is None:
        time_s = Duration().convert(DEFAULT_TIME, None, None)
    targets, scope = _joined(target_lists), _joined(scope_lists) or DEFAULT_GROUPS
    trickle: tuple[str, ...] = ()
    if not target_lists:
        targets, trickle = DEFAULT_TARGETS, _available(TRICKLE)
    _check_targets(targets)
    cluster = None if ray_address is None else _cluster(ray_address)
    options = CampaignOptions(
        time_s,
        tests,
        jobs or (os.cpu_count() if cluster is None else cluster.processors()) or 1,
        out,
        targets,
        resolve_scope(scope),
        seed,
        Strategy(strategy),
        tolerance,
        trickle,
    )
    release = tvm_release()
    settings = {
        "tvm": release,
        "strategy": strategy,
        "targets": targets,
        "scope": scope,
        "seed": seed,
    }
    with Store.create_or_resume(out, settings) as store:
        before = store.settings()
        if before.get("tvm") != release:
            # Its coverage is of another library, whose blocks have other numbers.
            found = before.get("tvm", "unknown")
            raise UserError(
                f"the campaign in {out} is of TVM {found}, this is {release}; give another --out"
            )
        print_changes(out, before, settings)
        with progress_view(options, store) as show_progress:

            def on_progress(stats: dict[str, Any]) -> None:
                store.check_place()
                show_progress(stats)

            stats = _campaign(options, store, on_progress, cluster)
        print_faults(store, stats)
        if json_output:
            print_json(stats)
        else:
            _print_end(out, store, stats)


def print_changes(out: Path, before: dict[str, Any], now: dict[str, Any]) -> None:
    """Say where a resumed campaign goes on otherwise than it began."""
    for name, option in (("targets", "--target"), ("scope", "--scope"), ("strategy", "--strategy")):
        old, new = (
            ",".join([value] if isinstance(value, str) else value)
            for value in (before.get(name, now[name]), now[name])
        )
        if old != new:
            note = f"note: {out} began with {option} {old}, and goes on with {new}"
            print_line(note, err=True)


def _campaign(
    options: CampaignOptions,
    store: Store,
    on_progress: Callable[[dict[str, Any]], None],
    cluster: RayCluster | None,
) -> dict[str, Any]:
    from tzer.campaign import run_campaign

    if cluster is not None:
        return run_campaign(options, store, on_progress, cluster.worker)
    return run_campaign(options, store, on_progress)


def _cluster(address: str) -> RayCluster:
    """A connection to the Ray cluster, which is closed when the command ends."""
    from tzer.ray_cluster import RayCluster

    return click.get_current_context().with_resource(closing(RayCluster(address)))


def _joined(lists: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    """All names, each once, in their order."""
    return tuple(dict.fromkeys(name for names in lists for name in names))


def _check_targets(targets: tuple[str, ...]) -> None:
    """Refuse an unknown target, or one that can't work here, before anything is started."""
    from harness.targets import get_target

    if not targets:
        raise UserError("--target names no target; try --target llvm")
    for name in targets:
        reason = get_target(name).available()
        if reason is not None:
            raise UserError(f"target {name}: {reason}")


def _available(names: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the targets that work here."""
    from harness.targets import get_target

    return tuple(name for name in names if get_target(name).available() is None)


def print_faults(store: Store, stats: dict[str, Any]) -> None:
    """The exceptions of our own code that workers have met: bugs of ours, for our developers."""
    if not stats["faults"]:
        return
    for traceback in store.progress().get("faults", {}).values():
        print_text(traceback.rstrip(), err=True)
    print_line(
        f"tzer: {stats['faults']} jobs ended by an error of tzer itself; please report it in the "
        "issue tracker of the project, with the traceback above",
        err=True,
    )


def _print_end(out: Path, store: Store, stats: dict[str, Any]) -> None:
    findings = store.findings()
    done = f"{stats['tests']} tests, {stats['native_blocks']} blocks"
    known = sum(finding.known is not None for finding in findings)
    print_line(f"{done}, {len(findings) - known} findings and {known} known issues in {out}")
    if findings:
        first = findings[0].id
        print_line(f"tzer findings {out} lists them; tzer show {out} {first} shows the first")
