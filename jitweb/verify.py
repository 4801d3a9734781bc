"""Verifying a bundle: its files are as written, and it gives what the reference gave."""

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
            yield "note     runtime.mjs is not the one of this jitweb, which was used in its place"
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
        JitwebError: it is no bundle, or can't be run here.
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
        except (KeyError, IndexError) as error:
            raise JitwebError(
                f"{folder / CHECK} is not that of this model ({error}); tune the model again"
            ) from None
    shipped = (folder / "runtime.mjs").read_bytes()
    is_other = shipped != (WEB / "runtime.mjs").read_bytes()
    return Verification(changed, tuple(agreements), source, is_other)


def _kept(folder: Path) -> tuple[Mapping[str, np.ndarray], str]:
    from safetensors import SafetensorError, safe_open

    if not (folder / CHECK).is_file():
        raise JitwebError(f"{folder} has no {CHECK} to verify it by; tune the model again")
    try:
        with safe_open(folder / CHECK, "numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}
            return arrays, (file.metadata() or {}).get("source", "a reference")
    except SafetensorError as error:
        raise JitwebError(f"{folder / CHECK} can't be read: {error}") from None


def _error(kept: Mapping[str, np.ndarray], name: str, result: np.ndarray) -> float:
    wanted, places = kept[f"output.{name}"], kept[f"places.{name}"]
    found = result.reshape(-1)[places]
    return float(np.max(errors(found, wanted, float(kept[f"scale.{name}"][0])), initial=0.0))
