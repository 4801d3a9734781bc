"""The catalogue of all seeds, built once and kept.

Legalising and parsing hundreds of programs takes half a minute, so the built modules are kept as
text in the cache, under the TVM version and the sources of this package.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from harness.system.data import parse_json
from harness.system.files import read_bounded, write_atomically
from harness.system.text import first_line

FORMAT = 1
MOST_CACHE_BYTES = 256 << 20


@dataclass(frozen=True)
class Seed:
    """A program to start from: "topi/conv2d_nchw-1x3x7x5-f32", its family, and TVM's JSON of it."""

    name: str
    family: str
    text: str

    @cached_property
    def module(self) -> Any:
        """The IRModule, loaded when it is first asked for."""
        from harness.case import load_module

        return load_module(self.text)


@dataclass(frozen=True)
class Catalogue:
    """All seeds in a fixed order, and why the others could not be built (by name)."""

    seeds: tuple[Seed, ...]
    missing: dict[str, str]


def all_seeds(families: Iterable[str] | None = None) -> list[Seed]:
    """All seeds, or those of the given families, in the same order in every process."""
    wanted = None if families is None else set(families)
    return [seed for seed in catalogue().seeds if wanted is None or seed.family in wanted]


def families() -> tuple[str, ...]:
    """The names of the families, in the order of the catalogue."""
    return tuple(dict.fromkeys(seed.family for seed in catalogue().seeds))


def missing() -> dict[str, str]:
    """The seeds that the TVM at hand can't build, and why."""
    return dict(catalogue().missing)


@lru_cache(maxsize=1)
def catalogue() -> Catalogue:
    """The catalogue from the cache, or built now."""
    path = cache_folder() / f"seeds-{FORMAT}-{_key()}.json"
    try:
        return _read(path)
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not there yet, or damaged
    made = build()
    _write(path, made)
    return made


def build() -> Catalogue:
    """Build every seed; two seeds with the same program are one, and invalid ones are none."""
    from harness import compat
    from harness.case import Case, module_text
    from harness.semantics.reference import Invalid, reference_of
    from seeds.families import all_recipes

    seeds: list[Seed] = []
    failed: dict[str, str] = {}
    known: set[int] = set()
    for recipe in all_recipes():
        try:
            module = recipe.build()
            text = module_text(module)
            reference_of(Case(text))
        except Invalid as fault:
            failed[recipe.name] = f"invalid: {fault}"
            continue
        except Exception as error:  # TVM's own Python raises every kind
            failed[recipe.name] = first_line(error)
            continue
        key = compat.structural_hash(module)
        if key not in known:
            known.add(key)
            seeds.append(Seed(recipe.name, recipe.family, text))
    return Catalogue(tuple(seeds), failed)


def cache_folder() -> Path:
    """Where built seeds are kept: $TZER_CACHE, else ~/.cache/tzer."""
    return Path(os.environ.get("TZER_CACHE") or Path.home() / ".cache" / "tzer")


def _key() -> str:
    digest = hashlib.sha256(version("apache-tvm").encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _read(path: Path) -> Catalogue:
    data = parse_json(read_bounded(path, MOST_CACHE_BYTES))
    seeds = tuple(Seed(name, family, text) for name, family, text in data["seeds"])
    return Catalogue(seeds, dict(data["missing"]))


def _write(path: Path, made: Catalogue) -> None:
    """Write the cache; one that can't be written is done without."""
    rows = [[seed.name, seed.family, seed.text] for seed in made.seeds]
    content = json.dumps({"seeds": rows, "missing": made.missing})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content.encode())
    except OSError:
        pass
