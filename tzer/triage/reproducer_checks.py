"""What a reproducer script checks, a function for each kind of finding, and what it expects."""

from __future__ import annotations

from harness.verdict import Kind

EXPECTED: dict[Kind, str] = {
    Kind.CRASH: "the compiler ends, with a result or with an error, and does not die.",
    Kind.HANG: "the compiler and the compiled program come to an end.",
    Kind.OUT_OF_MEMORY: "a small program compiles and runs within 8 GiB.",
    Kind.INTERNAL_ERROR: "a valid program compiles by a legal pass order.",
    Kind.REJECTED_VALID: "a valid program compiles by a legal pass order.",
    Kind.ILL_FORMED_IR: "a pass returns a well-formed module.",
    Kind.INVALID_CODEGEN: "a compiler of its language accepts the generated source.",
    Kind.ROUND_TRIP: "a module survives being printed and read again.",
    Kind.WRONG_RESULT: "the compiled program computes what the program means.",
    Kind.OUT_OF_BOUNDS: "the compiled program stays within its buffers.",
    Kind.NONDETERMINISM: "the same passes on the same module return the same module.",
    Kind.SLOW_CODE: "passes don't make the compiled program many times slower.",
}

_DIED = '''
def attempt():
    """What kills, hangs or starves the process; run in a child."""
    try:
        module = build(passes())
    except Exception as error:
        if MEMORY_BYTES and (isinstance(error, MemoryError) or "bad_alloc" in str(error)):
            print("it takes more memory than that:", said(error))
            sys.exit(SHOWN)
        print("raised, which is fine:", said(error))
        return
    if RUNS:
        _, damaged = run(module)
        if damaged:
            print("bytes beside the buffers were written")
            sys.exit(SHOWN)
'''

_RAISED = """
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
"""

_ILL_FORMED = """
def check():
    found = []
    analysis = s_tir.analysis if hasattr(s_tir.analysis, "verify_well_formed") else tirx.analysis

    def after(name, module):
        try:
            analysis.verify_well_formed(module, assert_mode=True)
        except Exception as error:
            found.append(f"after {name}: {said(error)}")

    try:
        lower(load(), passes(), after)
    except Exception:
        pass  # what follows an ill-formed module may fail as well
    return found[0] if found else None
"""

_ROUND_TRIP = """
def check():
    found = []

    def after(name, module):
        if not found and name == CULPRIT:
            found.extend(lost(module))

    if not CULPRIT:  # the program itself, before any pass
        after(CULPRIT, load())
    else:
        try:
            lower(load(), passes(), after)
        except Exception:
            pass  # what comes behind the culprit is another matter
    return f"after {CULPRIT or 'no pass at all'} {found[0]}" if found else None


def same(one, other):
    return tvm_ffi.structural_equal(one, other, map_free_vars=True)
"""

_SCRIPT_LOST = """
def lost(module):
    from tvm.script import from_source

    try:
        back = from_source(module.script(show_meta=True))
    except Exception as error:
        yield f"the TVMScript does not parse: {said(error)}"
        return
    if MEANING and not same(back, module):
        yield MEANING  # found by a reference interpreter
"""

_JSON_LOST = """
def lost(module):
    text = tvm.ir.save_json(module)
    try:
        back = tvm.ir.load_json(text)
    except Exception as error:
        yield f"TVM's JSON does not load: {said(error)}"
        return
    if not same(back, module):
        yield "TVM's JSON loads as another module"
"""

# Compares what a run has left in the parameters with EXPECTED, within TOLERANCES.
DIFFERENT = """
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
"""
_WRONG = (
    """
def check():
    actual, _ = run(build(passes()))
    return different(actual)

"""
    + DIFFERENT
)

_NONDETERMINISM = """
def check():
    first = lower(load(), passes())
    for _ in range(20):
        if not tvm_ffi.structural_equal(first, lower(load(), passes()), map_free_vars=True):
            return "the same passes on the same module returned two different modules"
    return None
"""

_SLOW = """
def check():
    import time

    def seconds(module):
        arguments = [
            tensor(guarded(v)[0]) if isinstance(v, np.ndarray) else v.item() for v in INPUTS
        ]
        started = time.perf_counter()
        module["main"](*arguments)
        return time.perf_counter() - started

    mutated, plain = build(passes()), build(plain_passes())
    slow = min(seconds(mutated) for _ in range(5))
    base = min(seconds(plain) for _ in range(5))
    if slow > 10 * base:
        return f"{slow / base:.0f} times slower than the plain build"
    return None
"""

CHECKS: dict[Kind, str] = {
    Kind.CRASH: _DIED,
    Kind.INTERNAL_ERROR: _RAISED,
    Kind.REJECTED_VALID: _RAISED,
    Kind.INVALID_CODEGEN: _RAISED,
    Kind.ILL_FORMED_IR: _ILL_FORMED,
    Kind.ROUND_TRIP: _ROUND_TRIP + "\n" + _SCRIPT_LOST,
    Kind.WRONG_RESULT: _WRONG,
    Kind.NONDETERMINISM: _NONDETERMINISM,
    Kind.SLOW_CODE: _SLOW,
}

# For a bug in TVM's JSON itself.
JSON_CHECK = _ROUND_TRIP + "\n" + _JSON_LOST
