"""What a bundle's plan says, checked before anything of it is used: it may come from anybody.

A plan has tasks, files and, for each target, kernels; and a list of variants, each with its
condition on the inputs, its inputs, outputs, slots, and calls of these kernels.

Numbers are bounded, operands within slots, slots as large as what they hold, names those of files
beside the plan. web/plan.mjs checks the same in JavaScript, for what runs without us.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn

from harness.system.data import is_amount
from jitweb.extent import MOST_DEGREE, MOST_FACTORS, extent_from_json
from jitweb.plan import DTYPES, nbytes
from jitweb.weight_files import MOST_PARTS, WEIGHTS

FORMAT = 2
MOST_BYTES = 2**32  # what WebAssembly addresses
MOST_PLAN_BYTES = 2**26
MOST_ENTRIES, MOST_TEXT, MOST_CODE, MOST_RANK, MOST_ARGUMENTS = 100_000, 1000, 2**24, 32, 64
MOST_VARIANTS = 64
MOST_PAGES, MOST_ROWS, MOST_INTEGER = 65536, 2**31 - 1, 2**53 - 1
MOST_LENGTH = 2**24
OPERANDS = {"slot", "weight", "scratch", "length"}
DEFAULT_LIMITS = {
    "maxComputeWorkgroupsPerDimension": 65535,
    "maxComputeInvocationsPerWorkgroup": 256,
    "maxComputeWorkgroupSizeX": 256,
    "maxComputeWorkgroupSizeY": 256,
    "maxComputeWorkgroupSizeZ": 64,
}
FILE = re.compile(r"\w[\w.-]{0,200}", re.ASCII)
IDENTIFIER = re.compile(r"[A-Za-z_]\w{0,200}", re.ASCII)
DIGEST = re.compile(r"[0-9a-f]{64}")
HALF_CHARACTER = re.compile("[\ud800-\udfff]")


class OtherFormat(ValueError):
    """The plan is of a format that this release doesn't know."""


def parse_plan(content: bytes) -> dict[str, Any]:
    """The plan in the bytes of plan.json.

    Raises:
        OtherFormat: it is of another format.
        ValueError: it can't be used; the message says what of it is wrong.
    """
    if len(content) > MOST_PLAN_BYTES:
        raise ValueError("it is too large")
    try:
        plan = json.loads(content.decode(), parse_constant=_refuse)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    _require(isinstance(plan, dict), "it is not an object")
    if plan.get("format", FORMAT) != FORMAT:
        raise OtherFormat
    check_plan(plan)
    return plan  # type: ignore[no-any-return]


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def check_plan(plan: Mapping[str, Any]) -> None:
    """Raises: ValueError, if the plan can't be used."""
    _require(plan.get("format") == FORMAT, "the format")
    _require(_is_text(plan.get("model")), "the model's name")
    _require(_is_table(plan.get("files")), "the files")
    _require(all(_is_file(*item) for item in plan["files"].items()), "the files")
    parts = plan.get("weights", [WEIGHTS])
    _require(_is_list(parts, most=MOST_PARTS) and parts, "the files of weights")
    _require(
        all(_is_text(name) and name in plan["files"] for name in parts), "the files of weights"
    )
    _require(_are_distinct(parts), "the files of weights")
    size = sum(plan["files"][name]["bytes"] for name in parts)
    _require(size <= MOST_BYTES, "the size of the weights")
    _require(_is_table(plan.get("tasks"), _is_task), "the tasks")
    _require(_is_table(plan.get("targets")) and plan["targets"], "the targets")
    for name, part in plan["targets"].items():
        _require(name in TARGETS and isinstance(part, dict), f"{name!r} is not a target")
    _require(
        _is_list(plan.get("variants"), most=MOST_VARIANTS) and plan["variants"], "the variants"
    )
    for variant in plan["variants"]:
        _check_variant(variant, plan)
    conditions = (json.dumps(each["when"], sort_keys=True) for each in plan["variants"])
    _require(_are_distinct(conditions), "two variants of one condition")
    for name, part in plan["targets"].items():
        counts: dict[str, int] = {}
        for call in calls_of(plan, name):
            count = len(call["args"]) + ("takes_length" in call)
            is_same = counts.setdefault(call["kernel"], count) == count
            _require(is_same, f"a kernel's arguments for {name}")
        TARGETS[name](part, plan)


def calls_of(plan: Mapping[str, Any], target: str) -> list[dict[str, Any]]:
    """The calls of all variants for a target."""
    return [call for variant in plan["variants"] for call in variant["calls"][target]]


def _check_variant(variant: Any, plan: Mapping[str, Any]) -> None:
    _require(isinstance(variant, dict), "a variant")
    opening = variant.get("open")
    _require("open" not in variant or _is_opening(opening), "what is left open")
    most = opening["most"] if opening else None
    slots = variant.get("slots")
    _require(_is_list(slots, lambda size: _is_count(size, MOST_BYTES)), "the slots")
    _check_tensors("inputs", variant)
    _require(_are_distinct(each["slot"] for each in variant["inputs"]), "two inputs in one slot")
    _check_tensors("outputs", variant)
    flags = {
        each["name"]
        for each in variant["inputs"]
        if each["dtype"] == "bool" and math.prod(_at_most(each["shape"], most)) == 1
    }
    when, calls = variant.get("when"), variant.get("calls")
    _require(
        _is_table(when, lambda value: type(value) is bool) and when.keys() <= flags,
        "a variant's condition",
    )
    for name in plan["targets"]:
        each = calls.get(name) if isinstance(calls, dict) else None
        is_right = _is_list(each, lambda call: _is_call(call, slots, plan["tasks"], most))
        _require(is_right, f"the calls for {name}")


def _require(is_right: Any, what: str) -> None:
    if not is_right:
        raise ValueError(what)


def _check_tensors(role: str, variant: Mapping[str, Any]) -> None:
    slots, tensors = variant["slots"], variant.get(role)
    most = variant["open"]["most"] if "open" in variant else None
    _require(_is_list(tensors, lambda tensor: _is_tensor(tensor, slots, most)), f"the {role}")
    _require(_are_distinct(each["name"] for each in variant[role]), f"two {role} of one name")
    size = sum(nbytes(each["dtype"], _at_most(each["shape"], most)) for each in variant[role])
    _require(size <= MOST_BYTES, f"the {role} are too large")


def _is_opening(opening: Any) -> bool:
    return (
        isinstance(opening, dict)
        and _is_text(opening.get("name"))
        and _is_count(opening.get("most"), MOST_LENGTH, 1)
    )


def _is_extent(extent: Any, most: int | None, largest: int, least: int = 0) -> bool:
    """Whether it is an extent in these bounds at every length: it doesn't shrink with it."""
    if most is None or not isinstance(extent, list):
        return _is_count(extent, largest, least)
    return (
        _is_list(extent, lambda factor: _is_factor(factor, most), MOST_FACTORS)
        and _is_count(_value(extent, 1), largest, least)
        and _is_count(_value(extent, most), largest, least)
    )


def _value(extent: list[list[int]], length: int) -> int:
    return int(extent_from_json(extent, length))


def _is_factor(factor: Any, most: int) -> bool:
    """Whether it is [divisor, coefficients...] of a factor that is never negative nor shrinks."""
    return (
        _is_list(factor, lambda each: _is_count(each, MOST_ROWS, -MOST_ROWS), MOST_DEGREE + 2)
        and len(factor) > 1
        and factor[0] >= 1
        and all(each >= 0 for each in factor[2:])
        and sum(factor[1:]) >= 0
        and sum(each * most**power for power, each in enumerate(factor[1:])) <= MOST_INTEGER
    )


def _at_most(shape: Sequence[Any], most: int | None) -> list[int]:
    """A shape that was checked, at the most."""
    return [int(extent_from_json(extent, most or 1)) for extent in shape]


def _is_tensor(tensor: Any, slots: list[int], most: int | None) -> bool:
    if not isinstance(tensor, dict):
        return False
    dtype, stored, slot = tensor.get("dtype", ""), tensor.get("stored", ""), tensor.get("slot", -1)
    return (
        _is_text(tensor.get("name"))
        and all(_is_text(each) and each in DTYPES for each in (dtype, stored))
        and (stored != "int64" or dtype == "int64")
        and dtype.startswith("float") == stored.startswith("float")
        and _is_list(
            tensor.get("shape"), lambda each: _is_extent(each, most, MOST_BYTES), MOST_RANK
        )
        and _is_count(slot, len(slots) - 1)
        and nbytes(stored, _at_most(tensor["shape"], most)) <= slots[slot]
        and ("range" not in tensor or _is_range(tensor["range"]))
    )


def _is_range(ends: Any) -> bool:
    return (
        isinstance(ends, list)
        and len(ends) == 2
        and all(type(end) is int and abs(end) <= 1 << 31 for end in ends)
        and ends[0] <= ends[1]
    )


def _is_file(name: str, facts: Any) -> bool:
    return (
        FILE.fullmatch(name) is not None
        and isinstance(facts, dict)
        and _is_count(facts.get("bytes"), MOST_BYTES)
        and _is_text(facts.get("sha256"))
        and DIGEST.fullmatch(facts["sha256"]) is not None
    )


def _is_task(task: Any) -> bool:
    return (
        isinstance(task, dict)
        and _is_text(task.get("kind"))
        and _is_text(task.get("name"))
        and _is_text(task.get("what", ""))
        and is_amount(task.get("flops"))
        and is_amount(task.get("bytes"))
        and _is_count(task.get("sites"), MOST_INTEGER, 1)
    )


def _is_call(call: Any, slots: list[int], tasks: Mapping[str, Any], most: int | None) -> bool:
    def is_operand(each: Any) -> bool:
        if not isinstance(each, dict) or len(OPERANDS & each.keys()) != 1:
            return False
        if "scratch" in each:
            return _is_count(each["scratch"], call.get("scratch", -1))
        if "length" in each:
            return each["length"] is True and most is not None
        is_slot = "slot" in each and _is_count(each["slot"], len(slots) - 1)
        return is_slot or _is_text(each.get("weight"))

    return (
        isinstance(call, dict)
        and _is_count(call.get("scratch", 0), MOST_BYTES)
        and ("rows" not in call or _is_extent(call["rows"], most, MOST_ROWS, 1))
        and ("takes_length" not in call or (call["takes_length"] is True and most is not None))
        and ("grid" not in call or _is_grid(call["grid"], most))
        and _is_text(call.get("task"))
        and call["task"] in tasks
        and _is_text(call.get("kernel"))
        and _is_list(call.get("args"), is_operand, MOST_ARGUMENTS)
    )


def _is_grid(grid: Any, most: int | None) -> bool:
    """Whether it is a grid that depends on the length, and no larger than any device takes."""
    largest = DEFAULT_LIMITS["maxComputeWorkgroupsPerDimension"]
    return _is_list(grid, lambda each: _is_extent(each, most, largest, 1), 3) and len(grid) == 3


def _check_wasm(part: Mapping[str, Any], plan: Mapping[str, Any]) -> None:
    modules, flags = part.get("modules"), part.get("memory_flag")
    for variant in ("relaxed", "simd128"):
        file = modules.get(variant) if isinstance(modules, dict) else None
        _require(_is_text(file) and file in plan["files"], f"the module of {variant}")
        size = plan["files"][file]["bytes"]
        is_inside = isinstance(flags, dict) and _is_count(flags.get(variant), size - 1)
        _require(is_inside, f"the memory's flag of {variant}")
    pointer = part.get("stack_pointer")
    _require(pointer is None or _is_text(pointer), "the stack pointer's name")
    is_bounded = _is_count(part.get("static_end"), MOST_BYTES)
    _require(is_bounded and _is_count(part.get("max_pages"), MOST_PAGES, 1), "the memory's size")
    calls = calls_of(plan, "wasm")
    _require(all("rows" in call for call in calls), "the rows of a call")
    _require(
        not any("length" in each for call in calls for each in call["args"]),
        "a length in memory, for WebAssembly",
    )


def _check_webgpu(part: Mapping[str, Any], plan: Mapping[str, Any]) -> None:
    ends = [each[role] for each in plan["variants"] for role in ("inputs", "outputs")]
    is_narrow = all(each["stored"] != "int64" for tensors in ends for each in tensors)
    _require(is_narrow, "int64, which WebGPU lacks")
    limits, shaders = part.get("limits"), part.get("shaders")
    _require(_is_list(part.get("features"), _is_text), "the features")
    _require(_is_table(limits, lambda limit: _is_count(limit, MOST_INTEGER)), "the limits")
    offered = DEFAULT_LIMITS | part["limits"]
    _require(_is_table(shaders, lambda shader: _is_shader(shader, offered)), "the shaders")
    for call in calls_of(plan, "webgpu"):
        shader = part["shaders"].get(call["kernel"])
        _require(shader is not None, "a kernel that is missing")
        _require(not any("scratch" in each for each in call["args"]), "a kernel's scratch memory")
        is_slot = ["slot" in each for each in call["args"]]
        is_written = all(place < len(is_slot) and is_slot[place] for place in shader["writes"])
        _require(is_written, "what a kernel writes")


def _is_shader(shader: Any, limits: Mapping[str, int]) -> bool:
    if not isinstance(shader, dict):
        return False
    most = limits["maxComputeWorkgroupsPerDimension"]
    sizes = [limits[f"maxComputeWorkgroupSize{axis}"] for axis in "XYZ"]
    if not (
        _is_text(shader.get("code"), MOST_CODE)
        and _is_text(shader.get("entry"))
        and IDENTIFIER.fullmatch(shader["entry"])
        and _is_triple(shader.get("grid"), [most] * 3)
        and _is_triple(shader.get("workgroup"), sizes)
    ):
        return False
    halves = shader.get("halves")  # for adapters that have shader-f16
    if "halves" in shader and not (
        isinstance(halves, dict)
        and "halves" not in halves
        and _is_shader(halves, limits)
        and halves["writes"] == shader.get("writes")
    ):
        return False
    x, y, z = shader["workgroup"]
    return x * y * z <= limits["maxComputeInvocationsPerWorkgroup"] and _is_list(
        shader.get("writes"), lambda place: _is_count(place, MOST_ARGUMENTS), MOST_ARGUMENTS
    )


TARGETS: dict[str, Callable[[Mapping[str, Any], Mapping[str, Any]], None]] = {
    "wasm": _check_wasm,
    "webgpu": _check_webgpu,
}


# ------------------------------------------------------------------------------- types of JSON


def _is_count(value: Any, most: int, least: int = 0) -> bool:
    return type(value) is int and least <= value <= most


def _is_text(value: Any, most: int = MOST_TEXT) -> bool:
    return isinstance(value, str) and len(value) <= most and not HALF_CHARACTER.search(value)


def _is_list(
    value: Any, is_right: Callable[[Any], bool] = lambda each: True, most: int = MOST_ENTRIES
) -> bool:
    return isinstance(value, list) and len(value) <= most and all(map(is_right, value))


def _is_triple(value: Any, most: list[int]) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 3
        and all(_is_count(each, limit, 1) for each, limit in zip(value, most, strict=True))
    )


def _is_table(value: Any, is_right: Callable[[Any], bool] = lambda each: True) -> bool:
    return (
        isinstance(value, dict)
        and len(value) <= MOST_ENTRIES
        and all(isinstance(name, str) for name in value)
        and all(map(is_right, value.values()))
    )


def _are_distinct(values: Iterable[Any]) -> bool:
    listed = list(values)
    return len(set(listed)) == len(listed)
