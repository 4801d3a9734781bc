"""What the commands of jitweb print: progress, reports, the parts of a line."""

from __future__ import annotations

import re
import sys
import textwrap
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from harness.console.terminal import print_line
from harness.system.text import printable
from jitweb.errors import JitwebError
from jitweb.kernel_text import operators_of, operators_text
from jitweb.plan import condition_text

if TYPE_CHECKING:
    from jitweb.model import ImportedModel
    from jitweb.overview import Overview
    from jitweb.tune import Progress
    from jitweb.workflow import Options, Report


@contextmanager
def progress_line() -> Iterator[Any]:
    """A function that shows the tuner's progress: a live line in a terminal, else now and then."""
    if not sys.stderr.isatty():
        yield _plain()
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    def in_one_line(target: str, progress: Progress) -> Text:
        return Text(printable(_line(target, progress)), no_wrap=True, overflow="ellipsis")

    with Live(console=Console(stderr=True), auto_refresh=False, transient=True) as live:
        yield lambda target, progress: live.update(in_one_line(target, progress), refresh=True)


def _plain() -> Any:
    shown = -10.0

    def show(target: str, progress: Progress) -> None:
        nonlocal shown
        if progress.elapsed_s >= shown + 10 or progress.left == 0:
            shown = progress.elapsed_s
            print_line(_line(target, progress), err=True)

    return show


def _line(target: str, progress: Progress) -> str:
    best = "…" if progress.latency_ms is None else f"{progress.latency_ms:.2f} ms"
    left = ""
    if progress.budget_s is not None:
        left = f", at most {max(0.0, progress.budget_s - progress.elapsed_s):.0f} more"
    return (
        f"{target}  {progress.elapsed_s:.0f} s{left}  best {best}  "
        f"tried {progress.tried} of {progress.tried + progress.left}  {progress.task[:40]}"
    )


@contextmanager
def note_of_waiting(text: str) -> Iterator[None]:
    """Print a line if the block takes longer than anybody waits without one."""
    timer = threading.Timer(LONG_S, lambda: print_line(text, err=True))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def replaced_bundle(options: Options) -> str:
    """The bundle of another model, or for other targets, that a new one replaces; "" if none is."""
    from jitweb.bundle import PLAN, read_plan

    if not (options.out / PLAN).is_file():
        return ""
    try:
        there = read_plan(options.out)
    except JitwebError:
        return ""
    if there["model"] != options.model.stem or not set(there["targets"]) <= set(options.targets):
        return f"{there['model']} for {' and '.join(there['targets'])}"
    return ""


def print_imported(models: Sequence[ImportedModel]) -> None:
    """What was imported, a line a variant."""
    for plan in (model.plan for model in models):
        when = f" with {condition_text(plan.when)}" if plan.when else ""
        text = f"{counted(len(plan.calls), 'call')} of {counted(len(plan.tasks), 'kernel')}"
        print_line(f"{plan.model}{when}: {text}", err=True)


def print_report(report: Report) -> None:
    facts = report.to_json()
    for name, part in facts["targets"].items():
        if part["latency_ms"] is None:
            print_line(f"{name}: {_unmeasured_text(part)}")
        else:
            print_line(f"{name}: {part['latency_ms']['min']:.2f} ms in kernels{_gain_text(part)}")
        for row in part["kernels"]:
            print_line(kernel_line(row, row["candidate"]))
    parts = facts["targets"].values()
    measured = sum(part["measured"] for part in parts)
    how = f"{measured} measured" if measured else "nothing measured"
    if any(part["device"] for part in parts):
        if not measured:
            how += ", all was known (--retune measures anew)"
        elif all(part["complete"] for part in parts):
            how += ", nothing more seems worth it"
    print_line(f"tuned in {facts['tuning_s']:.1f} s ({how}), imported in {facts['import_s']:.1f} s")
    size = amount_text(facts["bundle_bytes"], "B", 1)
    print_line(f"{report.options.out}: {size}. Next: jitweb verify {report.options.out}")


def _unmeasured_text(part: Mapping[str, Any]) -> str:
    """What was measured, where that is not every kernel."""
    count = sum(row["ms"] is not None for row in part["kernels"])
    if not count:
        return "nothing measured; kernels by the space's static order"
    return (
        f"{count} of {counted(len(part['kernels']), 'kernel')} measured, the rest by the space's "
        "static order; a longer --budget goes on"
    )


def _gain_text(part: Mapping[str, Any]) -> str:
    """What tuning gained over the static order."""
    static, tuned = part["static_ms"], part["latency_ms"]["min"]
    return f"; {static:.2f} in the static order, {static / tuned:.2f} x" if static else ""


LONG_S = 2.0
WIDTH = 80  # of a line of `inspect`
GROWN = 1.02  # of the file's weights
WHY_GROWN = (
    "scales, zero points, weights of convolutions and of fewer than 1024 elements are float32, and "
    "what is computed from weights and shapes alone is stored"
)
CODE_MAKERS = {"direct": "our own emitter", "llvm": "LLVM"}
MOST_NAMED, MOST_TENSORS, MOST_NAME = 5, 8, 24
MOST_WORK = 26  # characters of what a kernel computes


def print_overview(found: Overview) -> None:
    """What `inspect` shows, in lines of at most 80 columns but for names."""
    _print_fact("model", found.model)
    _print_fact("type", found.architecture or "not known")
    _print_fact("precision", found.precision)
    shipped = found.shipped_bytes
    ships = "" if shipped is None else f", {amount_text(shipped, 'B', 1)} as shipped"
    _print_fact("weights", f"{amount_text(found.weight_bytes, 'B', 1)} in the file{ships}")
    if shipped is not None and shipped > GROWN * found.weight_bytes:
        _print_fact("", "more than in the file: " + WHY_GROWN)
    for what, tensors in (("inputs", found.inputs), ("outputs", found.outputs)):
        longest = max((len(each["name"]) for each in tensors), default=0)
        for number, each in enumerate(tensors[:MOST_TENSORS]):
            text = (
                f"{each['name']:{min(longest, 30)}}  {each['dtype']} {_sides_text(each['shape'])}"
            )
            if found.opening and what == "inputs" and found.opening.name in each["shape"]:
                text += f" (1 to {found.opening.most})"
            _print_fact("" if number else what, text)
        if len(tensors) > MOST_TENSORS:
            _print_fact("", f"and {len(tensors) - MOST_TENSORS} more")
    operators = list(found.operators.items())
    most = ", ".join(f"{count} {kind}" for kind, count in operators[:8])
    more = f" and {len(operators) - 8} other kinds" if len(operators) > 8 else ""
    _print_fact("operators", most + more)
    for kind, names in found.not_yet.items():
        more = ", …" if len(names) > MOST_NAMED else ""
        _print_fact("not yet", f"{len(names)} {kind}: {', '.join(names[:MOST_NAMED])}{more}")
    if found.needed:
        _print_fact("needs", re.sub("(--[a-z]+) ", "\\1\u00a0", found.needed))  # one word
    if found.calls is None:
        return
    for number, each in enumerate(found.variants if len(found.variants) > 1 else ()):
        text = f"{condition_text(each['when'])}: {counted(each['calls'], 'call')}"
        _print_fact("" if number else "variants", f"{text}, {amount_text(each['flops'], 'FLOP')}")
    work = sum(row["flops"] * row["sites"] for row in found.kernels)
    taken = " with these shapes" if found.needed else ""
    if found.opening:
        taken += f" at {found.opening.name}={found.opening.most}"
    _print_fact(
        "runs as",
        f"{counted(found.calls, 'call')} of {counted(len(found.kernels), 'kernel')}, "
        f"{amount_text(work, 'FLOP')}{taken}",
    )
    for name, family in sorted(found.families.items(), key=lambda each: -each[1]["share"]):
        calls, share = counted(family["calls"], "call"), share_text(family["share"])
        _print_fact("", f"{name:11} {calls:>10} {share:>6}  {FAMILIES.get(name, '')}")
    for number, (name, each) in enumerate((found.code or {}).items()):
        why = ", ".join(f"{kind} ({count})" for kind, count in each["refused"].items())
        text = f"{counted(each['kernels'], 'kernel')} {share_text(each['share'])} by "
        text += CODE_MAKERS[name] + (f": {why}" if why else "")
        _print_fact("" if number else "code", text)
    print_line("")
    title = f"{'share':>6} {'calls':>5} {'work a call':>15} {'bytes':>11}"
    print_line(f"{title}  {'what':{MOST_WORK}} result")
    for row in found.kernels:
        line = (
            f"{share_text(row['share']):>6} {row['sites']:4}x "
            f"{amount_text(row['flops'], 'FLOP'):>15} {amount_text(row['bytes'], 'B'):>11}  "
            f"{_what(row):{MOST_WORK}} "
            f"{shape_text(row['shapes'][-1])}"
        )
        print_line(_cut(line, WIDTH))


FAMILIES = {
    "matmul": "sums of products",
    "rows": "elementwise, reductions, moves",
    "plain": "as imported: no other family fits",
}


def amount_text(number: float, unit: str, digits: int = 2) -> str:
    """An amount in the largest unit of which it is at least one."""
    for factor, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= factor:
            return f"{number / factor:.{digits}f} {prefix}{unit}"
    return f"{number:.0f} {unit}"


def share_text(share: float) -> str:
    return "<0.1%" if 0 < share < 0.0005 else f"{share:.1%}"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _what(row: dict[str, Any], width: int = MOST_WORK) -> str:
    """What a kernel computes."""
    return _cut(operators_text(operators_of(row["name"], row["kind"])), width)


def _sides_text(shape: Sequence[int | str]) -> str:
    """A shape with its open dimensions by name, where that is short."""
    sides = ("?" if len(str(side)) > MOST_NAME else str(side) for side in shape)
    return " x ".join(sides) or "scalar"


def _print_fact(name: str, text: str) -> None:
    """A fact of `inspect`, wrapped under itself."""
    lines = textwrap.wrap(text, WIDTH - 11, break_long_words=False, break_on_hyphens=False)
    for number, line in enumerate(lines or [""]):
        print_line(f"{'' if number else name:11}{line}".replace("\u00a0", " "))


def print_measured(part: dict[str, Any]) -> None:
    """What `bench` shows of a variant."""
    if part["when"]:
        print_line(f"with {condition_text(part['when'])}:")
    latency = part["latency_ms"]
    print_line(f"latency       {latency['min']:.2f} ms (median {latency['median']:.2f})")
    print_line(f"first result  {part['first_result_ms']:.0f} ms")
    for row in part["kernels"]:
        print_line(kernel_line(row, _what(row, 50)))


def kernel_line(row: dict[str, Any], text: str) -> str:
    if row["ms"] is None:
        return f"  {row['sites']:4}x {'':>10}  {row['kind']:15} {text}"
    rate = f"{row['gflops']:6.1f} GFLOP/s" if (row["gflops"] or 0) >= 0.05 else " " * 14
    share = " " * 4 if row["share"] is None else f"{row['share']:4.0%}"
    taken = f"{row['ms']:8.4f} ms {share}  {rate}"
    return f"  {row['sites']:4}x {taken}  {row['kind']:15} {text}"


def shape_text(shape: Any) -> str:
    return "x".join(map(str, shape)) or "scalar"


def device_text(device: Any) -> str:
    return ", ".join(str(part) for part in device.values()) if isinstance(device, dict) else device
