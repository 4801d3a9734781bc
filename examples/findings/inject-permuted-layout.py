"""A finding in TVM 0.27.0.post1; needs tvm and numpy.

Exit status: 1 the bug shows, 0 it does not, 2 this TVM can't express the case.
"""

# rejected-valid: Cannot treat type `ir.IntImm` as type `ir.Call`
# Signature: rejected-valid|TypeError|s_tir.InjectPermutedLayout|Cannot treat type _ as type _
# The pass order is legal.
# Expected: a valid program compiles by a legal pass order.


import base64
import contextlib
import os
import subprocess
import sys
import tempfile

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
        ('tirx.BindTarget', tirx.transform.BindTarget(bound)),
        ('tirx.AnnotateEntryFunc', tirx.transform.AnnotateEntryFunc()),
        ('tirx.SplitHostDevice', tirx.transform.SplitHostDevice()),
        ('tirx.MakePackedAPI', tirx.transform.MakePackedAPI()),
        ('tirx.LowerTVMBuiltin', tirx.transform.LowerTVMBuiltin()),
        ('tirx.LowerIntrin', tirx.transform.LowerIntrin()),
    ]


class Entries(dict):
    """Entries of the PassContext for all passes that follow."""

    def context(self):
        now = tvm.transform.PassContext.current().config.items()
        return tvm.transform.PassContext(opt_level=OPT_LEVEL, config={**dict(now), **self})


def configured(apply, config):
    """The pass, with entries of its own in the PassContext."""

    def run(module):
        with Entries(config).context():
            return apply(module)

    return run


def lower(module, sequence, after=lambda name, module: None):
    with contextlib.ExitStack() as contexts:
        contexts.enter_context(tvm.transform.PassContext(opt_level=OPT_LEVEL))
        for name, apply in sequence:
            if isinstance(apply, Entries):
                contexts.enter_context(apply.context())
                continue
            module = apply(module)
            after(name, module)
    return module


def build(sequence):
    lowered = lower(load(), sequence)
    return generate(lowered)


def generate(lowered):
    target = tvm.target.Target(TARGET)
    module = tvm.get_global_func("target.build." + TARGET["kind"])(lowered, target)
    if TARGET["kind"] == "c":
        module = compiled_by_system(module)
    return module


def compiled_by_system(module):
    import tvm_ffi.libinfo

    folder = tempfile.mkdtemp()
    source, library = os.path.join(folder, "m.c"), os.path.join(folder, "m.so")
    with open(source, "w") as file:
        file.write(str(module.inspect_source()))
    include = [tvm.libinfo.find_include_path(), tvm_ffi.libinfo.find_include_path()]
    include.append(tvm_ffi.libinfo.find_dlpack_include_path())
    flags = ["-shared", "-fPIC", "-O1", "-w", "-ffp-contract=off", "-fno-strict-aliasing"]
    flags += ["-Dhalf=_Float16"] + ["-I" + str(path) for path in include]
    command = [os.environ.get("CC") or "gcc", *flags, source, "-o", library, "-lm"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if "error" in line]
        raise RuntimeError((errors or ["the C compiler fails"])[0].replace(source, "line"))
    return tvm.runtime.load_module(library)


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
