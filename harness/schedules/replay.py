"""Replay: applies a trace to a module, one primitive after another.

A primitive that refuses leaves the module as it was; TVM's other exceptions are `RaisedByTVM`, and
whether they are findings is for `harness.oracles.schedule` to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from tvm import s_tir, tirx

from harness import compat
from harness.case import JSONValue, PrimitiveCall, as_lists
from harness.schedules.blocks import find_block, find_loop
from harness.schedules.dlight import dlight
from harness.schedules.index_map import index_map
from harness.schedules.intrinsics import intrinsic
from harness.schedules.meta_schedule import meta_schedule
from harness.schedules.refusal import DoesNotApply, is_refusal
from harness.schedules.specialize import specialize
from harness.schedules.table import PRIMITIVES, Primitive, Takes
from harness.targets.executable import RaisedByTVM, raised_by_tvm


class Replay:
    """A module under a schedule; `module` is what the primitives so far have left."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self._schedule: Any = None

    def apply(self, call: PrimitiveCall) -> None:
        """Apply the primitive.

        Raises:
            DoesNotApply: it doesn't apply here, or this TVM lacks it; the module is unchanged.
            RaisedByTVM: TVM failed in another way; the module is unchanged.
        """
        primitive = PRIMITIVES.get(call.name)
        if primitive is None:
            raise DoesNotApply(f"there is no schedule primitive {call.name}")
        schedule = self.schedule(call.function)
        arguments = _resolved(schedule, primitive, call.args)
        try:
            with raised_by_tvm():
                result = _compiled(primitive.name)(schedule, *arguments)
        except RaisedByTVM as error:
            self._schedule = None  # it may be half changed
            if is_refusal(error.error):
                raise DoesNotApply(str(error)) from None
            raise
        if primitive.whole:
            self._schedule = schedule = result
        self.module = schedule.mod

    def schedule(self, function: str) -> Any:
        """The schedule, at work on this function.

        Raises:
            DoesNotApply: the function can't be scheduled.
            RaisedByTVM: TVM can't make a schedule of the module.
        """
        if not is_schedulable(self.module, function):
            raise DoesNotApply(f"function {function} has no blocks")
        if self._schedule is None:
            # A rendered refusal prints the program, and a program that TVM can't print then ends
            # the process.
            with raised_by_tvm():
                self._schedule = s_tir.Schedule(
                    self.module, seed=1, debug_mask="none", error_render_level="none"
                )
        self._schedule.work_on(function)
        return self._schedule


def replayed(module: Any, trace: Iterable[PrimitiveCall]) -> Any:
    """The module after those primitives of the trace that apply."""
    replay = Replay(module)
    for call in trace:
        try:
            replay.apply(call)
        except (DoesNotApply, RaisedByTVM):
            continue
    return replay.module


def is_schedulable(module: Any, function: str) -> bool:
    """Whether the function's body is a root block."""
    named = [f for v, f in module.functions.items() if str(v.name_hint) == function]
    found = [f for f in named if isinstance(f, tirx.PrimFunc)]
    return bool(found) and compat.type_key(found[0].body) == "SBlockRealize"


def _resolved(schedule: Any, primitive: Primitive, args: tuple[JSONValue, ...]) -> list[Any]:
    """The arguments as TVM takes them; sets the seed, if it is one of them."""
    if len(args) != len(primitive.kinds):
        raise DoesNotApply(f"{primitive.name} takes {len(primitive.kinds)} arguments")
    try:
        with raised_by_tvm():
            return [
                _RESOLVERS[kind](schedule, arg)
                for kind, arg in zip(primitive.kinds, args, strict=True)
            ]
    except RaisedByTVM as error:
        if is_refusal(error.error):
            raise DoesNotApply(str(error)) from None
        raise
    except (LookupError, ValueError, TypeError) as error:
        raise DoesNotApply(str(error)) from None


def _value(schedule: Any, arg: Any) -> Any:
    return arg


def _list(schedule: Any, arg: Any) -> Any:
    return as_lists(arg)


def _block(schedule: Any, arg: Any) -> Any:
    if not isinstance(arg, str):
        raise TypeError("a block is a name")
    return find_block(schedule, arg)


def _loop(schedule: Any, arg: Any) -> Any:
    match arg:
        case (str() as label, int() as index):
            return find_loop(schedule, label, index)
    raise TypeError("a loop is a block's name and a number")


def _target(schedule: Any, arg: Any) -> Any:
    return _block(schedule, arg) if isinstance(arg, str) else _loop(schedule, arg)


def _blocks(schedule: Any, arg: Any) -> Any:
    return [_block(schedule, item) for item in arg]


def _loops(schedule: Any, arg: Any) -> Any:
    return [_loop(schedule, item) for item in arg]


def _map(schedule: Any, arg: Any) -> Any:
    return index_map(arg)


def _seed(schedule: Any, arg: Any) -> Any:
    if type(arg) is not int or not 1 <= arg < 1 << 31:  # -1 is another seed each time
        raise ValueError("a seed is a positive integer of 31 bits")
    schedule.seed(arg)
    return arg


_RESOLVERS: dict[Takes, Callable[[Any, Any], Any]] = {
    Takes.VALUE: _value,
    Takes.PAIR: _value,
    Takes.LIST: _list,
    Takes.BLOCK: _block,
    Takes.BLOCKS: _blocks,
    Takes.LOOP: _loop,
    Takes.LOOPS: _loops,
    Takes.TARGET: _target,
    Takes.MAP: _map,
    Takes.SEED: _seed,
}


# What the rows of the table call, besides methods of the schedule.
_FUNCTIONS = {
    "dlight": dlight,
    "intrinsic": intrinsic,
    "meta_schedule": meta_schedule,
    "specialize": specialize,
}


@cache
def _compiled(name: str) -> Callable[..., Any]:
    """The call that a row of the table spells, as a function of the schedule and arguments."""
    primitive = PRIMITIVES[name]
    names = [f"a{number}" for number in range(len(primitive.kinds))]
    source = f"lambda {', '.join(['s', *names])}: {primitive.python.format(*names)}"
    function: Callable[..., Any] = eval(source, dict(_FUNCTIONS))  # the table's own text alone
    return function
