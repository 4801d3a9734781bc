"""Known errors, with which TVM rejects a program on purpose: they are not findings.

Each entry has the constant part of a diagnostic and the reason why it is not a bug. Any other error
that a legal sequence raises on a valid program is a finding.
"""

from __future__ import annotations

import re

NESTED_PARALLEL = "Nested parallel loop is not supported by threadpool"

KNOWN_REFUSALS: dict[str, str] = {
    "The body of the software pipeline should be SeqStmt": (
        "software_pipeline annotations are for loops over several statements"
    ),
    "is invalid for irregular loop": (
        "a loop with break or continue can't be unrolled or vectorized, so the annotation is wrong"
    ),
    NESTED_PARALLEL: (
        "a parallel loop inside another one is a schedule that the runtime does not support"
    ),
    "of the software pipeline is not defined": (
        "a software_pipeline annotation has both stages and an order"
    ),
    "Can only handle constant size stack allocation": "a GPU has no allocation of a variable size",
    "(op->kind == ForKind::kSerial) is false": (
        "LLVM's code generator for GPUs has no parallel loops: that of the host makes threads"
    ),
    "but pipeline annotation is": (
        "a software_pipeline annotation is for as many statements as the loop has"
    ),
    "Cannot insert syncs inside condition": (
        "ThreadSync supports no barrier in a branch that only some threads may take"
    ),
    "Unknown device id in current IR": (
        "only an entry function has a device to allocate on (apache/tvm#16727 tests that error)"
    ),
    "with offset into one without offset": (
        "a match_buffer without offset_factor is of a buffer that begins where its memory does"
    ),
    "value_dtype.bits() >= 8": "LLVM's code generator stores no elements of less than a byte",
    # Such as synchronisation on a processor, which asynchronous stages of a pipeline ask for.
    "not implemented": "the code generator does not support this statement",
    "Failed to vectorize loop with extent": "the number of lanes must be a constant",
    "Cannot unroll non-constant loop": "the extent of an unrolled loop must be a constant",
    "VectorizeLoop before LiftStorageAlloc": "a vectorized loop inside another one stays a loop",
    "Cannot vectorize ShuffleNode": "VectorizeLoop does not support vectors in vectorized loops",
    "Do not have a default for tirx.": "the code generator does not support this statement",
    "only allows vector with lanes in {2, 3, 4}": "WGSL has no wider vectors",
    "nly support an even number of lanes for half type": "CUDA has no such vectors",
    "only support even lane for": "CUDA has no such vectors",
    "Cannot convert type": "the code generator has no type for this dtype",
    "Cannot find intrinsic declaration, possible type mismatch": (
        "the code generator has no lowering of this intrinsic for this dtype"
    ),
    "unknown intrinsic": "the code generator has no lowering of this intrinsic for this dtype",
    "Unknown intrinsic": "the code generator has no lowering of this intrinsic for this dtype",
    "Unresolved call": "the code generator has no lowering of this intrinsic for this dtype",
}

# Checks that fail on the arithmetic of a program: a finding where the interpreter says that the
# program has a meaning, as one that never reaches the operation.
UNDEFINED_ARITHMETIC = re.compile(
    r"Divi(?:de|sion) by zero"
    r"|Check failed: \(?pb->value >= 0 && pb->value < (result_ty|rtype)\.bits\(\)"
)

# Diagnostics of TVM's verifier about modules that its own passes create on purpose.
TOLERATED_FORMS: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"undefined variable \S+ at \S+\.node\.$"),
        "a lowered loop pragma names the loop's variable, as a label, around the loop",
    ),
    (
        re.compile(r"multiple definitions of variable"),
        "passes share and duplicate definitions, which ConvertSSA renames where it matters",
    ),
)


def known_refusal(message: str) -> str | None:
    """Why TVM may reject a program with this message, or None if it is not a known error."""
    for part, reason in KNOWN_REFUSALS.items():
        if part in message:
            return reason
    return None


def tolerated_form(diagnostic: str) -> str | None:
    """Why a pass may return a module with this diagnostic, or None if it may not."""
    for pattern, reason in TOLERATED_FORMS:
        if pattern.search(diagnostic):
            return reason
    return None
