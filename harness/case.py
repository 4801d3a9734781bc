"""Case: one immutable input of the compiler, as text.

A Case is what the fuzzer mutates, the sandbox runs, the corpus stores and a reproducer shows: a
module, a trace of schedule primitives, a sequence of passes with their arguments, a target, an
optimisation level and the seed of its inputs. The module is held as TVM's JSON, because loading
JSON executes nothing; `harness.ir.script` prints it as TVMScript for people and reproducers. A
trace is names and JSON values, which `harness.schedules` applies; TVM's own trace, which is Python
or pickled nodes, is never read.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Self

from harness import UserError
from harness.system.text import first_line

JSONScalar = bool | int | float | str | None
JSONValue = JSONScalar | tuple["JSONValue", ...]  # lists are tuples here
# A case without a trace is written as it was before there were traces, so that its digest stays.
FORMAT = 1
TRACED_FORMAT = 2

# What a case from elsewhere may hold; ours stay far below.
OPT_LEVELS = range(5)
INPUT_SEEDS = range(1 << 63)
MOST_PASSES = 1000
MOST_ARGS = 16
MOST_PRIMITIVES = 200
MOST_VALUES = 200  # in all arguments of a primitive
DEEPEST_ARGUMENT = 3
LARGEST_EXTENT = 64  # that a trace makes of a symbolic one
LONGEST_TEXT = 1000  # characters of an origin or of an argument
_PASS_NAME = re.compile(r"[a-z_]{1,32}\.[A-Za-z0-9]{1,64}")
_PRIMITIVE_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}(\.[A-Za-z0-9_]{1,32}){0,3}")
_FUNCTION_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,255}")
_TARGET_NAME = re.compile(r"[A-Za-z0-9-]{1,64}")


class CaseError(UserError):
    """The text is not a Case, the TVM at hand can't load its module, or a pass isn't one."""


@dataclass(frozen=True)
class PassCall:
    """One application of a pass: its dialect and name, e.g. "tirx.StmtSimplify", and arguments."""

    name: str
    args: tuple[JSONScalar, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}({', '.join(repr(arg) for arg in self.args)})"


@dataclass(frozen=True)
class PrimitiveCall:
    """One application of a schedule primitive, e.g. "split", to a function of the module.

    A block is an argument by its name, a loop as (block, index among the loops around the block).
    """

    name: str
    args: tuple[JSONValue, ...] = ()
    function: str = "main"

    def __str__(self) -> str:
        return f"{self.name}({', '.join(repr(as_lists(arg)) for arg in self.args)})"


@dataclass(frozen=True)
class Case:
    """Module (TVM's JSON), passes, target name, optimisation level (0 to 4), input seed, trace.

    The trace is applied to the module first, the passes to what it leaves; what the module itself
    means is what both must keep. `origin` names the seed that the module descends from; it is not
    part of its digest.
    """

    module: str
    passes: tuple[PassCall, ...] = ()
    target: str = "llvm"
    opt_level: int = 2
    input_seed: int = 0
    origin: str = ""
    trace: tuple[PrimitiveCall, ...] = ()

    def to_json(self) -> str:
        """One JSON object; `Case.from_json` is its inverse."""
        data = {"format": TRACED_FORMAT if self.trace else FORMAT, **asdict(self)}
        if not self.trace:
            del data["trace"]
        return json.dumps(data)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The Case of this text.

        Raises:
            CaseError: the text is not JSON, lacks a field, or a field has the wrong type or range.
        """
        try:
            data = json.loads(text)
            if not isinstance(data, dict):
                raise CaseError("not a case: it must be a JSON object")
            if data.pop("format") not in (FORMAT, TRACED_FORMAT):
                raise CaseError("this case is of another format; use the version that wrote it")
            calls = tuple(PassCall(call["name"], tuple(call["args"])) for call in data["passes"])
            trace = tuple(map(_primitive_call, data.get("trace", ())))
            case = cls(**{**data, "passes": calls, "trace": trace})
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise CaseError(f"not a case: {str(error)[:200]!r}") from None
        case._check_fields()
        return case

    def _check_fields(self) -> None:
        if not isinstance(self.module, str):
            raise CaseError("not a case: the module must be a string")
        if not _matches(_TARGET_NAME, self.target):
            raise CaseError("not a case: the target must be a name, such as llvm")
        if not isinstance(self.origin, str) or len(self.origin) > LONGEST_TEXT:
            raise CaseError("not a case: the origin must be a short string")
        if not _is_in(OPT_LEVELS, self.opt_level):
            raise CaseError("not a case: opt_level must be an integer from 0 to 4")
        if not _is_in(INPUT_SEEDS, self.input_seed):
            raise CaseError("not a case: input_seed must be an integer from 0 to 2**63 - 1")
        if len(self.passes) > MOST_PASSES:
            raise CaseError(f"not a case: more than {MOST_PASSES} passes")
        for call in self.passes:
            if not _matches(_PASS_NAME, call.name):
                raise CaseError("not a case: a pass has a name such as tirx.StmtSimplify")
            if len(call.args) > MOST_ARGS or not all(map(_is_scalar, call.args)):
                raise CaseError("not a case: a pass takes a few JSON scalars")
        if len(self.trace) > MOST_PRIMITIVES:
            raise CaseError(f"not a case: more than {MOST_PRIMITIVES} schedule primitives")
        for primitive in self.trace:
            if not _matches(_PRIMITIVE_NAME, primitive.name):
                raise CaseError("not a case: a schedule primitive has a name such as split")
            if not _matches(_FUNCTION_NAME, primitive.function):
                raise CaseError("not a case: a schedule primitive is for a function's name")
            if not _is_argument_list(primitive.args):
                raise CaseError("not a case: a schedule primitive takes a few JSON values")

    @cached_property
    def digest(self) -> str:
        """16 hex digits that identify what would be compiled and run."""
        return hashlib.sha256(replace(self, origin="").to_json().encode()).hexdigest()[:16]

    @property
    def extents(self) -> tuple[tuple[str, int], ...]:
        """The symbolic extents of main that the trace specializes, each with its value."""
        found: dict[str, int] = {}
        for call in self.trace:
            for arg in call.args if (call.name, call.function) == ("specialize", "main") else ():
                match arg:
                    case (str() as symbol, int() as value) if is_extent(arg):
                        found.setdefault(symbol, value)  # it is symbolic but once
        return tuple(found.items())

    def load(self) -> Any:
        """The IRModule. Executes nothing of it.

        Raises:
            CaseError: the TVM at hand can't express the module.
        """
        return load_module(self.module)

    def with_module(self, module: Any) -> Self:
        """The same case around another IRModule."""
        return replace(self, module=module_text(module))


def _primitive_call(data: dict[str, Any]) -> PrimitiveCall:
    if not isinstance(data["args"], list):
        raise TypeError("the arguments of a schedule primitive must be a list")
    return PrimitiveCall(data["name"], tuple(map(_as_tuples, data["args"])), data["function"])


def _as_tuples(value: Any) -> Any:
    return tuple(map(_as_tuples, value)) if isinstance(value, list) else value


def as_lists(value: JSONValue) -> Any:
    """The value with lists where it has tuples, as TVM takes them."""
    return list(map(as_lists, value)) if isinstance(value, tuple) else value


def _is_argument_list(args: tuple[JSONValue, ...]) -> bool:
    values: list[JSONValue] = list(args)
    for _ in range(DEEPEST_ARGUMENT):
        if len(values) > MOST_VALUES:
            return False
        lists = [value for value in values if isinstance(value, tuple)]
        if not all(map(_is_scalar, (value for value in values if not isinstance(value, tuple)))):
            return False
        values = [item for part in lists for item in part]
    return not values


def _matches(form: re.Pattern[str], name: object) -> bool:
    return isinstance(name, str) and form.fullmatch(name) is not None


def _is_in(numbers: range, value: object) -> bool:
    return type(value) is int and value in numbers  # True is 1, but not an integer of ours


def is_extent(pair: object) -> bool:
    """Whether this is a symbolic extent's name with a value that a trace may give it."""
    match pair:
        case (str(), int() as value) if type(value) is int:
            return 0 < value <= LARGEST_EXTENT
    return False


def _is_scalar(value: object) -> bool:
    match value:
        case bool() | None:
            return True
        case int():
            return -(1 << 63) <= value < 1 << 63
        case float():
            return math.isfinite(value)
        case str():
            return len(value) <= LONGEST_TEXT
    return False


def module_text(module: Any) -> str:
    """The text of an IRModule: TVM's JSON, on one line, the same for every process."""
    import tvm

    return str(tvm.ir.save_json(module))


def load_module(text: str) -> Any:
    """The IRModule of a text that `module_text` returned.

    Raises:
        CaseError: not TVM's JSON, or of a TVM whose nodes this one doesn't know.
    """
    import tvm
    from tvm_ffi.serialization import from_json_graph_str

    try:
        # Not tvm.ir.load_json, which first upgrades old formats in Python, at seven times the cost.
        module = from_json_graph_str(text)
    except Exception as error:  # TVM raises many kinds for malformed JSON
        from harness.compat import tvm_version

        reason = first_line(error)
        raise CaseError(f"TVM {tvm_version()} can't load this module: {reason}") from None
    if not isinstance(module, tvm.IRModule):
        raise CaseError(f"the text holds a {type(module).__name__}, not an IRModule")
    return module
