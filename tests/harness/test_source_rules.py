"""Rules of generated source: each is broken by what it is for, and kept by what TVM generates."""

from __future__ import annotations

import pytest

from harness.targets.source_rules import broken_rule

CUDA = (
    'extern "C" __global__ void __launch_bounds__(32) '
    "main_kernel(float* __restrict__ A, int n) {{\n{}\n}}\n"
)

KEPT = (
    "  float v_ = A[((int)threadIdx.x)];\n  A[((int)threadIdx.x)] = (v_ * 2.000000e+00f);",
    "  for (int i = 0; i < n; ++i) {\n    int i_1 = i;\n    A[i_1] = 0.000000e+00f;\n  }\n"
    "  for (int i = 0; i < 4; ++i) {\n    A[i] = 1.0f;\n  }",
    "  __shared__ float S[32];\n  S[((int)threadIdx.x)] = A[((int)threadIdx.x)];\n"
    "  __syncthreads();\n  A[((int)threadIdx.x)] = S[(31 - ((int)threadIdx.x))];",
    "  if (n < 3) {\n    __syncthreads();\n  }",
    "  float4 x = make_float4(1.0f, 2.0f, 3.0f, 4.0f);\n  A[0] = x.x + ((float*)(&(x)))[1];",
    "  unsigned long long m = 18446744073709551615ull;\n  A[0] = (float)m + CUDART_INF_F;",
    "  packed_float3 x = *(packed_float3*)(A + 3);\n  A[0] = x.x;",
    "  half_t* p = (half_t*)A;\n  A[0] = (float)p[0];",
    "  A[((int*)A)[n]] = A[((int*)A)[n - 1]];\n  int k = n;\n  A[k] = 0.0f;",
    "  int a = 0, b = 1;\n  if (a == b) {\n    A[a] = 1.0f;\n  } else {\n    A[b] = 1.0f;\n  }",
)  # fmt: skip
BROKEN = (
    ("  A[0] = missing;", "'missing' is used and not declared"),
    ("  if (n < 2) {\n    float x = A[0];\n  }\n  A[0] = x;", "'x' is used and not declared"),
    ("  A[0] = late;\n  float late = A[1];", "'late' is used and not declared"),
    ("  float x = A[0];\n  float x = A[1];\n  A[0] = x;", "'x' is declared twice in one scope"),
    ("  int n = 3;\n  A[0] = n;", "'n' is declared twice in one scope"),
    ("  A[0] = 1.000000e+300f;", "the literal 1.000000e+300f is too large for its type"),
    ("  A[0] = 18446744073709551616;", "is too large for every integer type"),
    ("  if (((int)threadIdx.x) < 3) {\n    __syncthreads();\n  }", "__syncthreads is not reached"),
    (
        "  if (((int)threadIdx.x) < 3) {\n    A[((int*)A)[n]] = A[0];\n    __syncthreads();\n  }",
        "__syncthreads is not reached",
    ),
    (
        "  int k = ((int)threadIdx.x);\n  for (int i = 0; i < k; ++i) {\n    __syncthreads();\n  }",
        "__syncthreads is not reached by all threads",
    ),
    (
        "  for (int i = 0; i < 9; ++i) {\n    if (i < threadIdx.x) {\n      continue;\n    }\n"
        "    __syncthreads();\n  }",
        "__syncthreads is not reached by all threads",
    ),
)


@pytest.mark.parametrize("body", KEPT, ids=range(len(KEPT)))
def test_what_is_right_keeps_the_rules(body: str) -> None:
    assert broken_rule(CUDA.format(body)) is None


@pytest.mark.parametrize(("body", "rule"), BROKEN, ids=range(len(BROKEN)))
def test_what_is_wrong_breaks_one(body: str, rule: str) -> None:
    assert rule in str(broken_rule(CUDA.format(body)))


def test_one_thread_alone_passes_every_barrier() -> None:
    divergent = CUDA.format("  if (((int)threadIdx.x) < 3) {\n    __syncthreads();\n  }")
    assert broken_rule(divergent, threads=False) is None
