"""Verifying a bundle: its files are as written, and it computes what an oracle did.

A result is right if it is that of one of the oracles that could run the model; where another one
differs, that is reported beside it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from jitweb.bundle import (
    RESTORE,
    ExpectedOutputs,
    changed_files,
    check_file,
    read_plan,
    sample,
)
from jitweb.check_inputs import chosen, given_arrays, ignored, length_in
from jitweb.compare import SHORT_TOLERANCE, errors
from jitweb.devices import device_of
from jitweb.errors import JitwebError
from jitweb.expected import expected_of_variants
from jitweb.extent import Extent, Opening
from jitweb.host import WEB, check_target, open_host
from jitweb.npz import read_npz
from jitweb.onnx.branches import Values
from jitweb.onnx.read import WrongShape
from jitweb.plan import Condition, Tensor, Variant, condition_text, variants_of
from jitweb.variants import ImportedVariant, import_variants

MOST_SOURCES_TEXT = 4096
NOT_RUNTIME = ("page.mjs", "page_inputs.mjs", "host.mjs")
RUNTIME = tuple(path.name for path in WEB.glob("*.mjs") if path.name not in NOT_RUNTIME)


@dataclass(frozen=True)
class Agreement:
    """How far one output is from each source's, relative to the greatest magnitude of that."""

    target: str
    output: str
    errors: Mapping[str, float]
    tolerance: float
    when: Condition = field(default_factory=dict)  # of the variant
    length: int | None = None  # where one is open

    @property
    def is_right(self) -> bool:
        return self.error <= self.tolerance

    @property
    def source(self) -> str:
        """The first source that agrees; the first of all where none does."""
        agreeing = (name for name, error in self.errors.items() if error <= self.tolerance)
        return next(agreeing, next(iter(self.errors)))

    @property
    def error(self) -> float:
        return self.errors[self.source]

    def lines(self) -> Iterator[str]:
        word = "ok     " if self.is_right else "WRONG  "
        yield f"{word}  {self._compared(self.source, f' (at most {self.tolerance:g})')}"
        for source, error in self.errors.items():
            if source != self.source and (error > self.tolerance or not self.is_right):
                yield f"{'differs' if self.is_right else 'WRONG  '}  {self._compared(source)}"

    def _compared(self, source: str, most: str = "") -> str:
        error = f"error {self.errors[source]:.2g} of the output's scale{most}"
        said = [condition_text(self.when), "" if self.length is None else f"at {self.length}"]
        when = ", ".join(filter(None, said))
        where = f" ({when})" if when else ""
        return f"{self.target} {self.output}{where}: {error}, against {source}"


@dataclass(frozen=True)
class Verification:
    """What was found. `sources` are the oracles that computed what is expected."""

    changed: tuple[str, ...]
    agreements: tuple[Agreement, ...]
    sources: tuple[str, ...]
    has_other_runtime: bool = False
    missing: tuple[str, ...] = ()  # of those that changed

    @property
    def is_right(self) -> bool:
        return not self.changed and all(each.is_right for each in self.agreements)

    def to_json(self) -> dict[str, Any]:
        return {
            "ok": self.is_right,
            "changed_files": list(self.changed),
            "other_runtime": self.has_other_runtime,
            "reference": self.sources[0] if self.sources else "",
            "references": list(self.sources),
            "outputs": [
                {
                    "target": each.target,
                    "name": each.output,
                    "when": dict(each.when),
                    "length": each.length,
                    "reference": each.source,
                    "error": each.error,
                    "errors": dict(each.errors),
                    "tolerance": each.tolerance,
                    "ok": each.is_right,
                }
                for each in self.agreements
            ],
        }

    def lines(self) -> Iterator[str]:
        if self.has_other_runtime:
            yield "note     its runtime is not that of this jitweb, which was used in its place"
        for name in self.changed:
            if name in self.missing:
                yield f"missing  {name} is not there"
            else:
                yield f"changed  {name} is not as it was written"
        if self.changed:
            yield f"note     {RESTORE}"
        for each in self.agreements:
            yield from each.lines()
        if self._are_divided and not any("onnxruntime" in source for source in self.sources):
            yield "note     install onnxruntime beside jitweb and tune again, to compare with it"

    @property
    def _are_divided(self) -> bool:
        agreeing = (
            error <= each.tolerance for each in self.agreements for error in each.errors.values()
        )
        return len(set(agreeing)) > 1


def verify_bundle(
    folder: Path,
    target: str | None,
    tolerance: float,
    device: str = "auto",
    given: Path | None = None,
    model: Path | None = None,
    values: Mapping[str, Sequence[float]] | None = None,
) -> Verification:
    """Check a bundle on one of its targets, or on all.

    By the inputs and outputs that it keeps; by those in `given`, an .npz file; or, with the
    `model`, an ONNX file, by what the oracles compute now from inputs in `given` or drawn ones.

    Raises:
        JitwebError: it is not a bundle, or can't be run here.
    """
    plan = read_plan(folder)
    names = [target] if target else list(plan["targets"])
    for name in names:
        check_target(folder, plan, name)
    changed = tuple(changed_files(folder, plan))
    if changed:
        missing = tuple(name for name in changed if not (folder / name).is_file())
        return Verification(changed, (), (), missing=missing)
    variants = variants_of(plan)
    expected = _expected(folder, plan, variants, given, model, values)
    agreements: list[Agreement] = []
    for name in names:  # before the first is run, which takes its time
        device_of(name, device)
    for name in names:
        most = max(tolerance, SHORT_TOLERANCE) if _is_short(plan, name) else tolerance
        with open_host(folder, plan, name, 1, device) as host:
            for (number, length), (kept, sources) in expected.items():
                when = variants[number].when
                results = host.run(_inputs(kept, variants[number]))
                try:
                    agreements += [
                        Agreement(
                            name, output, _errors(kept, sources, output, result), most, when, length
                        )
                        for output, result in results.items()
                    ]
                except ValueError as error:
                    raise JitwebError(
                        f"{model or given or folder / check_file(number, length)} is not that of "
                        f"this model ({error}); tune the model again"
                    ) from None
    sources = tuple(dict.fromkeys(name for _, names in expected.values() for name in names))
    is_ours = all(_is_ours(folder / name, WEB / name) for name in RUNTIME)
    return Verification(changed, tuple(agreements), sources, not is_ours)


def _is_short(plan: Mapping[str, Any], target: str) -> bool:
    """Whether a kernel multiplies in float16 on devices that can: see space/halves.py."""
    kernels = plan["targets"][target]["tuning"]["kernels"].values()
    return any("halves=multiply" in kernel["candidate"].split() for kernel in kernels)


def _is_ours(shipped: Path, own: Path) -> bool:
    is_file = shipped.is_file() and shipped.stat().st_size == own.stat().st_size
    return is_file and shipped.read_bytes() == own.read_bytes()


Kept = Mapping[str, np.ndarray]  # as `sample` names them
Expected = tuple[Kept, tuple[str, ...]]  # with the sources


def _inputs(kept: Kept, variant: Variant) -> dict[str, np.ndarray]:
    """The inputs that were kept, with those of the variant's condition as it says."""
    given = {
        name.removeprefix("input."): array
        for name, array in kept.items()
        if name.startswith("input.")
    }
    shapes = {each.name: each.shape for each in variant.inputs}
    return given | {name: np.full(shapes[name], value) for name, value in variant.when.items()}


def _expected(
    folder: Path,
    plan: Mapping[str, Any],
    variants: Sequence[Variant],
    given: Path | None,
    model: Path | None,
    values: Values | None,
) -> dict[tuple[int, int | None], Expected]:
    """What is expected of each variant, by its number and length.

    Of one alone, where `given` is for it.
    """
    if given is None and model is None:
        return {
            (number, length): _kept(folder / check_file(number, length))
            for number, variant in enumerate(variants)
            for length in (variant.open.checked if variant.open else (None,))
        }
    number = chosen(variants, read_npz(given)) if given is not None else None
    if model is not None:
        imported = _imported(folder, model, variants, tuple(plan["targets"]), values or {})
        checks = expected_of_variants(model, imported, given)
    elif given is not None and number is not None:
        checks = [_given(given, variants, number)]
    return {
        (check.variant, check.length): (sample(check), tuple(check.outputs))
        for check in checks
        if number in (None, check.variant)
    }


def _imported(
    folder: Path,
    path: Path,
    variants: Sequence[Variant],
    targets: Sequence[str],
    values: Values,
) -> list[ImportedVariant]:
    """The variants of the model again, in the shapes of the bundle's."""
    shapes: dict[str, Sequence[int | Opening]] = {
        f"{condition_text(variant.when)}:{each.name}".removeprefix(":"): _open_shape(variant, each)
        for variant in variants
        for each in variant.inputs
        if each.name not in variant.when
    }
    other = f"{path} is not the model that {folder} was made of"
    try:
        imported = import_variants(path, shapes, targets, values)
    except WrongShape as error:
        raise JitwebError(f"{other}: {error.reason}") from None
    if [each.setting.when for each in imported] != [variant.when for variant in variants]:
        raise JitwebError(
            f"{path} has other variants than the bundle; name the values that it was tuned with, "
            "by --set"
        )
    for each, variant in zip(imported, variants, strict=True):
        for role in ("inputs", "outputs"):
            ours, theirs = (
                {(tensor.name, tensor.dtype, tensor.shape) for tensor in getattr(part, role)}
                for part in (each.model.plan, variant)
            )
            if ours != theirs:
                raise JitwebError(f"{other}: its {role} are others")
    return imported


def _given(given: Path, variants: Sequence[Variant], number: int) -> ExpectedOutputs:
    open_one = variants[number]
    others = ignored(variants, number)
    length = length_in(open_one.inputs, read_npz(given)) if open_one.open else None
    variant = open_one.at(length)
    arrays, results = given_arrays(given, variant.inputs, variant.outputs, others)
    if not results:
        raise JitwebError(
            f"{given} holds no outputs to compare with; add them to it "
            f"({', '.join(each.name for each in variant.outputs)}), or name the --model of the "
            "bundle"
        )
    return ExpectedOutputs(arrays, {given.name: results}, number, length)


def _open_shape(variant: Variant, tensor: Tensor) -> Sequence[int | Opening]:
    """The shape as `--shape` gives it."""
    opening = variant.open
    return [opening if opening and isinstance(n, Extent) else n for n in tensor.shape]


def _kept(path: Path) -> Expected:
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise JitwebError(f"{path.parent} has no {path.name} to verify it by; tune the model again")
    try:
        with safe_open(path, "numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}
            return arrays, _sources((file.metadata() or {}).get("sources", ""))
    except (SafetensorError, OSError, TypeError, ValueError) as error:  # of a dtype NumPy lacks
        raise JitwebError(f"{path} can't be read: {error}; tune the model again") from None


def _sources(text: str) -> tuple[str, ...]:
    """Raises: ValueError, if it is not a JSON list of a few names."""
    names = json.loads(text) if len(text) < MOST_SOURCES_TEXT else None
    if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
        raise ValueError("it names no source of what it holds")
    return tuple(names)


def _errors(kept: Kept, sources: Sequence[str], name: str, result: np.ndarray) -> dict[str, float]:
    return {source: _error(kept, name, result, number) for number, source in enumerate(sources)}


def _error(kept: Kept, name: str, result: np.ndarray, number: int = 0) -> float:
    """The largest error of an output at the places that were kept.

    Raises:
        ValueError: what was kept is not of this output.
    """
    parts = [kept.get(f"{part}.{number}.{name}") for part in ("output", "places", "scale")]
    wanted, places, scale = (np.zeros(0) if part is None else part for part in parts)
    if (
        places.dtype != np.int64
        or wanted.shape != places.shape
        or (places.size == 0) != (result.size == 0)
        or not np.all((places >= 0) & (places < result.size))
    ):
        raise ValueError(f"no values of {name} are kept in it")
    if scale.shape != (1,) or not np.isfinite(scale[0]) or scale[0] <= 0:
        raise ValueError(f"no scale of {name} is kept in it")
    found = result.reshape(-1)[places]
    return float(np.max(errors(found, wanted, float(scale[0])), initial=0.0))
