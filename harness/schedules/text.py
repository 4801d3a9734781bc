"""A trace as Python, for reproducers: the calls of `tvm.s_tir.Schedule` that it stands for.

Values are written by `repr` of checked JSON, and index maps as the arithmetic that was parsed, so
that nothing of a case can become another statement.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.case import CaseError, JSONValue, PrimitiveCall, as_lists
from harness.schedules import dlight, intrinsics, meta_schedule, specialize
from harness.schedules.index_map import as_lambda
from harness.schedules.refusal import DoesNotApply
from harness.schedules.table import PRIMITIVES, Takes

# Functions that the lines call, for a schedule `s`.
HELPERS = '''
def block(s, name, number=1):
    """The block of this name; where there are several, by its number in program order."""
    root = s.get_sblock(s.mod[s.func_working_on.name_hint].body.block.name_hint)
    pending, found = list(s.get_child_blocks(root)), []
    while pending:
        each = pending.pop(0)
        found += [each] if s.get(each).name_hint == name else []
        pending = list(s.get_child_blocks(each)) + pending
    return found[number - 1]


def loop(s, name, index, number=1):
    """One of the loops around the block, the outermost of which is number 0."""
    return s.get_loops(block(s, name, number))[index]
'''


_TEXTS = {
    "dlight": dlight.TEXT,
    "meta_schedule": meta_schedule.TEXT,
    "specialize": specialize.TEXT,
    "tensorize": intrinsics.TEXT,
}


def helpers(trace: Sequence[PrimitiveCall]) -> str:
    """The functions that the lines of this trace call.

    Raises:
        CaseError: it calls for an intrinsic that there is not.
    """
    used = {call.name for call in trace}
    texts = [HELPERS, *(text for name, text in _TEXTS.items() if name in used)]
    names = sorted(
        {str(call.args[1]) for call in trace if call.name == "tensorize" and len(call.args) == 2}
    )
    try:
        found = {name: intrinsics.sources(name) for name in names}
    except DoesNotApply as error:
        raise CaseError(str(error)) from None
    if found:
        texts.append(f"INTRINSICS = {found!r}\n")
    return "\n".join(texts)


def as_python(trace: Sequence[PrimitiveCall]) -> Iterator[str]:
    """The statements that apply the trace to a schedule `s`, at first at work on main.

    Raises:
        CaseError: a call has arguments that its primitive doesn't take.
    """
    try:
        yield from _lines(trace)
    except ValueError as error:
        raise CaseError(str(error)) from None


def _lines(trace: Sequence[PrimitiveCall]) -> Iterator[str]:
    function = "main"
    for call in trace:
        if call.function != function:
            function = call.function
            yield f"s.work_on({function!r})"
        primitive = PRIMITIVES.get(call.name)
        if primitive is None or len(call.args) != len(primitive.kinds):
            raise ValueError(f"not a call of a schedule primitive: {call.name}")
        pairs = list(zip(primitive.kinds, call.args, strict=True))
        yield from (f"s.seed({arg!r})" for kind, arg in pairs if kind is Takes.SEED)
        line = primitive.python.format(*(_argument(kind, arg) for kind, arg in pairs))
        yield f"s = {line}" if primitive.whole else line
        if primitive.whole:  # a new schedule, which works on main
            function = "main"


def _argument(kind: Takes, arg: JSONValue) -> str:
    match kind:
        case Takes.MAP:
            return as_lambda(arg)
        case Takes.LIST:
            return repr(as_lists(arg))
        case Takes.BLOCK | Takes.LOOP | Takes.TARGET:
            return _place(arg)
        case Takes.BLOCKS | Takes.LOOPS if isinstance(arg, tuple):
            return f"[{', '.join(map(_place, arg))}]"
        case Takes.VALUE | Takes.PAIR | Takes.SEED:
            return repr(arg)
    raise ValueError(f"not {kind}: {arg!r}")


def _place(arg: JSONValue) -> str:
    """A block or a loop."""
    match arg:
        case str():
            name, _, number = arg.partition("#")
            more = f", {int(number)}" if number else ""
            return f"block(s, {name!r}{more})"
        case (str() as label, int() as index):
            name, _, number = label.partition("#")
            more = f", {int(number)}" if number else ""
            return f"loop(s, {name!r}, {index}{more})"
    raise ValueError(f"neither a block nor a loop: {arg!r}")
