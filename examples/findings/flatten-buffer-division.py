"""A finding in TVM 0.27.0.post1; needs tvm and numpy.

Exit status: 1 the bug shows, 0 it does not, 2 this TVM can't express the case.
"""

# rejected-valid: Division by zero
# Signature: rejected-valid|RuntimeError|tirx.FlattenBuffer|Division by zero
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
CULPRIT = 'tirx.FlattenBuffer'
RUNS = False


MODULE = "\n".join((
    '@I.ir_module',
    'class Module:',
    '    @T.prim_func(s_tir=True)',
    '    def main(A: T.Buffer((7,), "int32"), B: T.Buffer((4,), "float32"), C: '
        'T.Buffer((1, 6), "int32")):',
    '        for i in range(2):',
    '            A[0] = C[0, 0]',
    '            if T.Select(T.float32(0.0) >= B[i // 256 // -16777216 % 2], '
        'T.bool(False), T.bool(True)):',
    '                B[0] = T.float32(0.0)',
))


def load():
    from tvm.script import from_source

    return from_source(MODULE)


def passes():
    """Every pass in its order, as (name, pass)."""
    target = tvm.target.Target(TARGET)
    bound = target.with_host(target)
    return [
        ('tirx.BindTarget', tirx.transform.BindTarget(bound)),
        ('tirx.FlattenBuffer', tirx.transform.FlattenBuffer()),  # <- here
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
