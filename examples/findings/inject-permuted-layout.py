"""A finding in TVM 0.27.0.post1; needs tvm and numpy.

Exit status: 1 the bug shows, 0 it does not, 2 this TVM can't express the case.
"""

# rejected-valid: Cannot treat type `ir.IntImm` as type `ir.Call`
# Signature: rejected-valid|TypeError|s_tir.InjectPermutedLayout|Cannot treat type _ as type _
# The pass order is legal.
# Expected: a valid program compiles by a legal pass order.


import sys

try:
    import numpy as np
    import tvm
    import tvm_ffi
    from tvm import s_tir, tirx
except ImportError as error:
    print(f"this script needs apache-tvm and numpy: {error}")
    sys.exit(2)


def said(error):
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    if lines[0].startswith("Traceback"):
        lines = lines[-1:]
    return " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]


SHOULD = 'a valid program compiles by a legal pass order.'
TARGET = {'kind': 'llvm'}
OPT_LEVEL = 2
CULPRIT = 's_tir.InjectPermutedLayout'
RUNS = False


def moved(name):
    """What TVM has in one place or another, depending on the release."""
    return next(getattr(place, name) for place in (tirx, s_tir, tvm.ir) if hasattr(place, name))


def operator(name, *args, ty=None, ty_args=()):
    """The call of a built-in operator, or the node that it is in this release."""
    node = {"bitwise_and": "BitwiseAnd", "bitwise_or": "BitwiseOr", "bitwise_xor": "BitwiseXor",
            "bitwise_not": "BitwiseNot", "shift_left": "LShift", "shift_right": "RShift"}.get(name)
    if node and hasattr(tirx, node):
        return getattr(tirx, node)(*args)
    op = next(f"{d}.{name}" for d in ("prim", "tirx") if f"{d}.{name}" in OPERATORS)
    return tvm.ir.Call(op, args, ret_ty=ty, ty_args=list(ty_args))


def i32(value):
    return tirx.IntImm("int32", value)


OPERATORS = {str(name) for name in tvm.ir.Op.list_op_names()}
Var, GlobalVar, Call, DictAttrs = tvm.ir.Var, tvm.ir.GlobalVar, tvm.ir.Call, tvm.ir.DictAttrs
Type, PrimType, PointerType = tvm.ir.Type, tvm.ir.PrimType, tvm.ir.PointerType
TupleType, span = tvm.ir.TupleType, tvm.ir.Range.from_min_extent
SBlock, SBlockRealize = moved("SBlock"), moved("SBlockRealize")
MatchBufferRegion, StringImm = moved("MatchBufferRegion"), moved("StringImm")


def load():
    f_main = GlobalVar('main')
    A = tirx.decl_buffer([i32(1)], 'int32', 'A')
    main = tirx.PrimFunc(
        [A],
        tirx.BufferStore(
            A,
            operator('if_then_else', tirx.IntImm('bool', 1), i32(0), i32(0), ty=PrimType('int32')),
            [i32(0)],
        ),
        TupleType([]),
        DictAttrs({'global_symbol': 'main', 's_tir': True}),
    )
    return tvm.IRModule({f_main: main})


def passes():
    """Every pass in its order, as (name, pass)."""
    target = tvm.target.Target(TARGET)
    bound = target.with_host(target)
    return [
        ('s_tir.InjectPermutedLayout', s_tir.transform.InjectPermutedLayout()),  # <- here
    ]


def lower(module, sequence, after=lambda name, module: None):
    with tvm.transform.PassContext(opt_level=OPT_LEVEL):
        for name, apply in sequence:
            module = apply(module)
            after(name, module)
    return module


def build(sequence):
    return lower(load(), sequence)


def check():
    try:
        module = build(passes())
        if RUNS:
            run(module)
    except FileNotFoundError:  # there is no C compiler
        raise
    except Exception as error:
        return f"{type(error).__name__}: {said(error)}"
    return None


def expressible():
    """Whether this TVM knows every node and pass of the case."""
    try:
        load()
        passes()
    except Exception as error:
        print(f"TVM {tvm.__version__} can't express this case: {said(error)}")
        return False
    return True


def main():
    if not expressible():
        return 2
    if sys.argv[1:]:  # no more was asked
        return 0
    try:
        came = check()
    except Exception as error:
        print("this TVM fails in another way:", said(error))
        return 2
    print("expected:", SHOULD)
    print("came:    ", came or "just that; the bug does not show")
    return 1 if came else 0


if __name__ == "__main__":
    sys.exit(main())
