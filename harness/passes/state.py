"""States: the properties of a module at a point of its lowering that passes rely on.

A module has a set of states. `initial_states` determines it from the module, so that programs which
are already partly lowered are handled correctly; the catalogue says how each pass changes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import tvm_ffi
from tvm import tirx

from harness import compat
from harness.case import module_text
from harness.ir.loop_kinds import THREAD_BINDING, VECTORIZED


class State(StrEnum):
    """A property of a module that a pass relies on."""

    STRUCTURED = "structured"  # blocks, multi-dimensional buffers and loops as written
    BLOCK_VARIABLES = "block-variables"  # not yet substituted by what they are bound to
    MATCH_REGIONS = "match-regions"  # buffer matches not yet lowered to offsets
    CANONICAL_LOOPS = "canonical-loops"  # all loops start at zero with step one
    UNIQUE_DEFINITIONS = "unique-definitions"  # each variable and buffer is defined once
    MARKED_JUMPS = "marked-jumps"  # loops with a break or continue in them are marked as such
    NO_INIT = "no-init"  # no block has an init statement
    OPAQUE_BLOCKS = "opaque-blocks"  # no block has block variables
    NO_MATCH_BUFFERS = "no-match-buffers"
    NO_BLOCKS = "no-blocks"  # nor thread-bound or single-lane vector loops, lowered with them
    FLAT_BUFFERS = "flat-buffers"  # all have one dimension
    NO_BF16_COMPUTE = "no-bf16-compute"
    NO_FP8_COMPUTE = "no-fp8-compute"
    NO_VECTOR_LOOPS = "no-vector-loops"
    SCALAR_LOOPS = "scalar-loops"  # no pass has made vectors of loops or buffers
    NO_LIKELY = "no-likely"  # no condition is marked as likely
    NO_VIRTUAL_THREADS = "no-virtual-threads"
    SEPARATE_STORAGE = "separate-storage"  # allocations are not merged
    SAFE_SELECTS = "safe-selects"  # no select guards a memory access
    NARROW_INTEGERS = "narrow-integers"  # no integer is wider than 32 bits
    NOT_INSTRUMENTED = "not-instrumented"  # stores are not guarded by assertions
    TARGET_BOUND = "target-bound"
    TARGET_FREE = "target-free"
    ENTRY_ANNOTATED = "entry-annotated"
    HOST_AND_DEVICE = "host-and-device"  # not yet split into host and device functions
    SPLIT = "split"
    PLAIN_SIGNATURE = "plain-signature"  # main takes its buffers as they are
    PACKED_API = "packed-api"
    NO_BF16_STORAGE = "no-bf16-storage"
    NO_FP8_STORAGE = "no-fp8-storage"
    BUILTINS_LOWERED = "builtins-lowered"
    INTRINSICS_LOWERED = "intrinsics-lowered"
    NEVER = "never"  # no module has it; a pass that is never legal here needs it


# States of every module that a case may start with; they can't be determined from the module.
ALWAYS = frozenset(
    {
        State.STRUCTURED,
        State.BLOCK_VARIABLES,
        State.MATCH_REGIONS,
        State.SCALAR_LOOPS,
        State.SEPARATE_STORAGE,
        State.NOT_INSTRUMENTED,
        State.HOST_AND_DEVICE,
        State.PLAIN_SIGNATURE,
    }
)


def initial_states(module: Any) -> frozenset[State]:
    """The states that the module has before any pass."""
    definitions: list[Any] = []
    constants: list[Any] = []
    for function in module.functions.values():
        if isinstance(function, tirx.PrimFunc):
            tvm_ffi.structural_walk(function.body, (_DEFINITIONS, definitions.append))
            tvm_ffi.structural_walk(function.body, (tirx.IntImm, constants.append))
    wide = any(str(constant.ty.dtype) in ("int64", "uint64") for constant in constants)
    return _StateReader(json.loads(module_text(module))["nodes"], definitions, wide).states()


_DEFINITIONS = (tirx.For, tirx.Bind, tirx.Let, tirx.AllocBuffer, tirx.DeclBuffer)


class _StateReader:
    """Determines states from the nodes of a module's JSON, which refer to each other by index."""

    def __init__(self, nodes: list[dict[str, Any]], definitions: list[Any], wide: bool) -> None:
        self.nodes = nodes
        self.wide_constants = wide
        self.definitions = definitions
        self.loops = [node for node in definitions if isinstance(node, tirx.For)]
        self.operators = {
            str(node["data"]).rsplit(".", 1)[-1] for node in nodes if node["type"] == "ir.Op"
        }
        self.by_kind: dict[str, list[dict[str, Any]]] = {}
        for node in nodes:
            self.by_kind.setdefault(compat.node_kind(node["type"]), []).append(node)
        self.dtypes = {
            str(node["data"]["dtype"]) for node in nodes if node["type"] == "ir.PrimType"
        }

    def states(self) -> frozenset[State]:
        strings = {node["data"] for node in self.nodes if node["type"] == "ffi.String"}
        loop_kinds = {int(loop.kind) for loop in self.loops}
        blocks = list(self.of_kind("SBlock"))
        facts = {
            State.CANONICAL_LOOPS: all(_is_canonical(loop) for loop in self.loops),
            State.NO_INIT: not any(self.present(block["init"]) for block in blocks),
            State.OPAQUE_BLOCKS: not any(self.filled(block["iter_vars"]) for block in blocks),
            State.NO_MATCH_BUFFERS: not any(self.filled(b["match_buffers"]) for b in blocks),
            State.NO_BLOCKS: not blocks and not any(map(_goes_with_blocks, self.loops)),
            State.FLAT_BUFFERS: self.flat(within_blocks=bool(blocks)),
            State.NO_VECTOR_LOOPS: VECTORIZED not in loop_kinds,
            State.NO_LIKELY: "likely" not in self.operators,
            State.MARKED_JUMPS: not self.operators & {"break_loop", "continue_loop"},
            State.UNIQUE_DEFINITIONS: self.defines_once(),
            State.NO_VIRTUAL_THREADS: not any(
                s.startswith(("vthread", "virtual_")) for s in strings
            ),
            State.NO_BF16_COMPUTE: not self.has_dtype("bfloat16"),
            State.NO_FP8_COMPUTE: not self.has_dtype("float8", "float4", "float6"),
            State.NO_BF16_STORAGE: not self.has_dtype("bfloat16"),
            State.NO_FP8_STORAGE: not self.has_dtype("float8", "float4", "float6"),
            State.SAFE_SELECTS: "Select" not in self.by_kind,
            State.NARROW_INTEGERS: not self.has_wide_integers(),
            State.TARGET_BOUND: "target" in strings and "Target" in self.by_kind,
            State.TARGET_FREE: "Target" not in self.by_kind,
            State.ENTRY_ANNOTATED: "tirx.is_entry_func" in strings,
        }
        return ALWAYS | {state for state, holds in facts.items() if holds}

    def defines_once(self) -> bool:
        defined = [_defined(node) for node in self.definitions]
        return len(set(defined)) == len(defined)

    def of_kind(self, *kinds: str) -> Iterator[dict[str, Any]]:
        for kind in kinds:
            yield from (node["data"] for node in self.by_kind.get(kind, ()))

    def present(self, index: int) -> bool:
        return bool(self.nodes[index]["type"] != "None")

    def filled(self, index: int) -> bool:
        return bool(self.nodes[index]["data"])

    def flat(self, within_blocks: bool) -> bool:
        """Whether every access has one index, and every allocation one dimension; in blocks, also
        every buffer."""
        accesses = self.of_kind("BufferLoad", "BufferStore")
        indices = [access["indices"] for access in accesses]
        if within_blocks:
            indices += [buffer["shape"] for buffer in self.of_kind("BufferType")]
        allocated = [node for node in self.definitions if isinstance(node, tirx.AllocBuffer)]
        return all(len(self.nodes[index]["data"]) == 1 for index in indices) and all(
            len(node.buffer.ty.shape) == 1 for node in allocated
        )

    def has_dtype(self, *prefixes: str) -> bool:
        return any(dtype.startswith(prefixes) for dtype in self.dtypes)

    def has_wide_integers(self) -> bool:
        wide = {
            index
            for index, node in enumerate(self.nodes)
            if node["type"] == "ir.PrimType"
            and str(node["data"]["dtype"]).startswith(("int64", "uint64"))
        }
        # The types of functions contain shapes as 64-bit constants, which are not expressions.
        return self.wide_constants or any(
            node["data"].get("ty") in wide or node["data"].get("dtype") in wide
            for node in self.nodes
            if isinstance(node.get("data"), dict)
            and node["type"] not in ("ir.IntImm", "ir.PrimType")
        )


def _is_canonical(loop: Any) -> bool:
    return isinstance(loop.min, tirx.IntImm) and int(loop.min) == 0 and loop.step is None


def _goes_with_blocks(loop: Any) -> bool:
    """Whether LowerOpaqueBlock removes the loop and later passes don't support it."""
    single = isinstance(loop.extent, tirx.IntImm) and int(loop.extent) == 1
    return int(loop.kind) == THREAD_BINDING or (int(loop.kind) == VECTORIZED and single)


def _defined(node: Any) -> Any:
    """The variable that a loop, binding or buffer declaration defines; compared by identity."""
    if isinstance(node, tirx.For):
        return node.loop_var
    return node.var if isinstance(node, (tirx.Bind, tirx.Let)) else node.buffer
