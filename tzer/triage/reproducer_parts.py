"""The fixed parts of a reproducer script; `reproducer.py` puts them together."""

from __future__ import annotations

import re

from harness.compat import tvm_version
from harness.console.probes import TVM_FFI_BELOW

HANG_SECONDS = 120
CHILD_SECONDS = 300
MEMORY_BYTES = 8 << 30

MODULES = ("base64", "contextlib", "os", "signal", "subprocess", "sys", "tempfile")
IMPORTS = """
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
"""


def imports(script: str) -> str:
    """What a script begins with, of which the rest is this."""
    used = [name for name in MODULES if re.search(rf"\b{name}\.", IMPORTS + script)]
    return "\n".join(f"import {name}" for name in used) + "\n" + IMPORTS


LOAD_SCRIPT = """
def load():
    from tvm.script import from_source

    return from_source(MODULE)
"""

LOAD_JSON = """
def load():
    return tvm.ir.load_json(MODULE_JSON)
"""

WITH_BLOCKS = '''def with_blocks(name):
    """The pass of this name that takes blocks: TVM 0.26 has one for all, later releases two."""
    return getattr(s_tir.transform, name, None) or getattr(tirx.transform, name)


'''

ENTRIES = '''
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
'''

LOWER = """
def lower(module, sequence, after=lambda name, module: None):
    with tvm.transform.PassContext(opt_level=OPT_LEVEL):
        for name, apply in sequence:
            module = apply(module)
            after(name, module)
    return module
"""

# For what shows before code generation.
BUILD_NOTHING = """
def build(sequence):
    return lower(load(), sequence)
"""

BUILD = """
def build(sequence):
    lowered = lower(load(), sequence)
    generate = tvm.get_global_func("target.build." + TARGET["kind"])
    return generate(lowered, tvm.target.Target(TARGET))
"""

BUILD_C = """
def build(sequence):
    lowered = lower(load(), sequence)
    generate = tvm.get_global_func("target.build.c")
    return compiled_by_system(generate(lowered, tvm.target.Target(TARGET)))


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
"""


def lowering(passes: str, target: str, *, alone: bool) -> str:
    """The functions that apply passes and generate code; `alone` without the latter.

    `passes` is the text that makes the passes, which may set entries of the PassContext.
    """
    lower = ENTRIES if re.search(r"\b(Entries|configured)\(", passes) else LOWER
    return lower + "\n" + (BUILD_NOTHING if alone else BUILD_C if target == "c" else BUILD)


ARRAYS = '''
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
'''

_EXPRESSIBLE = '''
def expressible():
    """Whether this TVM knows every node and pass of the case."""
    try:
        load()
        passes()
    except Exception as error:
        print(f"TVM {tvm.__version__} can't express this case: {said(error)}")
        return False
    return True
'''

# TVM's JSON of another release may kill the process that loads it.
_READS_JSON = '''
def expressible():
    """Whether this TVM knows every node and pass of the case, and survives reading it."""
    if tvm.__version__.split(".")[:2] != RELEASE:
        print(f"TVM {tvm.__version__} can't express this case, which needs {NEEDED}")
        return False
    if sys.argv[1:] == ["--read"]:
        load()
        passes()
        return True
    done = subprocess.run([sys.executable, __file__, "--read"], capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        ours = f"TVM {tvm.__version__} with apache-tvm-ffi {tvm_ffi.__version__}"
        print(f"{ours} can't express this case, which needs {NEEDED}: {reason}")
    return done.returncode == 0
'''

# What the script of a bug in TVM's JSON begins with.
_WRITES_JSON = '''
def expressible():
    """Whether this TVM knows every node and pass of the case, and survives writing it."""
    if tuple(int(part) for part in tvm_ffi.__version__.split(".")[:3]) >= FFI_BELOW:
        ours = f"apache-tvm-ffi {tvm_ffi.__version__}"
        print(f"{ours} dies of writing TVM's JSON, which this case is about; it needs {NEEDED}")
        return False
    return readable()
'''


def expressible(*, reads_json: bool, writes_json: bool) -> str:
    """The function that says whether the TVM at hand can express the case."""
    below = ".".join(map(str, TVM_FFI_BELOW))
    needed = f'NEEDED = "TVM {tvm_version()} with apache-tvm-ffi below {below}"\n'
    if writes_json:
        needed += f"FFI_BELOW = {TVM_FFI_BELOW!r}\n"
        return needed + _WRITES_JSON + "\n" + _EXPRESSIBLE.replace("expressible()", "readable()")
    if reads_json:
        release = tvm_version().split(".")[:2]
        return f"{needed}RELEASE = {release!r}\n\n{_READS_JSON}"
    return _EXPRESSIBLE


MAIN = """
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
"""

MAIN_IN_CHILD = """
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
"""
