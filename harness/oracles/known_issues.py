"""Known issues: failures of TVM that its maintainers know or intend, or that we have described.

A finding that matches is counted, but shown after those that don't. An entry says by which
signatures it shows (a regular expression, searched for in the signature), where it is written down,
in which releases it shows, and in one line what it is. A silent finding has in its signature the
ingredients (`harness/ir/ingredients.py`) by which its culprit is known to fail; without them it is
another one. Only what was checked stands here: tests/harness/oracles has a real verdict for each
entry.

Reads signatures only: loads no TVM.
"""

from __future__ import annotations

import re
from functools import lru_cache

from harness.oracles.issue import BOTH, DESCRIBED, KnownIssue
from harness.oracles.known_code import OF_CODE
from harness.oracles.known_primitives import PRIMITIVES
from harness.verdict import Kind

__all__ = ["BOTH", "DESCRIBED", "KNOWN_ISSUES", "KnownIssue", "known_issue"]

# What a block declares and what its init uses is not the analyzer's.
OF_VALUES = r"^(wrong-result|out-of-bounds)\|[^|]*\|(?!undeclared-access|reduction-in-init)[^|]*\|"
FAILURES = (Kind.WRONG_RESULT, Kind.OUT_OF_BOUNDS, Kind.ILL_FORMED_IR, Kind.INTERNAL_ERROR)
_OF_PASSES: tuple[KnownIssue, ...] = (
    KnownIssue(
        "float-division-by-zero",
        "apache/tvm#13348",
        "folding a float's division by zero fails on purpose",
        (Kind.INTERNAL_ERROR, Kind.ROUND_TRIP),
        r"fb->value != # .*Divide by zero",
        ingredient="float-division-by-zero",
    ),
    KnownIssue(
        "integer-division-by-zero",
        DESCRIBED,
        "a division by a constant zero fails on purpose, also where it is never reached",
        (Kind.INTERNAL_ERROR, Kind.ROUND_TRIP),
        r"Check failed: (pb->value != # .*Divide by zero|\(!divisor\.is_const\(#\)\) is false)",
    ),
    KnownIssue(
        "wide-float",
        DESCRIBED,
        "folding the conversion of a float that the narrower dtype can't hold fails",
        (Kind.INTERNAL_ERROR,),
        r"\|src/ir/expr\.cc\|Check failed: value (>=|<=) (std::numeric_limits<float>|support::#)",
    ),
    KnownIssue(
        "definition-out-of-scope",
        DESCRIBED,
        "CommonSubexprElim defines a variable in a Let, and uses it outside",
        (Kind.ILL_FORMED_IR,),
        r"\|tirx\.CommonSubexprElim\|ValueError: Invalid use of undefined variable",
    ),
    KnownIssue(
        "jump-in-unrolled-loop",
        "tile-ai/tilelang#3026",
        "UnrollLoop unrolls loops that break or continue",
        (Kind.INTERNAL_ERROR,),
        r"codegen_llvm\.cc\|Check failed: \(!loop_frame_jump_tgts_\.empty\(\)\)",
    ),
    KnownIssue(
        "bfloat16-cast-in-value",
        "tile-ai/tvm#70",
        "BF16ComputeLegalize leaves conversions to bfloat16 in the value of a let",
        (Kind.INTERNAL_ERROR,),
        r"codegen_llvm\.cc\|Check failed: \(!(to|from)\.MatchesElementType\(.*kDLBfloat",
    ),
    KnownIssue(
        "vectors-of-narrow-floats",
        DESCRIBED,
        "BF16StorageLegalize and FP8StorageLegalize store vectors whose types don't match",
        (Kind.REJECTED_VALID, Kind.INTERNAL_ERROR),
        r"\|TypeError\|src/tirx/ir/stmt\.cc\|dtype mismatch on BufferStore: buffer_s dtype is",
    ),
    KnownIssue(
        "wrapped-divisor",
        DESCRIBED,
        "the analyzer multiplies divisors with overflow, to zero, and divides by that",
        (Kind.REJECTED_VALID, Kind.INTERNAL_ERROR),
        r"^(rejected-valid|internal-error)\|\w+\|[^|]*\|Division by zero$",
    ),
    KnownIssue(
        "negative-unsigned-difference",
        "apache/tvm#10484",
        "folding an unsigned comparison checks for a negative difference",
        (Kind.INTERNAL_ERROR,),
        r"\|src/\S*const_fold\.h\|Check failed: \(!\(\(pa && pa->ty\S* ?\S*MatchesCode\(DLD",
        ingredient="comparison-of-unsigned-constants",
    ),
    KnownIssue(
        "literal-out-of-range",
        "tile-ai/tilelang#3002",
        "the simplifier makes literals that the dtype can't hold (also tile-ai/tilelang#3027)",
        (Kind.INTERNAL_ERROR,),
        r"\|src/ir/expr\.cc\|Check failed: (\(small\.has_value\(\)"
        r"|value < # << \(bits - #\)|value >= -\(# << \(bits - #\)\))",
        ingredient="extreme-constant",
    ),
    KnownIssue(
        "cast-to-bool",
        DESCRIBED,
        "folding Cast(bool, n) makes a bool literal of n",
        (Kind.INTERNAL_ERROR,),
        r"\|src/ir/expr\.cc\|Check failed: \(value == # \|\| value == #\) is false",
        ingredient="cast-to-bool",
    ),
    KnownIssue(
        "let-bound-twice",
        DESCRIBED,
        "the analyzer binds the variable of a let of constants twice, folded and not folded",
        (Kind.INTERNAL_ERROR,),
        r"\|src/(arith|sym)/transitive_comparison_analyzer\.cc\|Check failed: \(allow_override\)",
        ingredient="constant-let",
    ),
    KnownIssue(
        "comparison-of-bools",
        DESCRIBED,
        "LLVM's code generator compares bools as floats",
        (Kind.INTERNAL_ERROR,),
        r"\|src/target/llvm/codegen_llvm\.cc\|.*Invalid operand types for FCmp instruction",
        ingredient="comparison-of-bools",
    ),
    KnownIssue(
        "arithmetic-of-bools",
        "apache/tvm#20399",
        "LLVM's code generator has no product and no extremes of bools (there: no quotient)",
        (Kind.INTERNAL_ERROR,),
        r"\|src/target/llvm/codegen_llvm\.cc\|Check failed: \(\w+\."
        r"(MatchesCode\(DLDataTypeCode::kDLFloat\)|is_float\(\))\) is false",
        ingredient="arithmetic-of-bools",
    ),
    KnownIssue(
        "assertion-in-function",
        DESCRIBED,
        "an assertion in a called function returns -1, where there is no result",
        (Kind.INTERNAL_ERROR,),
        r"\|src/target/llvm/codegen_llvm\.cc\|.*Found return instr that returns non-void in "
        r"Function of void return type",
    ),
    KnownIssue(
        "vectors-to-float8",
        DESCRIBED,
        "the conversion of vectors to 8-bit floats tests their lanes by if_then_else",
        (Kind.INTERNAL_ERROR,),
        r"\|src/target/llvm/codegen_llvm\.cc\|Check failed: .*if_then_else can only take scalar",
    ),
    KnownIssue(
        "float8-binding",
        DESCRIBED,
        "FP8ComputeLegalize converts what a variable of 8 bits is bound to, and not the variable",
        (Kind.INTERNAL_ERROR,),
        r"\|src/tirx/ir/stmt\.cc\|Check failed: \(ffi::StructuralEqual\(\)\(value->ty, var->ty\)\)",
    ),
    KnownIssue(
        "int4-round-trip",
        DESCRIBED,
        "literals of 4 bits are printed as T.int4, which the parser doesn't have",
        (Kind.ROUND_TRIP,),
        r"its TVMScript does not parse: error: module _ has no attribute _\|u?int4$",
    ),
    KnownIssue(
        "comparison-of-bool-constants",
        DESCRIBED,
        "as comparison-of-bools, of constants: LLVM's folder crashes",
        (Kind.CRASH,),
        r"\|SIGSEGV\|build\|libtvm_compiler\.so\+0x(89931f0|8d6c670)$",
        ingredient="comparison-of-bools",
    ),
    KnownIssue(
        "bfloat16-constant",
        DESCRIBED,
        "LLVM's folder crashes on the conversion of a bfloat16 constant, which is an integer there",
        (Kind.CRASH,),
        r"\|SIGSEGV\|build\|libtvm_compiler\.so\+0x(88bcdd0|8c96250|8e0bd10)$",
        ingredient="bfloat16-constant",
    ),
    KnownIssue(
        "allocation-in-while",
        DESCRIBED,
        "LowerTVMBuiltin frees a buffer of a while loop's body after the loop",
        (Kind.INTERNAL_ERROR,),
        r"\|src/target/llvm/codegen_llvm\.cc\|.*Instruction does not dominate all uses! "
        r"call ptr %#\(# #, # %dev_id, # #, # #, # #\)",
        ingredient="allocation-in-while",
    ),
    KnownIssue(
        "shift-amount-not-narrowed",
        DESCRIBED,
        "NarrowDataType narrows a 64-bit shift, but not its amount (like apache/tvm#20129)",
        (Kind.INTERNAL_ERROR,),
        r"Check failed: \(pb->value >= # && pb->value < (result_ty|rtype)\.bits\(\)\)",
    ),
    KnownIssue(
        "double-buffer-of-compacted",
        "apache/tvm#20418",
        "CompactBufferAllocation leaves double_buffer_scope at the buffer that it replaces",
        (Kind.INTERNAL_ERROR,),
        r"\|src/s_tir/transform/inject_double_buffer\.cc\|Check failed: \(stride\.defined\(\)\)",
    ),
    KnownIssue(
        "narrowing-with-blocks",
        DESCRIBED,
        "NarrowDataType dereferences a null pointer in a module with blocks",
        (Kind.CRASH,),
        r"\|SIGSEGV\|tirx\.NarrowDataType\|src/tirx/transform/narrow_datatype\.cc\+",
        ("0.27",),
    ),
    KnownIssue(
        "vectorized-definition",
        DESCRIBED,
        "VectorizeLoop loses the definition of a variable that the loop's body binds",
        (Kind.ILL_FORMED_IR,),
        r"\|tirx\.VectorizeLoop\|ValueError: Invalid use of undefined variable",
        ingredient="definition-in-vector-loop",
    ),
    KnownIssue(
        "nested-bounds",
        DESCRIBED,
        "CanonicalizeLoop does not replace the loop's variable in the bounds of loops inside it",
        (Kind.WRONG_RESULT, Kind.OUT_OF_BOUNDS),
        r"^(wrong-result|out-of-bounds)\|s_tir\.CanonicalizeLoop\|\S*\|nested-bounds$",
        ingredient="nested-bounds",
    ),
    KnownIssue(
        "repeated-store",
        "apache/tvm#759",
        "StorageRewrite takes it that each element is written once; a warning in its source",
        (Kind.WRONG_RESULT,),
        r"^wrong-result\|tirx\.StorageRewrite\|\S*\|repeated-store$",
        ingredient="repeated-store",
    ),
    KnownIssue(
        "allocation-in-vector-loop",
        DESCRIBED,
        "VectorizeLoop does not expand a buffer that is allocated inside the loop",
        (Kind.WRONG_RESULT,),
        r"^wrong-result\|tirx\.VectorizeLoop\|\S*\|definition-in-vector-loop$",
        ingredient="definition-in-vector-loop",
    ),
    KnownIssue(
        "bfloat16-let",
        "tile-ai/tvm#70",
        "BF16ComputeLegalize leaves conversions inside the value of a let",
        (Kind.WRONG_RESULT,),
        r"^wrong-result\|(tirx\.BF16\w+|code generation)\|\S*\|bfloat16-let\b",
        ingredient="bfloat16-let",
    ),
    KnownIssue(
        "sub-word-promotion",
        "tile-ai/tilelang#2961",
        "the C code generator leaves integers of less than 32 bits promoted to int",
        (Kind.WRONG_RESULT,),
        r"^wrong-result\|code generation\|\S*\|(\S*\|)?sub-word-promotion$",
        ingredient="sub-word-promotion",
    ),
    KnownIssue(
        "shifted-modulus",
        "apache/tvm#20169",
        "the analyzer drops the wrap of x % n in (x % n + c) // d (also apache/tvm#20181)",
        (Kind.WRONG_RESULT, Kind.OUT_OF_BOUNDS),
        rf"{OF_VALUES}(\S*\|)?shifted-modulus$",
        ingredient="shifted-modulus",
    ),
    KnownIssue(
        "reversed-modulus",
        DESCRIBED,
        "the analyzer drops c of (c - x) % n in an index of several dimensions",
        (Kind.WRONG_RESULT, Kind.OUT_OF_BOUNDS),
        rf"{OF_VALUES}(\S*\|)?reversed-modulus$",
        ingredient="reversed-modulus",
    ),
    KnownIssue(
        "infinity-to-bool",
        DESCRIBED,
        "folding the conversion of infinity to bool makes an integer of it",
        (Kind.REJECTED_VALID,),
        r"^rejected-valid\|RuntimeError\|\S+\|Cannot convert infinity to BigInt$",
        ("0.27",),
    ),
    KnownIssue(
        "alignment-of-unread",
        DESCRIBED,
        "CompactBufferAllocation aligns a buffer that is never read, which it has no region of",
        (Kind.REJECTED_VALID,),
        r"^rejected-valid\|IndexError\|s_tir\.CompactBufferAllocation\|Index # out of bounds #$",
    ),
)

_CRASHES = tuple(
    KnownIssue(
        f"{primitive}-of-null",
        DESCRIBED,
        f"{primitive} dereferences null: {why}",
        (Kind.CRASH,),
        rf"\|SIGSEGV\|{primitive}\|src/s_tir/schedule/primitive/{file}\.cc\+",
    )
    for primitive, file, why in (
        ("loop_partition", "loop_transformation", "a loop over several statements"),
        ("merge", "loop_transformation", "a loop merged with itself"),
        ("reindex", "cache_read_write", "a block without loops"),
        ("reindex_cache_write", "cache_read_write", "a block without loops"),
        (
            "reverse_compute_inline",
            "compute_inline",
            "a producer marked as a copy that has no loop",
        ),
    )
)
_OF_SCHEDULES: tuple[KnownIssue, ...] = (
    KnownIssue(
        "cache_index-of-few",
        DESCRIBED,
        "cache_index makes a sequence of no statement, or of one",
        (Kind.INTERNAL_ERROR,),
        r"\|src/tirx/ir/stmt\.cc\|Check failed: .*A(n empty)? SeqStmt .*prohibited"
        r".*\|cache_index:\S+$",
    ),
    KnownIssue(
        "wide-extents-of-blockize",
        DESCRIBED,
        "blockize makes variables of int64 for extents of int32",
        (Kind.INTERNAL_ERROR,),
        r"\|src/tirx/ir/iter_var\.cc\|Check failed: \(extent_ty == var_ty\)",
    ),
    KnownIssue(
        "rfactor-beside-blocks",
        DESCRIBED,
        "rfactor takes every block without loops of its scope for its own",
        (Kind.INTERNAL_ERROR,),
        r"/primitive/reduction\.cc\|Check failed: block_realize == old_block_realize_\.get\(\)",
    ),
    KnownIssue(
        "tensorize-of-unlike",
        DESCRIBED,
        "that a block has no such buffer is a failed check of tensorize",
        (Kind.INTERNAL_ERROR,),
        r"blockize_tensorize\.cc\|Check failed: \(comparator\.rhs_buffer_map_\.count\(desc\)\)",
    ),
    KnownIssue(
        "block-in-init",
        "apache/tvm#16889",
        "blockize leaves a block in the init of a block, where no primitive finds it",
        (Kind.INTERNAL_ERROR,),
        r"\|src/s_tir/schedule/\S+\.cc\|Check failed: \(it != self_->#\.end\(\)\) is false$",
    ),
    KnownIssue(
        "blockize_blocks-extents",
        DESCRIBED,
        "that several blocks share their outer loops is a failed check of blockize",
        (Kind.INTERNAL_ERROR,),
        r"/blockize_tensorize\.cc\|Check failed: \(ana->CanProveEqual\(outer_[^|]*$",
    ),
    KnownIssue(
        "auto-copy-of-computed",
        DESCRIBED,
        "LowerAutoCopy fails on a copy into which its producer or its consumer was moved",
        (Kind.INTERNAL_ERROR,),
        r"/memhammer_lower_auto_copy\.cc\|Check failed: "
        r"(\(found\) is false|block->reads\.size\(\) >= #)",
    ),
    KnownIssue(
        "compacted-extent",
        DESCRIBED,
        "CompactBufferAllocation leaves loop variables in the extent of an outer allocation",
        (Kind.ILL_FORMED_IR,),
        r"^ill-formed-ir\|s_tir\.CompactBufferAllocation\|ValueError: Invalid use of undefined var",
    ),
)
# How a finding begins that has only one form under its condition.
_FORMS = {"cache_index:one-variable": r"^wrong-result\|cache_index\|undeclared-access\|"}
KNOWN_ISSUES: tuple[KnownIssue, ...] = (
    *_OF_PASSES,
    *OF_CODE,
    *_CRASHES,
    *_OF_SCHEDULES,
    *(
        KnownIssue(
            name.removeprefix(":"),
            number or DESCRIBED,
            f"{name.partition(':')[0] or 'a primitive'}: {why}",
            FAILURES,
            _FORMS.get(name, "" if name[0] == ":" else r"(?<![a-z_])") + rf"{name}$",
        )
        for name, why, number in PRIMITIVES
    ),
)


@lru_cache(4096)
def known_issue(kind: str, signature: str) -> KnownIssue | None:
    """The known issue that a finding of this kind and signature is one of, or None."""
    for issue in KNOWN_ISSUES:
        if kind in issue.kinds and re.search(issue.signature, signature):
            return issue
    return None
