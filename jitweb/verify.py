"""Verifying a bundle: its files are as written, and it computes what the reference did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jitweb.bundle import CHECK, changed_files, read_plan
from jitweb.compare import errors
from jitweb.devices import device_of
from jitweb.errors import JitwebError
from jitweb.host import WEB, open_host

RUNTIME = tuple(f"{name}.mjs" for name in ("runtime", "files", "plan", "shared", "wasm", "webgpu"))


@dataclass(frozen=True)
class Agreement:
    """How far one output is from the reference, relative to the reference's greatest magnitude."""

    target: str
    output: str
    error: float
    tolerance: float

    @property
    def is_right(self) -> bool:
        return self.error <= self.tolerance


@dataclass(frozen=True)
class Verification:
    """What was found. `source` is who computed the reference."""

    changed: tuple[str, ...]
    agreements: tuple[Agreement, ...]
    source: str
    has_other_runtime: bool = False

    @property
    def is_right(self) -> bool:
        return not self.changed and all(each.is_right for each in self.agreements)

    def to_json(self) -> dict[str, Any]:
        return {
            "ok": self.is_right,
            "changed_files": list(self.changed),
            "other_runtime": self.has_other_runtime,
            "reference": self.source,
            "outputs": [
                {
                    "target": each.target,
                    "name": each.output,
                    "error": each.error,
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
            yield f"changed  {name} is not as it was written"
        for each in self.agreements:
            word = "ok     " if each.is_right else "WRONG  "
            yield (
                f"{word}  {each.target} {each.output}: error {each.error:.2g} of the output's "
                f"scale (at most {each.tolerance:g}), against {self.source}"
            )


def verify_bundle(
    folder: Path, target: str | None, tolerance: float, device: str = "auto"
) -> Verification:
    """Check a bundle on one of its targets, or on all.

    Raises:
        JitwebError: it is not a bundle, or can't be run here.
    """
    plan = read_plan(folder)
    changed = tuple(changed_files(folder, plan))
    if changed:
        return Verification(changed, (), "")
    kept, source = _kept(folder)
    inputs = {
        name.removeprefix("input."): array
        for name, array in kept.items()
        if name.startswith("input.")
    }
    agreements: list[Agreement] = []
    names = [target] if target else list(plan["targets"])
    for name in names:  # before the first is run, which takes its time
        device_of(name, device)
    for name in names:
        with open_host(folder, plan, name, 1, device) as host:
            results = host.run(inputs)
        try:
            agreements += [
                Agreement(name, output, _error(kept, output, result), tolerance)
                for output, result in results.items()
            ]
        except ValueError as error:
            raise JitwebError(
                f"{folder / CHECK} is not that of this model ({error}); tune the model again"
            ) from None
    is_ours = all(_is_ours(folder / name, WEB / name) for name in RUNTIME)
    return Verification(changed, tuple(agreements), source, not is_ours)


def _is_ours(shipped: Path, own: Path) -> bool:
    is_file = shipped.is_file() and shipped.stat().st_size == own.stat().st_size
    return is_file and shipped.read_bytes() == own.read_bytes()


def _kept(folder: Path) -> tuple[Mapping[str, np.ndarray], str]:
    from safetensors import SafetensorError, safe_open

    if not (folder / CHECK).is_file():
        raise JitwebError(f"{folder} has no {CHECK} to verify it by; tune the model again")
    try:
        with safe_open(folder / CHECK, "numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}
            return arrays, (file.metadata() or {}).get("source", "a reference")
    except (SafetensorError, OSError, TypeError, ValueError) as error:  # of a dtype NumPy lacks
        raise JitwebError(f"{folder / CHECK} can't be read: {error}") from None


def _error(kept: Mapping[str, np.ndarray], name: str, result: np.ndarray) -> float:
    """The largest error of an output at the places that were kept.

    Raises:
        ValueError: what was kept is not of this output.
    """
    parts = [kept.get(f"{part}.{name}") for part in ("output", "places", "scale")]
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
