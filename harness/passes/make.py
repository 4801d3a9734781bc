"""Makes TVM's pass for a PassCall."""

from __future__ import annotations

from typing import Any

import tvm

from harness import compat
from harness.case import CaseError, JSONScalar, PassCall
from harness.passes import context
from harness.passes.catalogue import CATALOGUE, PassInfo
from harness.system.data import parse_json
from harness.targets import get_target


def check_call(call: PassCall) -> PassInfo:
    """The catalogue's row of the call's pass.

    Raises:
        CaseError: no such pass, or arguments that it doesn't take.
    """
    info = CATALOGUE.get(call.name)
    if info is None:
        raise CaseError(
            f"unknown pass {call.name!r}; TVM {compat.tvm_version()} and the catalogue share "
            f"{len(CATALOGUE)} passes, such as tirx.StmtSimplify"
        )
    if len(call.args) > len(info.args):
        raise CaseError(f"{call.name} takes at most {len(info.args)} arguments: {call}")
    for argument, value in zip(info.args, call.args, strict=False):
        diagnostic = argument.diagnostic(value)
        if diagnostic is not None:
            raise CaseError(f"{call.name}: {diagnostic}, not {value!r}")
    if any(argument.required for argument in info.args[len(call.args) :]):
        missing = info.args[len(call.args)].name
        raise CaseError(f"{call.name} needs its argument {missing}")
    return info


def make_pass(call: PassCall) -> Any:
    """TVM's pass for the call: a function of a module, within the current PassContext.

    Raises:
        CaseError: no such pass, or arguments that it doesn't take.
    """
    info = check_call(call)
    if info.name == context.SET:
        return ContextEntries(context.config(parse_json(str(call.args[0]))))
    constructor = compat.pass_constructor(call.name)
    assert constructor is not None  # the catalogue has only passes that this TVM has
    if call.name == "tirx.BindTarget":
        return constructor(bound_target(str(call.args[0])))
    positional: list[JSONScalar] = []
    config: dict[str, Any] = {}
    for argument, value in zip(info.args, call.args, strict=False):
        if argument.config:
            config = {argument.config: parse_json(str(value))}
        else:
            positional.append(value)
    made = constructor(*positional)
    return WithConfig(made, config) if any(config.values()) else made


class ContextEntries:
    """Entries of the PassContext for all passes after it; itself it changes nothing."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config

    def __call__(self, module: Any) -> Any:
        return module

    def context(self) -> Any:
        """The current PassContext with these entries, to be entered."""
        return _extended(self.config)


def _extended(config: dict[str, Any]) -> Any:
    current = tvm.transform.PassContext.current()
    merged = {**dict(current.config.items()), **config}
    return tvm.transform.PassContext(opt_level=current.opt_level, config=merged)


class WithConfig:
    """A pass that runs with additional entries in the PassContext's configuration."""

    def __init__(self, made: Any, config: dict[str, Any]) -> None:
        self.made = made
        self.config = config

    def __call__(self, module: Any) -> Any:
        with _extended(self.config):
            return self.made(module)


def bound_target(name: str) -> Any:
    """TVM's target of this name, with itself as the host, as tvm.tirx.build binds it."""
    target = tvm.target.Target(get_target(name).description())
    return target.with_host(target)
