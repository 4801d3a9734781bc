"""Case: one immutable input of the compiler, as text.

A Case is what the fuzzer mutates, the sandbox runs, the corpus stores and a reproducer shows: a
module, a sequence of passes with their arguments, a target, an optimisation level and the seed of
its inputs. The module is held as TVM's JSON, because loading JSON executes nothing; `script` gives
the TVMScript of it for people and reproducers, where it round-trips.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Self

from harness import UserError

JSONScalar = bool | int | float | str | None
FORMAT = 1


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

    `origin` names the seed that the module descends from; it is no part of the identity.
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
            CaseError: the text is not JSON, lacks a field, or a field has the wrong type.
        """
        try:
            data = json.loads(text)
            if data.pop("format") != FORMAT:
                raise CaseError("this case is of another format; use the version that wrote it")
            calls = tuple(PassCall(call["name"], tuple(call["args"])) for call in data["passes"])
            case = cls(**{**data, "passes": calls})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CaseError(f"not a case: {error}") from None
        case._check_types()
        return case

    def _check_types(self) -> None:
        wanted = (("module", str), ("target", str), ("origin", str))
        if any(not isinstance(getattr(self, name), kind) for name, kind in wanted):
            raise CaseError("not a case: module, target and origin must be strings")
        if any(type(number) is not int for number in (self.opt_level, self.input_seed)):
            raise CaseError("not a case: opt_level and input_seed must be integers")
        for call in self.passes:
            scalars = all(isinstance(arg, (bool, int, float, str, type(None))) for arg in call.args)
            if not isinstance(call.name, str) or not scalars:
                raise CaseError("not a case: a pass is a name and a list of JSON scalars")

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


def module_text(module: Any) -> str:
    """The text of an IRModule: TVM's JSON, on one line, the same for every process."""
    import tvm

    return str(tvm.ir.save_json(module))


def load_module(text: str) -> Any:
    """The IRModule of a text that `module_text` gave.

    Raises:
        CaseError: not TVM's JSON, or of a TVM whose nodes this one doesn't know.
    """
    import tvm
    from tvm_ffi.serialization import from_json_graph_str

    try:
        # Not tvm.ir.load_json, which first upgrades old formats in Python, at seven times the cost.
        module = from_json_graph_str(text)
    except Exception as error:  # TVM raises many kinds for malformed JSON
        reason = (str(error).strip().splitlines() or [""])[-1]
        raise CaseError(f"TVM {tvm.__version__} can't load this module: {reason}") from None
    if not isinstance(module, tvm.IRModule):
        raise CaseError(f"the text holds a {type(module).__name__}, not an IRModule")
    return module


def script(module: Any) -> str | None:
    """TVMScript of the module, or None where it does not parse back to an equal module.

    Parsing runs Python: only for modules that are trusted or inside the sandbox.
    """
    from harness import compat

    try:
        back = parsed_back(module)
    except Exception:  # the printer and the parser fail in many ways; each means "no round trip"
        return None
    return full_script(module) if compat.structural_equal(back, module) else None


def full_script(module: Any) -> str:
    """TVMScript of the module, with its metadata where there is any.

    Raises:
        Exception: whatever TVM's printer raises for a module that it can't print.
    """
    text = str(module.script())
    return text if "Metadata omitted" not in text else str(module.script(show_meta=True))


def parsed_back(module: Any) -> Any:
    """The module that the module's TVMScript parses to. Runs Python: see `script`.

    Raises:
        Exception: whatever TVM's printer and parser raise.
    """
    from tvm.script import from_source

    return from_source(full_script(module))
