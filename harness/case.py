"""Case: one immutable input of the compiler, as text.

A Case is what the fuzzer mutates, the sandbox runs, the corpus stores and a reproducer shows: a
module, a sequence of passes with their arguments, a target, an optimisation level and the seed of
its inputs. The module is held as TVM's JSON, because loading JSON executes nothing;
`harness.ir.script` prints it as TVMScript for people and reproducers.
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
FORMAT = 1

# What a case from elsewhere may hold; ours stay far below.
OPT_LEVELS = range(5)
INPUT_SEEDS = range(1 << 63)
MOST_PASSES = 1000
MOST_ARGS = 16
LONGEST_TEXT = 1000  # characters of an origin or of a pass's argument
_PASS_NAME = re.compile(r"[a-z_]{1,32}\.[A-Za-z0-9]{1,64}")
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
class Case:
    """Module (TVM's JSON), passes, target name, optimisation level (0 to 4) and input seed.

    `origin` names the seed that the module descends from; it is not part of its digest.
    """

    module: str
    passes: tuple[PassCall, ...] = ()
    target: str = "llvm"
    opt_level: int = 2
    input_seed: int = 0
    origin: str = ""

    def to_json(self) -> str:
        """One JSON object; `Case.from_json` is its inverse."""
        return json.dumps({"format": FORMAT, **asdict(self)})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The Case of this text.

        Raises:
            CaseError: the text is not JSON, lacks a field, or a field has the wrong type or range.
        """
        try:
            data = json.loads(text)
            if data.pop("format") != FORMAT:
                raise CaseError("this case is of another format; use the version that wrote it")
            calls = tuple(PassCall(call["name"], tuple(call["args"])) for call in data["passes"])
            case = cls(**{**data, "passes": calls})
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

    @cached_property
    def digest(self) -> str:
        """16 hex digits that identify what would be compiled and run."""
        return hashlib.sha256(replace(self, origin="").to_json().encode()).hexdigest()[:16]

    def load(self) -> Any:
        """The IRModule. Executes nothing of it.

        Raises:
            CaseError: the TVM at hand can't express the module.
        """
        return load_module(self.module)

    def with_module(self, module: Any) -> Self:
        """The same case around another IRModule."""
        return replace(self, module=module_text(module))


def _matches(form: re.Pattern[str], name: object) -> bool:
    return isinstance(name, str) and form.fullmatch(name) is not None


def _is_in(numbers: range, value: object) -> bool:
    return type(value) is int and value in numbers  # True is 1, but not an integer of ours


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
