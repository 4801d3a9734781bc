"""A finding in TVM 0.27.0.post1; needs tvm and numpy.

Exit status: 1 the bug shows, 0 it does not, 2 this TVM can't express the case.
"""

# wrong-result: unwritten-read: a read of A_local before it is written
# Signature: wrong-result|reindex_cache_write|unwritten-read|reindex_cache_write:guarded-load
# Expected: a schedule primitive refuses, or keeps what the program means.


import base64
import signal
import subprocess
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


RUNS = False  # but what the primitives return


SHOULD = 'a schedule primitive refuses, or keeps what the program means.'


MODULE = "\n".join((
    '@I.ir_module',
    'class Module:',
    '    @T.prim_func(s_tir=True)',
    '    def main(A: T.Buffer((1, 2, 6, 4), "float32")):',
    '        # with T.sblock("root"):',
    '        for i in range(1):',
    '            with T.sblock("T_pool_grad"):',
    '                x = T.axis.spatial(1, 0)',
    '                T.reads(A[0, 0, 0, 0])',
    '                T.writes(A[0, 0, 0, x])',
    '                A[0, 0, 0, x] = A[0, 0, 0, 0] + T.if_then_else(T.LT(0, 0), '
        'T.float32(0.0), T.float32(0.0))',
))


def load():
    from tvm.script import from_source

    return from_source(MODULE)


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


def scheduled(module):
    """The module after the schedule primitives."""
    s = s_tir.Schedule(module, seed=1, error_render_level="none")
    s.reindex_cache_write(block(s, 'T_pool_grad'), 0, 'local', lambda i0: [i0 // 7, i0 % 7])  # <- here
    return s.mod


def passes():
    """None: the schedule alone shows it."""
    return []


def build(sequence):
    program = load()
    print(program.script())
    module = scheduled(program)
    print(module.script())
    return module


TARGET = {'kind': 'llvm'}
JUDGED = '76700b1870b4168bb50e8408975867a5aeb2d1a3de310513d2f3d0a8b0037caa'
MEANING = 'unwritten-read: a read of A_local before it is written'


def array(dtype, shape, values):
    return np.array(values, numpy_dtype(dtype)).reshape(shape)


def packed(dtype, shape, text):
    return np.frombuffer(base64.b64decode(text), numpy_dtype(dtype)).reshape(shape).copy()


def numpy_dtype(name):
    import ml_dtypes  # comes with tvm; has bfloat16 and float8

    return np.dtype(getattr(ml_dtypes, name, name))


def guarded(values):
    """A copy that ends at a page which nobody may read, as nearly as 64-byte alignment allows."""
    import ctypes
    import mmap

    span = -(-max(values.nbytes, 1) // 64) * 64
    size = -(-span // mmap.PAGESIZE) * mmap.PAGESIZE
    pages = mmap.mmap(-1, size + mmap.PAGESIZE)
    whole = np.frombuffer(pages, np.uint8)
    whole[:size] = 0xA5
    libc = ctypes.CDLL(None)
    libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    libc.mprotect(whole.ctypes.data + size, mmap.PAGESIZE, 0)
    start = size - span
    inside = whole[start : start + values.nbytes].view(values.dtype).reshape(values.shape)
    inside[...] = values
    rest = [whole[:start], whole[start + values.nbytes : size]]
    return inside, rest


def tensor(values):
    if values.dtype.kind in "biuf":
        return tvm.runtime.from_dlpack(values)
    bits = values.view(f"uint{8 * values.dtype.itemsize}")
    return tvm.runtime.from_dlpack(bits)._create_view(values.shape, values.dtype.name)


def run(module):
    """The arguments after the run, and whether bytes beside them were written."""
    arguments, rests = [], []
    for value in INPUTS:
        if isinstance(value, np.ndarray):
            value, rest = guarded(value)
            rests += rest
        arguments.append(value)
    module["main"](*(tensor(v) if isinstance(v, np.ndarray) else v.item() for v in arguments))
    return arguments, any((rest != 0xA5).any() for rest in rests)


INPUTS = [
    array('float32', (1, 2, 6, 4), [1.0956934690475464, -1.8417062759399414, -3.6722118854522705, -3.867779016494751,
         2.50616192817688, 3.302044630050659, 0.8530862331390381, 1.8359724283218384,
         0.34899991750717163, 3.480579376220703, 2.5268285274505615, -3.9780919551849365,
         2.859234094619751, -3.7313153743743896, 1.8372435569763184, -2.594754934310913,
         2.9054312705993652, 0.3316897749900818, -1.6023048162460327, -0.6185022592544556, -1.0,
         -3.0057337284088135, 1.3649953603744507, 1.1775161027908325, 0.9230809211730957,
         -0.9305795431137085, 3.977679491043091, 3.8466827869415283, 1.4843358993530273,
         1.2036741971969604, 1.5075738430023193, -0.8886286020278931, -2.9192280769348145,
         1.7719067335128784, 0.2028345763683319, -1.5180649757385254, 2.0, 3.1159026622772217,
         3.472348213195801, 2.0, 0.5722386240959167, 1.0, 0.7544002532958984,
         -1.2967102527618408, -0.8670480251312256, -1.0, -2.1827392578125, 2.0]),
]


# What the program means, by a reference interpreter.
EXPECTED = [
    array('float32', (1, 2, 6, 4), [1.0956934690475464, -1.8417062759399414, -3.6722118854522705, -3.867779016494751,
         2.50616192817688, 3.302044630050659, 0.8530862331390381, 1.8359724283218384,
         0.34899991750717163, 3.480579376220703, 2.5268285274505615, -3.9780919551849365,
         2.859234094619751, -3.7313153743743896, 1.8372435569763184, -2.594754934310913,
         2.9054312705993652, 0.3316897749900818, -1.6023048162460327, -0.6185022592544556, -1.0,
         -3.0057337284088135, 1.3649953603744507, 1.1775161027908325, 0.9230809211730957,
         -0.9305795431137085, 3.977679491043091, 3.8466827869415283, 1.4843358993530273,
         1.2036741971969604, 1.5075738430023193, -0.8886286020278931, -2.9192280769348145,
         1.7719067335128784, 0.2028345763683319, -1.5180649757385254, 2.0, 3.1159026622772217,
         3.472348213195801, 2.0, 0.5722386240959167, 1.0, 0.7544002532958984,
         -1.2967102527618408, -0.8670480251312256, -1.0, -2.1827392578125, 2.0]),
]


# How far each element may deviate; infinite where rounding decides.
TOLERANCES = [
    array('float64', (1, 2, 6, 4), [3.3e-07, 5.54e-07, 1.11e-06, 1.16e-06, 7.54e-07, 9.94e-07, 2.57e-07, 5.53e-07,
         1.05e-07, 1.05e-06, 7.61e-07, 1.2e-06, 8.61e-07, 1.12e-06, 5.53e-07, 7.81e-07,
         8.75e-07, 9.98e-08, 4.82e-07, 1.86e-07, 3.01e-07, 9.05e-07, 4.11e-07, 3.54e-07,
         2.78e-07, 2.8e-07, 1.2e-06, 1.16e-06, 4.47e-07, 3.62e-07, 4.54e-07, 2.67e-07, 8.79e-07,
         5.33e-07, 6.11e-08, 4.57e-07, 6.02e-07, 9.38e-07, 1.05e-06, 6.02e-07, 1.72e-07,
         3.01e-07, 2.27e-07, 3.9e-07, 2.61e-07, 3.01e-07, 6.57e-07, 6.02e-07]),
]


def without_threads(module):
    """The module with its thread-bound loops serial, so that any processor can run it."""

    def serial(loop):
        if loop.kind != tirx.ForKind.THREAD_BINDING:
            return loop
        return tirx.For(loop.loop_var, loop.min, loop.extent, tirx.ForKind.SERIAL, loop.body)

    functions = {}
    for var, function in module.functions.items():
        body = tvm_ffi.structural_map(function.body, (tirx.For, serial))
        functions[var] = function.with_body(body)
    return tvm.IRModule(functions)


def attempt():
    """Run what the primitives return; in a child, since it may leave its buffers."""
    import hashlib

    try:
        module = build(passes())
    except Exception as error:
        print("raised, which is fine:", said(error))
        return
    judged = hashlib.sha256(str(module.script()).encode()).hexdigest() == JUDGED
    if judged:  # said before it is run, which may kill
        print("a reference interpreter says of this module:", MEANING, flush=True)
    shown, damaged = None, False
    try:
        built = tvm.compile(without_threads(module), target=tvm.target.Target(TARGET))
        actual, damaged = run(built)
        shown = different(actual)
        print("compiled and run:", shown or "the right values")
    except Exception as error:
        if not judged:
            raise
        print("not compiled and run:", said(error))
    if shown or damaged or judged:
        print(shown or (damaged and "bytes beside the buffers were written") or MEANING)
        sys.exit(SHOWN)


def different(actual):
    for number, (want, got, allowed) in enumerate(zip(EXPECTED, actual, TOLERANCES)):
        if not isinstance(want, np.ndarray):
            continue
        with np.errstate(all="ignore"):
            exact = want.dtype.kind in "biu"
            one, other = (want, got) if exact else (want.astype(float), got.astype(float))
            wrong = (one != other) & ~((one != one) & (other != other)) & ~np.isinf(allowed)
            if not exact:
                wrong &= ~(np.abs(one - other) <= allowed)
        if wrong.any():
            place = tuple(int(part) for part in np.argwhere(wrong)[0])
            return (
                f"parameter {number}, element {place}: expected {want[place]!r}, "
                f"came {got[place]!r} ({int(wrong.sum())} of {wrong.size} elements are wrong)"
            )
    return None


SECONDS = 300
MEMORY_BYTES = 0  # of address space; 0: no limit


def expressible():
    """Whether this TVM knows every node and pass of the case."""
    try:
        load()
        passes()
    except Exception as error:
        print(f"TVM {tvm.__version__} can't express this case: {said(error)}")
        return False
    return True


SHOWN = 3  # the status of a child in which the bug shows, as its last line says


def main():
    if sys.argv[1:] == ["--child"]:
        signal.alarm(SECONDS + 10)  # in case the parent is killed, which would have ended it
        if MEMORY_BYTES:
            import resource

            resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        attempt()
        return 0
    if not expressible():
        return 2
    if sys.argv[1:]:  # no more was asked
        return 0
    try:
        command = [sys.executable, __file__, "--child"]
        child = subprocess.run(command, stdout=subprocess.PIPE, timeout=SECONDS)
        status, printed = child.returncode, child.stdout.decode(errors="replace")
    except subprocess.TimeoutExpired:
        status, printed = None, ""
    print(printed, end="")
    if status is not None and status > 0 and status != SHOWN:
        print(f"this TVM fails in another way: the process ended with status {status}")
        return 2
    print("expected:", SHOULD)
    if status is None:
        print(f"came:     no end within {SECONDS} s")
    elif status < 0:
        print(f"came:     the process died of signal {-status}")
    elif status:
        print("came:    ", printed.splitlines()[-1])
    else:
        print("came:     just that; the bug does not show")
    return 0 if status == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
