"""The rows of the pass catalogue: the properties of a pass and of its arguments."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass

from harness.case import JSONScalar
from harness.passes.state import State
from harness.system.data import parse_json

States = frozenset[State]


@dataclass(frozen=True)
class ArgRange:
    """The values that an argument is drawn from.

    With `config`, the argument is JSON text of fields of the pass's own configuration, which is
    passed by the PassContext under the key `config`; `fields` are those worth varying. With
    `context`, it is JSON text of entries of the PassContext itself, which `fields` lists whole.
    """

    name: str
    values: tuple[JSONScalar, ...] = ()
    required: bool = False
    config: str = ""
    fields: tuple[tuple[str, tuple[JSONScalar, ...]], ...] = ()
    context: bool = False

    def draw(self, rng: random.Random) -> JSONScalar:
        """A random value; in a configuration, each field is omitted half of the time.

        Of the PassContext, up to three entries are drawn.
        """
        if self.context:
            few = rng.sample(self.fields, min(rng.randint(1, 3), len(self.fields)))
            return json.dumps({name: rng.choice(values) for name, values in few})
        if not self.config:
            return rng.choice(self.values)
        chosen = {name: rng.choice(values) for name, values in self.fields if rng.random() < 0.5}
        return json.dumps(chosen)

    def diagnostic(self, value: JSONScalar) -> str | None:
        """None if the value is in this range, else a message that says which values are."""
        if self.context:
            return self._context_diagnostic(value)
        if self.config:
            return self._config_diagnostic(value)
        # True == 1 in Python, but not to a pass.
        if any(value == known and type(value) is type(known) for known in self.values):
            return None
        return f"{self.name} must be one of {', '.join(repr(known) for known in self.values)}"

    def _context_diagnostic(self, value: JSONScalar) -> str | None:
        known = dict(self.fields)
        wanted = f"{self.name} must be JSON text of an object with keys of the PassContext"
        try:
            entries = parse_json(value) if isinstance(value, str) else None
        except ValueError:
            return wanted
        if not isinstance(entries, dict) or not set(entries) <= set(known):
            return wanted
        for name, entry in entries.items():
            if not any(entry == each and type(entry) is type(each) for each in known[name]):
                return f"{name} must be one of {', '.join(map(repr, known[name]))}"
        return None

    def _config_diagnostic(self, value: JSONScalar) -> str | None:
        names = [name for name, _ in self.fields]
        wanted = f"{self.name} must be JSON text of an object with keys among {', '.join(names)}"
        try:
            fields = parse_json(value) if isinstance(value, str) else None
        except ValueError:
            return wanted
        if not isinstance(fields, dict) or not set(fields) <= set(names):
            return wanted
        return None if all(type(field) in (bool, int) for field in fields.values()) else wanted


@dataclass(frozen=True)
class PassInfo:
    """The states that a pass needs, and those that it gives and destroys.

    `source` is the place in TVM that shows this. `never` is the reason why a pass is never legal
    here; such a pass also needs `State.NEVER`. Sequences are drawn from `optional` passes; the
    others are required in every lowering and added by its completion.
    """

    name: str
    needs: States
    gives: States = frozenset()
    destroys: States = frozenset()
    args: tuple[ArgRange, ...] = ()
    source: str = ""
    never: str = ""
    optional: bool = True
