"""Known issues of what TVM writes: code for a compiler or validator, and TVMScript for its parser.

Loads no TVM.
"""

from __future__ import annotations

from harness.oracles.issue import DESCRIBED, KnownIssue
from harness.verdict import Kind

OF_CODE: tuple[KnownIssue, ...] = (
    KnownIssue(
        "lanes-of-condition",
        DESCRIBED,
        "WGSL's code generator makes a scalar of the vector that a condition is cast to",
        (Kind.INTERNAL_ERROR,),
        r"\|src/(ir/prim|tirx/ir)/expr\.cc\|Check failed: value_ty->dtype\.lanes == "
        r"value_expr_ty->dtype\.lanes",
    ),
    KnownIssue(
        "infinity-in-wgsl",
        DESCRIBED,
        "WGSL's code generator prints infinity as inff and NaN as nanf",
        (Kind.INVALID_CODEGEN,),
        r"(no definition in scope for identifier: `|unresolved value ')(inff|nanf)\W$",
    ),
    KnownIssue(
        "functions-in-wgsl",
        DESCRIBED,
        "WGSL's code generator calls functions that only C has",
        (Kind.INVALID_CODEGEN,),
        r"(no definition in scope for identifier: `|unresolved \S+ ')"
        r"(log1pf|log10f|atanhf|fmodf|copysignf)\W$",
    ),
    KnownIssue(
        "vectors-in-c",
        "apache/tvm#860",
        "the C code generator's vectors are those of OpenCL and CUDA, not of C for the host",
        (Kind.INVALID_CODEGEN,),
        r"^invalid-codegen\|CompilerRejected\|.*error: (unknown type name ‘#’|‘#’ undeclared"
        r"|request for member ‘#’)",
    ),
    KnownIssue(
        "infinity-in-c",
        DESCRIBED,
        "the C code generator prints infinity as inf and inff, and NaN as nan",
        (Kind.INVALID_CODEGEN,),
        r"^invalid-codegen\|CompilerRejected\|.*error: (‘inff?’ undeclared"
        r"|incompatible type for argument|.*\(\*\)\(const char \*\)’)",
    ),
    KnownIssue(
        "eight-lanes-in-cuda",
        DESCRIBED,
        "a constant in eight lanes of 32 bits is a make_ulonglong4 with eight arguments",
        (Kind.INVALID_CODEGEN,),
        r"^invalid-codegen\|CompilerRejected\|.*\|NVRTC: .*error: too many arguments in function",
    ),
    KnownIssue(
        "select-in-opencl",
        DESCRIBED,
        "of a select of 8 or 16 bits C promotes a branch, and not the condition",
        (Kind.INVALID_CODEGEN,),
        r"^invalid-codegen\|CompilerRejected\|.*\|clang: error: call to select is ambiguous$",
    ),
    KnownIssue(
        "packed-bytes-in-opencl",
        "mlc-ai/mlc-llm#2345",
        "four bytes are packed into an int, as for CUDA, where OpenCL converts a vector",
        (Kind.INVALID_CODEGEN,),
        r"^invalid-codegen\|CompilerRejected\|.*\|clang: error: call to convert_\S+ is ambiguous$",
    ),
    KnownIssue(
        "bool-in-opencl",
        DESCRIBED,
        "a scalar parameter of bool is one of the kernel's, which OpenCL does not allow",
        (Kind.INVALID_CODEGEN,),
        r"\|clang: error: _ cannot be used as the type of a kernel parameter$",
    ),
    KnownIssue(
        "one-element-round-trip",
        DESCRIBED,
        "a buffer of one element is printed as a bare name, which max and if_then_else don't take",
        (Kind.ROUND_TRIP,),
        r"its TVMScript does not parse: error: (_ object has no attribute _"
        r"|Cannot convert from type _ to _|Mismatched type on argument ## when calling: _"
        r"|Expected a primitive-valued expression, but result type is metadata"
        r"|unsupported operand type\(s\) for \S+: _ and _"
        r"|_ not supported between instances of _ and _|Operand should be a Expr"
        r"|Operator overloading is not supported for expression type)",
    ),
    KnownIssue(
        "view-without-dimensions-round-trip",
        DESCRIBED,
        "the view of a buffer without dimensions is printed as a call that the parser fails on",
        (Kind.ROUND_TRIP,),
        r"its TVMScript does not parse: error: reduce\(\) of empty iterable with no initial value",
    ),
    KnownIssue(
        "wide-float-round-trip",
        DESCRIBED,
        "parsing folds the conversion of a wide float64 constant to float32, which fails",
        (Kind.ROUND_TRIP,),
        r"its TVMScript does not parse: error: Check failed: value (>=|<=) "
        r"std::numeric_limits<float>",
    ),
    KnownIssue(
        "prefetch-round-trip",
        DESCRIBED,
        "prefetch is printed as T.prefetch, which the parser doesn't have",
        (Kind.ROUND_TRIP,),
        r"its TVMScript does not parse: error: module _ has no attribute _\|prefetch$",
    ),
)
