"""The one thing that pyproject.toml can't say: the C extension, where it has a meaning.

It is optional: without a compiler, or without Python's headers, the installation goes on, and
`tzer doctor` says what is lost.
"""

import platform
import sys

from setuptools import Extension, setup

NATIVE_COVERAGE = Extension(
    "harness.coverage._native",
    sources=["harness/coverage/_native.c"],
    extra_compile_args=["-O2", "-std=gnu11", "-Wall"],
    optional=True,
)

on_linux_x86_64 = sys.platform == "linux" and platform.machine() == "x86_64"
setup(ext_modules=[NATIVE_COVERAGE] if on_linux_x86_64 else [])
