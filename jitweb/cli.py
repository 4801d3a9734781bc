"""The commands of jitweb.

Everything heavy is imported where it is used: `--help` and `records` are to answer at once.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.console.command_line import (
    WRONG_USE,
    Duration,
    Names,
    NonEmptyPath,
    as_json,
    run,
    write_output,
)
from harness.console.terminal import print_json, print_line
from harness.devices.table import DEVICES, device_kind
from jitweb.devices import HOSTING, MEASURING, NONE, device_of, open_device
from jitweb.errors import JitwebError
from jitweb.extent import Opening
from jitweb.output import (
    device_text,
    note_of_waiting,
    print_imported,
    print_measured,
    print_overview,
    print_report,
    progress_line,
    replaced_bundle,
    shape_text,
)
from jitweb.records_cli import records, records_option
from jitweb.weight_files import parse_size

if TYPE_CHECKING:
    from harness.devices.base import Device
    from jitweb.space.candidate import Candidate
    from jitweb.task_input import TaskInput

TARGET_NAMES = ("wasm", "webgpu")
USUAL_BUDGET_S = 30.0
FAILED_CHECK = 1
# Of a dimension: a number, or a name and the most.
SEPARATOR = re.compile("x|(?<=[0-9])X")  # of dimensions; X is how --help of old versions had it
LENGTH = re.compile(r"(?:[A-Za-z][A-Za-z0-9_]{0,30}:(?=[1-9][0-9]{0,6}$))?[1-9][0-9]{0,11}")
MOST_LENGTH = 9_999_999  # as LENGTH has it
MOST_DIMENSIONS = 32
LEAST_SHARD = 10**6  # bytes

bundle_folder = click.argument("folder", metavar="OUT", type=NonEmptyPath(path_type=Path))
target_option = click.option(
    "--target",
    type=click.Choice(TARGET_NAMES),
    help="Which of the bundle's targets. [the first it was tuned for]",
)
host_option = click.option(
    "--device",
    type=click.Choice(HOSTING),
    default="auto",
    help="Where to run it. [node for wasm, browser for webgpu]",
)
inputs_option = click.option(
    "--inputs",
    type=NonEmptyPath(path_type=Path),
    metavar="X.npz",
    help="Inputs to verify with; the outputs too, if it holds what they are to be. [drawn]",
)
threads_option = click.option("--threads", type=click.IntRange(1, 64), default=1, show_default=True)


class Shape(click.ParamType):
    """NAME=1x128: the shape of one input; in NAME=1xN:512 a length is open, to 512."""

    name = "NAME=1x128"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, tuple[int | Opening, ...]]:
        if isinstance(value, tuple):
            return value
        name, _, text = value.rpartition("=")
        sizes = SEPARATOR.split(text) if text else []
        found = [LENGTH.fullmatch(size) for size in sizes]
        shape = [_length(each) for each in found if each]
        if not name or len(shape) < len(sizes) or len(sizes) > MOST_DIMENSIONS:
            fix = _why_no_shape(sizes) if name else "give one such as input_ids=1x128 or 1xN:512"
            self.fail(f"{value[:80]!r} is not a shape; {fix}", param, ctx)
        openings = dict.fromkeys(str(each) for each in shape if isinstance(each, Opening))
        if len(openings) > 1:
            shown = f"{value[:80]!r} leaves several lengths open ({' and '.join(openings)})"
            self.fail(f"{shown}, and only one length can be open; fix the others", param, ctx)
        return name, tuple(shape)

    def get_metavar(self, param: Any, ctx: Any) -> str:
        return self.name


def _why_no_shape(sizes: Sequence[str]) -> str:
    """What is wrong with the first size that is none."""
    wrong = next((each for each in sizes if not LENGTH.fullmatch(each)), "")
    if re.fullmatch(r"(.*:)?-?[0-9]+", wrong):
        if int(wrong.rpartition(":")[2][:20]) < 1:
            return "a size is at least 1"
        if re.fullmatch("[A-Za-z][A-Za-z0-9_]{0,30}:.*", wrong):
            return f"a length is open to {MOST_LENGTH} at most"
    if re.fullmatch("[A-Za-z][A-Za-z0-9_]{0,30}", wrong):
        whole = "x".join(f"{each}:512" if each == wrong else each for each in sizes)
        return f"{wrong} needs its greatest length: {whole}"
    return "give one such as input_ids=1x128 or 1xN:512"


def _length(found: re.Match[str]) -> int | Opening:
    name, _, most = found[0].rpartition(":")
    return Opening(name, int(most)) if name else int(most)


class InputValue(click.ParamType):
    """NAME=true, NAME=3 or NAME=1,2: the value of one input, for good."""

    name = "NAME=VALUE"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, tuple[float, ...]]:
        if isinstance(value, tuple):
            return value
        name, _, text = value.rpartition("=")
        try:
            return name, tuple(_number(each) for each in text.split(","))
        except ValueError:
            shown = f"{value[:80]!r} is not a value"
            self.fail(f"{shown}; give one such as use_cache_branch=true", param, ctx)


def _number(text: str) -> float:
    """Raises: ValueError, if it is neither a number nor true or false."""
    if text in ("true", "false"):
        return text == "true"
    return int(text) if re.fullmatch("-?[0-9]{1,18}", text) else float(text)


class FileSize(click.ParamType):
    """A size such as 24MB, in bytes."""

    name = "size"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        try:
            size = value if isinstance(value, int) else parse_size(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if size < LEAST_SHARD:
            self.fail(f"{value} is too small for a file of weights; give at least 1MB", param, ctx)
        return size


class DeviceName(click.Choice[str]):
    """The name of a device, or the address of a page to serve."""

    name = "device"

    def __init__(self) -> None:
        super().__init__(MEASURING)

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        return value if "://" in str(value) else super().convert(value, param, ctx)

    def get_metavar(self, param: Any, ctx: Any) -> str:
        return f"[{'|'.join(MEASURING)}|URL]"


def _once_each(ctx: Any, param: Any, pairs: tuple[tuple[str, Any], ...]) -> Any:
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise click.BadParameter(f"{name} is given twice", ctx, param)
    return pairs


shape_option = click.option(
    "--shape",
    "shapes",
    type=Shape(),
    multiple=True,
    callback=_once_each,
    help="Fix an input's shape, and dimensions of the same name in others; once for each input. "
    "1xN:512 leaves one open, to 512.",
)


value_option = click.option(
    "--set",
    "values",
    type=InputValue(),
    multiple=True,
    callback=_once_each,
    help="Make an input a constant, such as use_cache_branch=true.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tzer", prog_name="jitweb")
def cli() -> None:
    """Make transformer models fast in a browser."""


cli.add_command(records)


@cli.command()
@click.argument("model", metavar="MODEL.onnx", type=NonEmptyPath(path_type=Path))
@click.option("--target", "targets", type=Names(), default=("wasm",), help="wasm, webgpu, or both.")
@shape_option
@value_option
@click.option(
    "--device",
    type=DeviceName(),
    default="auto",
    help="Where to measure. "
    + "; ".join(f"{kind.name}: {kind.summary}" for kind in DEVICES)
    + ", such as http://127.0.0.1:8100; none: don't.",
)
@click.option(
    "--budget",
    type=Duration(),
    help="How long to tune; where that is longer than before, the search goes on. [30s]",
)
@click.option("--retune", is_flag=True, help="Measure again what the records know.")
@inputs_option
@records_option
@click.option(
    "--shard", type=FileSize(), help="Weights in files of at most this size, such as 24MB."
)
@click.option(
    "-o", "--out", type=NonEmptyPath(path_type=Path), default=Path("out"), show_default=True
)
@as_json
def tune(
    model: Path,
    targets: tuple[str, ...],
    shapes: tuple[tuple[str, tuple[int | Opening, ...]], ...],
    values: tuple[tuple[str, tuple[float, ...]], ...],
    device: str,
    budget: float | None,
    retune: bool,
    inputs: Path | None,
    records_path: Path | None,
    shard: int | None,
    out: Path,
    json_output: bool,
) -> None:
    """Tune an ONNX model and write a bundle for the browser.

    The bundle is the folder OUT: kernels, weights, and a runtime for browsers and Node.
    """
    unknown = [name for name in targets if name not in TARGET_NAMES]
    if unknown or not targets:
        raise click.BadParameter("the targets are wasm and webgpu", param_hint="--target")
    from jitweb.records import Records, default_path
    from jitweb.rejected_kernels import keep_rejected
    from jitweb.workflow import Options, tune_model

    options = Options(
        model,
        out,
        tuple(dict.fromkeys(targets)),
        dict(shapes),
        USUAL_BUDGET_S if budget is None else budget,
        retune=retune,
        goes_on=budget is not None,
        values=dict(values),
        inputs=inputs,
        shard=shard,
    )

    replaced = replaced_bundle(options)
    with Records(records_path or default_path()) as records, _devices(targets, device) as devices:

        def keep(target: str, task: TaskInput, candidate: Candidate, reason: str) -> None:
            try:
                kept = keep_rejected(records.path.parent, target, task, candidate)
                place = f"kept in {kept}; tzer triage {kept.parent} examines it"
            except JitwebError as error:  # a full disk: the search itself needs none
                place = str(error)
            print_line(f"rejected: {task.name}, {candidate.text}: {reason}; {place}", err=True)

        with progress_line() as show:
            report = tune_model(
                options,
                devices.__getitem__,
                records,
                on_import=print_imported,
                on_progress=show,
                on_wrong=keep,
            )
    if replaced:
        print_line(f"note: {out} held {replaced}; this bundle took its place", err=True)
    if json_output:
        print_json(report.to_json())
        return
    print_report(report)


@contextmanager
def _devices(targets: Sequence[str], wanted: str) -> Iterator[dict[str, Device | None]]:
    """The device that measures each of the targets, None where nothing is measured."""
    kinds = {target: device_of(target, wanted) for target in targets}
    with ExitStack() as closing:
        opened: dict[str, Device | None] = {NONE: None}
        for kind in kinds.values():
            if kind not in opened:
                device = open_device(kind, lambda line: print_line(line, err=True))
                closing.callback(device.close)
                opened[kind] = device
                # Somebody opens a page in their own time, which is not to be the budget's.
                if device_kind(kind).takes_address:
                    found = device.fingerprint()
                    print_line(f"measuring in {found['browser']} on {found['system']}", err=True)
        yield {target: opened[kind] for target, kind in kinds.items()}


@cli.command()
@click.argument("model", metavar="MODEL.onnx", type=NonEmptyPath(path_type=Path))
@shape_option
@value_option
@click.option(
    "--target",
    type=click.Choice(TARGET_NAMES),
    metavar="wasm",
    help="Compile the kernels, and show what by.",
)
@as_json
def inspect(
    model: Path,
    shapes: tuple[tuple[str, tuple[int | Opening, ...]], ...],
    values: tuple[tuple[str, tuple[float, ...]], ...],
    target: str | None,
    json_output: bool,
) -> None:
    """Show what an ONNX model is, and how it will run.

    That is inputs, the shapes to give, weights, operators and kernels.
    Exits 2 where it can't be tuned as it stands: why comes first, then what is known of it.
    """
    if target not in (None, "wasm"):
        raise click.BadParameter(
            f"inspect compiles for wasm alone; leave it out, or use tune --target {target}",
            param_hint="--target",
        )
    from jitweb.overview import overview

    with note_of_waiting(f"reading and importing {model} …"):
        found = overview(model, dict(shapes), dict(values), is_compiled=target is not None)
    if found.problem:  # before what may be a page of lines
        print_line(f"jitweb: {found.problem}", err=True)
    if json_output:
        print_json(found.to_json())
    else:
        print_overview(found)
    raise SystemExit(WRONG_USE if found.problem else 0)


@cli.command()
@bundle_folder
@click.option("--target", type=click.Choice(TARGET_NAMES), help="One target alone. [all it holds]")
@host_option
@inputs_option
@click.option(
    "--model",
    type=NonEmptyPath(path_type=Path),
    metavar="MODEL.onnx",
    help="The model that the bundle was made of, to compute again what is expected.",
)
@value_option
@as_json
def verify(
    folder: Path,
    target: str | None,
    device: str,
    inputs: Path | None,
    model: Path | None,
    values: tuple[tuple[str, tuple[float, ...]], ...],
    json_output: bool,
) -> None:
    """Check a bundle's files and results.

    Results are compared with what the oracles computed when it was tuned. A result is right if one
    of them agrees; where another differs, that is reported too.
    Exits 1 where a file was changed or a result is wrong.
    """
    from jitweb.compare import TOLERANCE
    from jitweb.verify import verify_bundle

    found = verify_bundle(folder, target, TOLERANCE, device, inputs, model, dict(values))
    if json_output:
        print_json(found.to_json())
    else:
        for line in found.lines():
            print_line(line)
    raise SystemExit(0 if found.is_right else FAILED_CHECK)


@cli.command("run")
@bundle_folder
@click.option(
    "--input", "inputs", type=NonEmptyPath(path_type=Path), required=True, help="An .npz file."
)
@click.option(
    "-o", "--output", type=NonEmptyPath(path_type=Path), required=True, help="An .npz file."
)
@target_option
@host_option
@threads_option
def run_bundle(
    folder: Path, inputs: Path, output: Path, target: str | None, device: str, threads: int
) -> None:
    """Run a bundle on the inputs in an .npz file.

    The file has one array for each input, by its name.
    """
    import io

    import numpy as np

    from jitweb.bundle import read_plan
    from jitweb.host import open_host
    from jitweb.npz import read_npz

    arrays = read_npz(inputs)
    plan = read_plan(folder)
    with open_host(folder, plan, target, threads, device) as host:
        results = host.run(arrays)
    content = io.BytesIO()
    np.savez(content, **results)  # type: ignore[arg-type]
    write_output(output, content.getvalue())
    for name, array in results.items():
        print_line(f"{name}  {array.dtype} {shape_text(array.shape)}", err=True)


@cli.command()
@bundle_folder
@target_option
@host_option
@threads_option
@click.option("--time", "seconds", type=Duration(), default=5.0, help="How long. [5s]")
@click.option("--length", type=click.IntRange(1), help="Of what the bundle leaves open. [the most]")
@as_json
def bench(
    folder: Path,
    target: str | None,
    device: str,
    threads: int,
    seconds: float,
    length: int | None,
    json_output: bool,
) -> None:
    """Measure a bundle end to end, and each kernel's part.

    That is the time to the first result, and the latency once it is warm.
    """
    from jitweb.bench import bench_bundle

    processors = os.cpu_count() or 1
    if threads > processors:
        print_line(f"note: {threads} threads share {processors} processors", err=True)
    report = bench_bundle(folder, target, threads, seconds, device, length)
    if json_output:
        print_json(report)
        return
    place = device_text(report["device"])
    print_line(f"{report['target']} on {place}, {report['threads']} thread(s)")
    for part in report["variants"]:
        print_measured(part)


@cli.command()
@bundle_folder
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
def serve(folder: Path, port: int, host: str) -> None:
    """Serve a bundle's page, with the headers that threads need."""
    from jitweb.bundle import check_files, read_plan
    from jitweb.serve import serve_forever

    check_files(folder, read_plan(folder))
    serve_forever(folder, port, host)


@cli.command()
@as_json
def doctor(json_output: bool) -> None:
    """Say what works on this machine, and what to install for the rest.

    Exits 0 where everything needed works, 1 where something needed is missing.
    """
    from harness.console.doctor import JITWEB_CHECKS
    from harness.console.doctor import doctor as examine

    raise SystemExit(examine(JITWEB_CHECKS, json_output=json_output))


def main() -> None:
    """Run a command; what the user can fix is one line and exit status 2."""
    run(cli, "jitweb")


if __name__ == "__main__":
    main()
