"""Each known issue is known by a real verdict of it, and nothing else is."""

from __future__ import annotations

import pytest

from harness import compat
from harness.ir import ingredients
from harness.oracles.known_issues import DESCRIBED, KNOWN_ISSUES, known_issue
from harness.oracles.known_primitives import PRIMITIVES
from harness.oracles.verify import verify
from harness.verdict import Kind
from tests.harness.oracles.known_programs import PROGRAMS, case_of

CODEGEN = "invalid-codegen|CompilerRejected|code generation|line #:#: error: "
CRASH, PRIMITIVE = "crash|SIGSEGV|", "src/s_tir/schedule/primitive/"
SOURCE = "invalid-codegen|CompilerRejected|code generation|"
WGSL = "invalid-codegen|code generation|"
UNPARSED = "round-trip||its TVMScript does not parse: error: "
# Signatures of campaigns on 0.26 and 0.27 whose programs crash, need another target, or are random.
RECORDED: tuple[tuple[str, str], ...] = (
    ("shifted-modulus", "out-of-bounds|tirx.FlattenBuffer|out-of-range|shifted-modulus"),
    (
        "let-bound-twice",
        "internal-error|InternalError|src/arith/transitive_comparison_analyzer.cc|"
        "Check failed: (allow_override) is false",
    ),
    (
        "let-bound-twice",
        "internal-error|InternalError|src/sym/transitive_comparison_analyzer.cc|"
        "Check failed: (allow_override) is false",
    ),
    ("comparison-of-bool-constants", "crash|SIGSEGV|build|libtvm_compiler.so+0x89931f0"),
    ("comparison-of-bool-constants", "crash|SIGSEGV|build|libtvm_compiler.so+0x8d6c670"),
    ("bfloat16-constant", "crash|SIGSEGV|build|libtvm_compiler.so+0x88bcdd0"),
    ("bfloat16-constant", "crash|SIGSEGV|build|libtvm_compiler.so+0x8c96250"),
    (
        "narrowing-with-blocks",
        "crash|SIGSEGV|tirx.NarrowDataType|src/tirx/transform/narrow_datatype.cc+0x3c9b0c0",
    ),
    (
        "vectorized-definition",
        "ill-formed-ir|tirx.VectorizeLoop|ValueError: Invalid use of undefined variable x at _",
    ),
    (
        "shift-amount-not-narrowed",
        "internal-error|InternalError|src/ir/prim/op.cc|"
        "Check failed: (pb->value >= # && pb->value < result_ty.bits()) is false",
    ),
    (
        "loop_partition-of-null",
        "crash|SIGSEGV|loop_partition|src/s_tir/schedule/primitive/loop_transformation.cc+0xae10f4",
    ),
    (
        "merge-of-null",
        "crash|SIGSEGV|merge|src/s_tir/schedule/primitive/loop_transformation.cc+0x2a2e9c0",
    ),
    ("reindex-of-null", f"{CRASH}reindex|{PRIMITIVE}cache_read_write.cc+0x2aab360"),
    (
        "reindex_cache_write-of-null",
        f"{CRASH}reindex_cache_write|{PRIMITIVE}cache_read_write.cc+0x2aea650",
    ),
    (
        "reverse_compute_inline-of-null",
        f"{CRASH}reverse_compute_inline|{PRIMITIVE}compute_inline.cc+0x2b9e0c0",
    ),
    ("wrapped-divisor", "rejected-valid|RuntimeError|tirx.FlattenBuffer|Division by zero"),
    ("vectors-in-c", f"{CODEGEN}unknown type name ‘#’; did you mean ‘#’?"),
    (
        "vectors-in-c",
        f"{CODEGEN}‘#’ undeclared (first use in this function); did you mean ‘float’?",
    ),
    ("vectors-in-c", f"{CODEGEN}request for member ‘#’ in something not a structure or union"),
    (
        "infinity-in-c",
        f"{CODEGEN}invalid operands to binary * (have ‘float’ and "
        "‘__attribute__((const)) float (*)(const char *)’)",
    ),
    ("infinity-in-c", f"{CODEGEN}‘inff’ undeclared (first use in this function)"),
    ("infinity-in-c", f"{CODEGEN}incompatible type for argument # of ‘powf’"),
    ("one-element-round-trip", f"{UNPARSED}_ object has no attribute _"),
    ("one-element-round-trip", f"{UNPARSED}Cannot convert from type _ to _"),
    (
        "one-element-round-trip",
        f"{UNPARSED}Mismatched type on argument ## when calling: _. Expected _ but got _",
    ),
    (
        "one-element-round-trip",
        f"{UNPARSED}Expected a primitive-valued expression, but result type is metadata[_][#]",
    ),
    (
        "eight-lanes-in-cuda",
        f"{SOURCE}NVRTC: kernel.cu(#): error: too many arguments in function call",
    ),
    ("select-in-opencl", f"{SOURCE}clang: error: call to select is ambiguous"),
    ("packed-bytes-in-opencl", f"{SOURCE}clang: error: call to convert_float# is ambiguous"),
    (
        "cache_index-of-few",
        "internal-error|InternalError|src/tirx/ir/stmt.cc|Check failed: seq.size() != # (# vs. #) "
        ": A SeqStmt of length # is prohibited. Use the node for # in range(#):"
        "|cache_index:one-variable",
    ),
    (
        "cache_index-of-few",
        "internal-error|InternalError|src/tirx/ir/stmt.cc|Check failed: seq.size() != # (# vs. #) "
        ": An empty SeqStmt is prohibited. To write a no-op, use Evaluate(#), or the result of "
        "SeqStmt::Flatten()|cache_index:several-variables",
    ),
    (
        "block-in-init",
        "internal-error|InternalError|src/s_tir/schedule/primitive/get_block_loop.cc|"
        "Check failed: (it != self_->#.end()) is false",
    ),
    (
        "infinity-to-bool",
        "rejected-valid|RuntimeError|s_tir.StmtSimplify|Cannot convert infinity to BigInt",
    ),
    (
        "blockize_blocks-extents",
        f"internal-error|InternalError|{PRIMITIVE}blockize_tensorize.cc|Check failed: "
        "(ana->CanProveEqual(outer_iter->dom->extent, outer_mark->extent)) is false",
    ),
    (
        "auto-copy-of-computed",
        "internal-error|InternalError|src/s_tir/transform/memhammer_lower_auto_copy.cc|"
        "Check failed: (found) is false",
    ),
    (
        "compacted-extent",
        "ill-formed-ir|s_tir.CompactBufferAllocation|"
        "ValueError: Invalid use of undefined variable # at _",
    ),
    ("prefetch-round-trip", f"{UNPARSED}module _ has no attribute _|prefetch"),
    ("infinity-in-wgsl", f"{WGSL}no definition in scope for identifier: `inff`"),
    ("infinity-in-wgsl", f"{WGSL}#:#: unresolved value 'inff'"),
    ("infinity-in-wgsl", f"{WGSL}no definition in scope for identifier: `nanf`"),
    ("functions-in-wgsl", f"{WGSL}no definition in scope for identifier: `atanhf`"),
    (
        "lanes-of-condition",
        "internal-error|InternalError|src/ir/prim/expr.cc|Check failed: value_ty->dtype.lanes == "
        "value_expr_ty->dtype.lanes (# vs. #) :",
    ),
    (
        "lanes-of-condition",
        "internal-error|InternalError|src/tirx/ir/expr.cc|Check failed: value_ty->dtype.lanes == "
        "value_expr_ty->dtype.lanes (# vs. #) :",
    ),
    (
        "one-element-round-trip",
        f"{UNPARSED}unsupported operand type(s) for +: _ and _",
    ),
    (
        "one-element-round-trip",
        f"{UNPARSED}Operand should be a Expr.",
    ),
    (
        "one-element-round-trip",
        f"{UNPARSED}_ not supported between instances of _ and _",
    ),
    (
        "view-without-dimensions-round-trip",
        f"{UNPARSED}reduce() of empty iterable with no initial value",
    ),
    ("int4-round-trip", f"{UNPARSED}module _ has no attribute _|int4"),
    (
        "vectors-to-float8",
        "internal-error|InternalError|src/target/llvm/codegen_llvm.cc|"
        "Check failed: args[#].as_or_throw<PrimExpr>().ty().lanes() == # (# vs. #) : "
        "if_then_else can only take scalar condition",
    ),
    (
        "wide-float-round-trip",
        f"{UNPARSED}Check failed: value >= std::numeric_limits<float>::lowest() (#+# vs. #.#+#) "
        ": Literal value #+# exceeds minimum of #",
    ),
    (
        "float-division-by-zero",
        "round-trip||its TVMScript does not parse: Check failed: fb->value != #"
        " (# vs. #) : Divide by zero",
    ),
    (
        "integer-division-by-zero",
        "internal-error|InternalError|src/ir/prim/const_fold.h|Check failed: pb"
        "->value != # (# vs. #) : Divide by zero",
    ),
    (
        "integer-division-by-zero",
        "internal-error|InternalError|src/sym/const_int_bound.cc|Check failed: "
        "(!divisor.is_const(#)) is false",
    ),
    (
        "integer-division-by-zero",
        "round-trip||its TVMScript does not parse: Check failed: pb->value != #"
        " (# vs. #) : Divide by zero",
    ),
    (
        "wide-float",
        "internal-error|ValueError|src/ir/expr.cc|Check failed: value >= std::n"
        "umeric_limits<float>::lowest() (#+# vs. #.#+#) : Literal value #+# exc"
        "eeds minimum of #",
    ),
    (
        "wide-float",
        "internal-error|ValueError|src/ir/expr.cc|Check failed: value <= suppor"
        "t::# (#+# vs. #) : Literal value #+# exceeds maximum of #",
    ),
    (
        "definition-out-of-scope",
        "ill-formed-ir|tirx.CommonSubexprElim|ValueError: Invalid use of undefined variable # at _",
    ),
    (
        "jump-in-unrolled-loop",
        "internal-error|InternalError|src/target/llvm/codegen_llvm.cc|Check fai"
        "led: (!loop_frame_jump_tgts_.empty()) is false",
    ),
    (
        "bfloat16-cast-in-value",
        "internal-error|InternalError|src/target/llvm/codegen_llvm.cc|Check fai"
        "led: (!to.MatchesElementType(DLDataTypeCode::kDLBfloat, #)) is false",
    ),
    (
        "vectors-of-narrow-floats",
        "rejected-valid|TypeError|src/tirx/ir/stmt.cc|dtype mismatch on BufferS"
        "tore: buffer_s dtype is _",
    ),
    ("bfloat16-constant", "crash|SIGSEGV|build|libtvm_compiler.so+0x8e0bd10"),
    (
        "bool-in-opencl",
        "invalid-codegen|CompilerRejected|code generation|clang: error: _ canno"
        "t be used as the type of a kernel parameter",
    ),
    (
        "one-element-round-trip",
        "round-trip||its TVMScript does not parse: error: Operator overloading "
        "is not supported for expression type metadata[_][#]",
    ),
    (
        "wide-extents-of-blockize",
        "internal-error|InternalError|src/tirx/ir/iter_var.cc|Check failed: (ex"
        "tent_ty == var_ty) is false",
    ),
    (
        "rfactor-beside-blocks",
        "internal-error|InternalError|src/s_tir/schedule/primitive/reduction.cc"
        "|Check failed: block_realize == old_block_realize_.get() (# vs. #) :",
    ),
    (
        "tensorize-of-unlike",
        "internal-error|InternalError|src/s_tir/schedule/primitive/blockize_ten"
        "sorize.cc|Check failed: (comparator.rhs_buffer_map_.count(desc)) is fa"
        "lse",
    ),
)


@pytest.mark.parametrize(
    ("name", "script", "target", "seed"), PROGRAMS, ids=[name for name, *_ in PROGRAMS]
)
def test_a_program_of_a_known_issue_ends_at_it(
    name: str, script: str, target: str, seed: int
) -> None:
    if name == "infinity-to-bool" and compat.CHECKS_WIDTH_OF_EXTENTS:
        name = "cast-to-bool"  # 0.26 makes a literal of it
    verdict = verify(case_of(script, target, seed))
    issue = known_issue(verdict.kind, verdict.signature)
    assert issue is not None and issue.name == name, verdict


@pytest.mark.parametrize(("name", "signature"), RECORDED)
def test_a_recorded_signature_is_known(name: str, signature: str) -> None:
    issue = known_issue(signature.partition("|")[0], signature)
    assert issue is not None and issue.name == name


def test_every_known_issue_has_a_real_verdict() -> None:
    shown = {name for name, *_ in PROGRAMS} | {name for name, _ in RECORDED}
    shown |= {name.removeprefix(":") for name, *_ in PRIMITIVES}  # test_known_primitives.py
    assert shown == {issue.name for issue in KNOWN_ISSUES}


@pytest.mark.parametrize(
    "signature",
    [
        "wrong-result|tirx.StorageRewrite|float32",
        "wrong-result|s_tir.CanonicalizeLoop|int32",
        "wrong-result|tirx.FlattenBuffer|int32",
        "wrong-result|blockize|undeclared-access|reversed-modulus|shifted-modulus",
        "wrong-result|blockize|undeclared-access|reversed-modulus",
        "wrong-result|reindex|reduction-in-init|shifted-modulus",
        "crash|SIGSEGV|build|libtvm_compiler.so+0x1234",
        "crash|SIGSEGV|tirx.Simplify|src/tirx/transform/narrow_datatype.cc+0x3c9b0c0",
        "internal-error|InternalError|src/target/llvm/codegen_llvm.cc|LLVM module verification "
        "failed with the following errors: Instruction does not dominate all uses! add # #, #",
        "round-trip||its TVMScript parses to another program",
        f"{UNPARSED}module _ has no attribute _|int32x3",
        "internal-error|IndexError|dlight|list index out of range",
        "internal-error|InternalError|cache_index|another check|cache_index:one-variable",
        f"{SOURCE}clang: error: call to fmin is ambiguous",
    ],
)
def test_another_bug_of_the_same_place_is_not_known(signature: str) -> None:
    assert known_issue(signature.partition("|")[0], signature) is None


def test_a_signature_is_known_for_its_own_kind_only() -> None:
    for _, signature in RECORDED:
        assert known_issue(Kind.HANG, signature) is None


def test_the_table_says_where_each_issue_is_written_down() -> None:
    assert len({issue.name for issue in KNOWN_ISSUES}) == len(KNOWN_ISSUES)
    for issue in KNOWN_ISSUES:
        assert issue.reference == DESCRIBED or "#" in issue.reference
        assert issue.kinds and issue.releases and issue.why
        assert not issue.ingredient or issue.ingredient in ingredients.NAMES
