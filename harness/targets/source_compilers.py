"""Compilers of the languages whose source is only generated here; each is optional.

NVRTC compiles CUDA without a GPU, and clang's front end, as a library, OpenCL. Both are packages
of PyPI, which the extra `sources` brings; without them source is checked by rules alone.
"""

from __future__ import annotations

import ctypes
import importlib.util
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class SourceCompiler:
    """A compiler of one language.

    `find` returns what was found, as text, or None. `check` returns the first error in a source, or
    None.
    """

    name: str
    language: str
    find: Callable[[], str | None]
    check: Callable[[str], str | None]


# ------------------------------------------------------------------------------------------- CUDA

ARCHITECTURE = "compute_80"
# What TVM's preamble takes from libcu++, which NVRTC would need two seconds to read.
_TRAITS = ("is_same", "is_integral", "is_signed", "is_unsigned", "is_floating_point")
_LIBCUXX = {
    "cuda/std/cstdint": "namespace cuda { namespace std {"
    "using int8_t = signed char; using uint8_t = unsigned char;"
    "using int16_t = short; using uint16_t = unsigned short;"
    "using int32_t = int; using uint32_t = unsigned int;"
    "using int64_t = long long; using uint64_t = unsigned long long; } }",
    "cuda/std/type_traits": "namespace cuda { namespace std {"
    + "".join(f"template <class...> struct {name};" for name in (*_TRAITS, "conditional"))
    + "template <class...> constexpr bool is_same_v = false;"
    "template <bool, class = void> struct enable_if; } }",
}


@cache
def _nvrtc() -> Any | None:
    for folder in _folders_of("nvidia"):
        for path in sorted(folder.glob("*/lib/libnvrtc.so.*")):
            try:
                return ctypes.CDLL(str(path))
            except OSError:
                continue
    return None


def _folders_of(package: str) -> list[Path]:
    spec = importlib.util.find_spec(package)
    return [Path(each) for each in (spec.submodule_search_locations or ())] if spec else []


@cache
def _headers() -> tuple[str, ...]:
    """The option that names the folder of CUDA's headers; none where there isn't one."""
    places = (p for each in _folders_of("nvidia") for p in each.glob("*/include/cuda_fp16.h"))
    return tuple(f"-I{place.parent}" for place in list(places)[:1])


def _find_nvrtc() -> str | None:
    library = _nvrtc()
    if library is None or not _headers():
        return None
    major, minor = ctypes.c_int(), ctypes.c_int()
    library.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
    return f"NVRTC {major.value}.{minor.value}"


def _check_cuda(source: str) -> str | None:
    library = _nvrtc()
    assert library is not None
    program = ctypes.c_void_p()
    texts = (ctypes.c_char_p * len(_LIBCUXX))(*(each.encode() for each in _LIBCUXX.values()))
    names = (ctypes.c_char_p * len(_LIBCUXX))(*(each.encode() for each in _LIBCUXX))
    library.nvrtcCreateProgram(
        ctypes.byref(program), source.encode(), b"kernel.cu", len(_LIBCUXX), texts, names
    )
    options = [f"--gpu-architecture={ARCHITECTURE}", "-default-device", *_headers()]
    given = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
    try:
        if library.nvrtcCompileProgram(program, len(options), given) == 0:
            return None
        size = ctypes.c_size_t()
        library.nvrtcGetProgramLogSize(program, ctypes.byref(size))
        log = ctypes.create_string_buffer(size.value)
        library.nvrtcGetProgramLog(program, log)
    finally:
        library.nvrtcDestroyProgram(ctypes.byref(program))
    lines = log.value.decode(errors="replace").splitlines()
    return next((line for line in lines if "error" in line), lines[0] if lines else "no message")


# ----------------------------------------------------------------------------------------- OpenCL

VECTOR_LENGTHS = (2, 3, 4, 8, 16)
# What opencl-c-base.h defines, which comes with clang's programs and not with its library.
_OPENCL_NAMES = """
typedef unsigned char uchar; typedef unsigned short ushort;
typedef unsigned int uint; typedef unsigned long ulong;
typedef __SIZE_TYPE__ size_t; typedef __PTRDIFF_TYPE__ ptrdiff_t;
typedef __INTPTR_TYPE__ intptr_t; typedef __UINTPTR_TYPE__ uintptr_t;
typedef uint cl_mem_fence_flags;
#define CLK_LOCAL_MEM_FENCE 1
#define CLK_GLOBAL_MEM_FENCE 2
#define INFINITY (__builtin_inff())
#define NAN (__builtin_nanf(""))
#define HUGE_VALF (__builtin_huge_valf())
#define HUGE_VAL (__builtin_huge_val())
#define MAXFLOAT 0x1.fffffep127f
"""
_CLANG_ARGUMENTS = (
    "-x", "cl", "-cl-std=CL3.0", "-target", "spir64", "-cl-no-stdinc",
    "-Xclang", "-fdeclare-opencl-builtins", "-Xclang", "-cl-ext=+all",
)  # fmt: skip


@cache
def _opencl_prelude() -> str:
    scalars = ("char", "uchar", "short", "ushort", "int", "uint", "long", "ulong")
    vectors = "".join(
        f"typedef {scalar} {scalar}{lanes} __attribute__((ext_vector_type({lanes})));\n"
        for scalar in (*scalars, "float", "double", "half")
        for lanes in VECTOR_LENGTHS
    )
    enable = "".join(
        f"#pragma OPENCL EXTENSION cl_khr_{each} : enable\n" for each in ("fp16", "fp64")
    )
    return enable + _OPENCL_NAMES + vectors


@cache
def _find_clang() -> str | None:
    if importlib.util.find_spec("clang") is None:
        return None
    from clang import cindex

    try:
        cindex.Index.create()
    except cindex.LibclangError:
        return None
    try:
        return f"libclang {metadata.version('libclang')}"
    except metadata.PackageNotFoundError:
        return "libclang"


def _check_opencl(source: str) -> str | None:
    from clang import cindex

    text = _opencl_prelude() + source
    unit = cindex.Index.create().parse(
        "kernel.cl", args=_CLANG_ARGUMENTS, unsaved_files=[("kernel.cl", text)]
    )
    errors = (each for each in unit.diagnostics if each.severity >= cindex.Diagnostic.Error)
    found = next(errors, None)
    return None if found is None else f"error: {_unquoted(found.spelling)}"


def _unquoted(diagnostic: str) -> str:
    """The diagnostic with the function of the language that it is of, which quotes would hide."""
    return re.sub(r"^call to '(\w+)' is ambiguous", r"call to \1 is ambiguous", diagnostic)


COMPILERS: dict[str, SourceCompiler] = {
    "cuda": SourceCompiler("NVRTC", "CUDA", _find_nvrtc, _check_cuda),
    "opencl": SourceCompiler("clang", "OpenCL", _find_clang, _check_opencl),
}
"""By the target. For Metal there is none but on a Mac; LLVM itself verifies what is for ROCm."""
