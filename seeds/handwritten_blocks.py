"""Family "blocks": handwritten schedulable blocks of kinds that no operator creates.

Nested blocks, opaque blocks, match_buffers with strides and offsets, predicates, initial values,
reductions of every kind, allocations in blocks, annotations for software pipelines.
"""

from __future__ import annotations

from functools import partial

from seeds.recipe import Recipe, from_script

FAMILY = "blocks"


def recipes() -> list[Recipe]:
    """One recipe for each program."""
    return [
        Recipe(f"{FAMILY}/{name}", FAMILY, partial(from_script, text))
        for table in (PLAIN, NESTED, REDUCING, ANNOTATED)
        for name, text in table.items()
    ]


PLAIN = {
    "spatial": """
def main(A: T.Buffer((7, 5), "float32"), B: T.Buffer((7, 5), "float32")):
    for i, j in T.grid(7, 5):
        with T.sblock("copy"):
            vi, vj = T.axis.remap("SS", [i, j])
            B[vi, vj] = A[vi, vj] + T.float32(1)
""",
    "two-stages": """
def main(A: T.Buffer((8,), "int32"), B: T.Buffer((8,), "int32"), n: T.int32):
    C = T.alloc_buffer((8,), "int32")
    for i in range(8):
        with T.sblock("first"):
            vi = T.axis.remap("S", [i])
            C[vi] = A[vi] + n
    for i in range(8):
        with T.sblock("second"):
            vi = T.axis.remap("S", [i])
            B[vi] = C[7 - vi] * 2
""",
    "three-stages-compacted": """
def main(A: T.Buffer((6, 9), "float32"), D: T.Buffer((6, 9), "float32")):
    with T.sblock("root"):
        B = T.sblock_alloc_buffer((6, 9), "float32")
        C = T.sblock_alloc_buffer((6, 9), "float32")
        for i in range(6):
            for j in range(9):
                with T.sblock("B"):
                    vi, vj = T.axis.remap("SS", [i, j])
                    B[vi, vj] = A[vi, vj] * T.float32(2)
            for j in range(9):
                with T.sblock("C"):
                    vi, vj = T.axis.remap("SS", [i, j])
                    C[vi, vj] = B[vi, 8 - vj] + T.float32(1)
            for j in range(9):
                with T.sblock("D"):
                    vi, vj = T.axis.remap("SS", [i, j])
                    D[vi, vj] = C[vi, vj] - A[vi, vj]
""",
    "predicate": """
def main(A: T.Buffer((13,), "float32"), B: T.Buffer((13,), "float32")):
    for i, j in T.grid(4, 4):
        with T.sblock("B"):
            vi = T.axis.spatial(13, i * 4 + j)
            T.where(i * 4 + j < 13)
            B[vi] = A[vi] * T.float32(2)
""",
    "predicate-two-sided": """
def main(A: T.Buffer((20,), "int32"), B: T.Buffer((20,), "int32")):
    for i in range(20):
        with T.sblock("B"):
            vi = T.axis.spatial(20, i)
            T.where(3 <= i and i < 17)
            B[vi] = A[vi - 3] + A[vi]
""",
    "predicate-from-data": """
def main(A: T.Buffer((9,), "int32"), B: T.Buffer((9,), "int32")):
    for i in range(9):
        with T.sblock("B"):
            vi = T.axis.spatial(9, i)
            T.where(A[i] > 0)
            B[vi] = A[vi] * A[vi]
""",
    "fused-loops": """
def main(A: T.Buffer((3, 5, 4), "float32"), B: T.Buffer((3, 5, 4), "float32")):
    for f in range(60):
        with T.sblock("B"):
            vi = T.axis.spatial(3, f // 20)
            vj = T.axis.spatial(5, f % 20 // 4)
            vk = T.axis.spatial(4, f % 4)
            B[vi, vj, vk] = A[vi, vj, vk] + T.float32(1)
""",
    "axis-range-not-zero": """
def main(A: T.Buffer((12,), "int32"), B: T.Buffer((12,), "int32")):
    for i in range(3, 9):
        with T.sblock("B"):
            vi = T.axis.spatial((3, 9), i)
            B[vi] = A[vi - 1] + A[vi + 1]
""",
    "axis-with-int64": """
def main(A: T.Buffer((T.int64(4), T.int64(7)), "float32"), B: T.Buffer((T.int64(7), T.int64(4)), "float32")):
    for i, j in T.grid(T.int64(7), T.int64(4)):
        with T.sblock("B"):
            vi, vj = T.axis.remap("SS", [i, j])
            B[vi, vj] = A[vj, vi]
""",
    "opaque": """
def main(A: T.Buffer((6, 6), "float32")):
    for i in range(6):
        with T.sblock("opaque"):
            vi = T.axis.opaque(6, i)
            T.reads(A[vi, 0:6])
            T.writes(A[vi, 0:6])
            for j in range(5):
                A[vi, j + 1] = A[vi, j + 1] + A[vi, j] * T.float32(0.5)
""",
    "scan-axis": """
def main(A: T.Buffer((9,), "float32"), S: T.Buffer((10,), "float32")):
    with T.sblock("start"):
        S[0] = T.float32(0)
    for i in range(9):
        with T.sblock("scan"):
            vi = T.axis.scan(9, i)
            S[vi + 1] = S[vi] + A[vi]
""",
    "no-axes": """
def main(A: T.Buffer((4,), "int32"), B: T.Buffer((4,), "int32")):
    with T.sblock("all"):
        T.reads(A[0:4])
        T.writes(B[0:4])
        for i in range(4):
            B[i] = A[3 - i]
""",
    "condition-in-block": """
def main(A: T.Buffer((8, 8), "float32"), B: T.Buffer((8, 8), "float32")):
    for i, j in T.grid(8, 8):
        with T.sblock("B"):
            vi, vj = T.axis.remap("SS", [i, j])
            if vi < vj:
                B[vi, vj] = A[vi, vj]
            else:
                B[vi, vj] = T.float32(0)
""",
    "bind-in-block": """
def main(A: T.Buffer((8,), "float32"), B: T.Buffer((8,), "float32")):
    for i in range(8):
        with T.sblock("B"):
            vi = T.axis.remap("S", [i])
            x: T.let[T.float32] = A[vi] * A[vi]
            B[vi] = x + T.sqrt(x)
""",
    "padding-guard": """
def main(A: T.Buffer((5, 4), "float32"), B: T.Buffer((8, 8), "float32")):
    for i, j in T.grid(8, 8):
        with T.sblock("pad"):
            vi, vj = T.axis.remap("SS", [i, j])
            B[vi, vj] = T.if_then_else(1 <= vi and vi < 6 and 2 <= vj and vj < 6, A[vi - 1, vj - 2], T.float32(0))
""",
    "scatter": """
def main(I: T.Buffer((9,), "int32"), A: T.Buffer((9,), "float32"), B: T.Buffer((6,), "float32")):
    for i in range(9):
        with T.sblock("scatter"):
            vi = T.axis.opaque(9, i)
            T.reads(I[vi], A[vi])
            T.writes(B[0:6])
            B[T.floormod(I[vi], 6)] = A[vi]
""",
    "parallel-and-vectorized": """
def main(A: T.Buffer((6, 8), "float32"), B: T.Buffer((6, 8), "float32")):
    for i in T.parallel(6):
        for j in T.vectorized(8):
            with T.sblock("B"):
                vi, vj = T.axis.remap("SS", [i, j])
                B[vi, vj] = T.max(A[vi, vj], T.float32(0))
""",
    "unrolled": """
def main(A: T.Buffer((5, 3), "int32"), B: T.Buffer((5, 3), "int32")):
    for i in range(5):
        for j in T.unroll(3):
            with T.sblock("B"):
                vi, vj = T.axis.remap("SS", [i, j])
                B[vi, vj] = A[4 - vi, 2 - vj]
""",
}

NESTED = {
    "match-buffer-strided": """
def main(A: T.Buffer((8, 8), "int32"), B: T.Buffer((8, 8), "int32")):
    for i, j in T.grid(2, 2):
        with T.sblock("outer"):
            vi, vj = T.axis.remap("SS", [i, j])
            T.reads(A[vi * 4 : vi * 4 + 4, vj * 4 : vj * 4 + 4])
            T.writes(B[vi * 4 : vi * 4 + 4, vj * 4 : vj * 4 + 4])
            view = T.match_buffer(A[vi * 4 : vi * 4 + 4, vj * 4 : vj * 4 + 4], (4, 4), "int32", strides=[8, 1], offset_factor=1)
            for x, y in T.grid(4, 4):
                with T.sblock("inner"):
                    vx, vy = T.axis.remap("SS", [x, y])
                    T.where(x * 4 + y < 15)
                    B[vi * 4 + vx, vj * 4 + vy] = view[vx, vy] + view[0, vy]
""",
    "match-buffer-symbolic-strides": """
def main(A: T.Buffer((6, 8), "float32"), B: T.Buffer((6, 8), "float32")):
    for i in range(3):
        with T.sblock("outer"):
            vi = T.axis.spatial(3, i)
            T.reads(A[vi * 2 : vi * 2 + 2, 0:8])
            T.writes(B[vi * 2 : vi * 2 + 2, 0:8])
            s0 = T.int32()
            s1 = T.int32()
            t0 = T.int32()
            t1 = T.int32()
            source = T.match_buffer(A[vi * 2 : vi * 2 + 2, 0:8], (2, 8), "float32", strides=[s0, s1], offset_factor=1)
            target = T.match_buffer(B[vi * 2 : vi * 2 + 2, 0:8], (2, 8), "float32", strides=[t0, t1], offset_factor=1)
            for x, y in T.grid(2, 8):
                target[x, y] = source[1 - x, y]
""",
    "match-buffer-lower-rank": """
def main(A: T.Buffer((5, 7), "float32"), B: T.Buffer((5,), "float32")):
    for i in range(5):
        with T.sblock("row"):
            vi = T.axis.spatial(5, i)
            T.reads(A[vi, 0:7])
            T.writes(B[vi])
            row = T.match_buffer(A[vi, 0:7], (7,), "float32", offset_factor=1)
            B[vi] = T.float32(0)
            for j in range(7):
                B[vi] = B[vi] + row[j]
""",
    "match-buffer-of-match-buffer": """
def main(A: T.Buffer((8, 6), "int32"), B: T.Buffer((8, 6), "int32")):
    for i in range(2):
        with T.sblock("outer"):
            vi = T.axis.spatial(2, i)
            T.reads(A[vi * 4 : vi * 4 + 4, 0:6])
            T.writes(B[vi * 4 : vi * 4 + 4, 0:6])
            half = T.match_buffer(A[vi * 4 : vi * 4 + 4, 0:6], (4, 6), "int32", offset_factor=1)
            for j in range(2):
                with T.sblock("inner"):
                    vj = T.axis.spatial(2, j)
                    T.reads(half[vj * 2 : vj * 2 + 2, 0:6])
                    T.writes(B[vi * 4 + vj * 2 : vi * 4 + vj * 2 + 2, 0:6])
                    pair = T.match_buffer(half[vj * 2 : vj * 2 + 2, 0:6], (2, 6), "int32", offset_factor=1)
                    for x, y in T.grid(2, 6):
                        B[vi * 4 + vj * 2 + x, y] = pair[1 - x, 5 - y]
""",
    "match-buffer-written": """
def main(A: T.Buffer((9,), "float32"), B: T.Buffer((3, 3), "float32")):
    for i in range(3):
        with T.sblock("outer"):
            vi = T.axis.spatial(3, i)
            T.reads(A[vi * 3 : vi * 3 + 3])
            T.writes(B[vi, 0:3])
            row = T.match_buffer(B[vi, 0:3], (3,), "float32", offset_factor=1)
            for j in range(3):
                row[j] = A[vi * 3 + j] * T.float32(4)
""",
    "blocks-in-block": """
def main(A: T.Buffer((8, 6), "float32"), B: T.Buffer((8, 6), "float32")):
    for i, j in T.grid(4, 2):
        with T.sblock("tile"):
            vi, vj = T.axis.remap("SS", [i, j])
            T.reads(A[vi * 2 : vi * 2 + 2, vj * 3 : vj * 3 + 3])
            T.writes(B[vi * 2 : vi * 2 + 2, vj * 3 : vj * 3 + 3])
            for x, y in T.grid(2, 3):
                with T.sblock("element"):
                    vx, vy = T.axis.remap("SS", [x, y])
                    B[vi * 2 + vx, vj * 3 + vy] = A[vi * 2 + vx, vj * 3 + vy] * T.float32(2)
""",
    "allocation-in-nested-block": """
def main(A: T.Buffer((6, 8), "float32"), B: T.Buffer((6, 8), "float32")):
    for i in range(6):
        with T.sblock("row"):
            vi = T.axis.spatial(6, i)
            T.reads(A[vi, 0:8])
            T.writes(B[vi, 0:8])
            cache = T.sblock_alloc_buffer((1, 8), "float32", scope="local")
            for j in range(8):
                with T.sblock("load"):
                    vj = T.axis.spatial(8, j)
                    cache[0, vj] = A[vi, vj] + T.float32(1)
            for j in range(8):
                with T.sblock("store"):
                    vj = T.axis.spatial(8, j)
                    B[vi, vj] = cache[0, 7 - vj]
""",
    "compaction-needed": """
def main(A: T.Buffer((9, 9), "float32"), B: T.Buffer((9, 9), "float32")):
    for i, j in T.grid(3, 3):
        with T.sblock("tile"):
            vi, vj = T.axis.remap("SS", [i, j])
            T.reads(A[0:9, 0:9])
            T.writes(B[vi * 3 : vi * 3 + 3, vj * 3 : vj * 3 + 3])
            window = T.sblock_alloc_buffer((11, 11), "float32", scope="shared")
            for x, y in T.grid(5, 5):
                window[vi * 3 + x, vj * 3 + y] = T.if_then_else(1 <= vi * 3 + x and vi * 3 + x < 10 and 1 <= vj * 3 + y and vj * 3 + y < 10, A[vi * 3 + x - 1, vj * 3 + y - 1], T.float32(0))
            for x, y in T.grid(3, 3):
                B[vi * 3 + x, vj * 3 + y] = window[vi * 3 + x, vj * 3 + y] + window[vi * 3 + x + 2, vj * 3 + y + 2]
""",
    "three-levels": """
def main(A: T.Buffer((4, 4, 4), "int32"), B: T.Buffer((4, 4, 4), "int32")):
    for i in range(4):
        with T.sblock("one"):
            vi = T.axis.spatial(4, i)
            for j in range(4):
                with T.sblock("two"):
                    vj = T.axis.spatial(4, j)
                    for k in range(4):
                        with T.sblock("three"):
                            vk = T.axis.spatial(4, k)
                            B[vi, vj, vk] = A[vk, vi, vj]
""",
}

REDUCING = {
    "sum-with-init": """
def main(A: T.Buffer((8, 8), "int32"), B: T.Buffer((8,), "int32")):
    for i, j in T.grid(8, 8):
        with T.sblock("sum"):
            vi, vj = T.axis.remap("SR", [i, j])
            with T.init():
                B[vi] = 0
            B[vi] = B[vi] + A[vi, vj]
""",
    "reduction-outermost": """
def main(A: T.Buffer((5, 7), "float32"), B: T.Buffer((7,), "float32")):
    for k, i in T.grid(5, 7):
        with T.sblock("max"):
            vk, vi = T.axis.remap("RS", [k, i])
            with T.init():
                B[vi] = T.min_value("float32")
            B[vi] = T.max(B[vi], A[vk, vi])
""",
    "reduction-with-predicate": """
def main(A: T.Buffer((5, 13), "float32"), B: T.Buffer((5,), "float32")):
    for i, ko, ki in T.grid(5, 4, 4):
        with T.sblock("sum"):
            vi = T.axis.spatial(5, i)
            vk = T.axis.reduce(13, ko * 4 + ki)
            T.where(ko * 4 + ki < 13)
            with T.init():
                B[vi] = T.float32(0)
            B[vi] = B[vi] + A[vi, vk]
""",
    "product-and-minimum": """
def main(A: T.Buffer((4, 5), "int32"), P: T.Buffer((4,), "int32"), M: T.Buffer((4,), "int32")):
    for i, j in T.grid(4, 5):
        with T.sblock("both"):
            vi, vj = T.axis.remap("SR", [i, j])
            with T.init():
                P[vi] = 1
                M[vi] = T.max_value("int32")
            P[vi] = P[vi] * A[vi, vj]
            M[vi] = T.min(M[vi], A[vi, vj])
""",
    "bitwise-or-and": """
def main(A: T.Buffer((6, 5), "uint8"), B: T.Buffer((6,), "uint8"), C: T.Buffer((6,), "uint8")):
    for i, j in T.grid(6, 5):
        with T.sblock("bits"):
            vi, vj = T.axis.remap("SR", [i, j])
            with T.init():
                B[vi] = T.uint8(0)
                C[vi] = T.uint8(255)
            B[vi] = B[vi] | A[vi, vj]
            C[vi] = C[vi] & A[vi, vj]
""",
    "any-and-all": """
def main(A: T.Buffer((6, 5), "bool"), B: T.Buffer((6,), "bool"), C: T.Buffer((6,), "bool")):
    for i, j in T.grid(6, 5):
        with T.sblock("truth"):
            vi, vj = T.axis.remap("SR", [i, j])
            with T.init():
                B[vi] = T.bool(False)
                C[vi] = T.bool(True)
            B[vi] = B[vi] or A[vi, vj]
            C[vi] = C[vi] and A[vi, vj]
""",
    "argmax-two-buffers": """
def main(A: T.Buffer((4, 7), "float32"), I: T.Buffer((4,), "int32"), V: T.Buffer((4,), "float32")):
    for i, j in T.grid(4, 7):
        with T.sblock("argmax"):
            vi, vj = T.axis.remap("SR", [i, j])
            with T.init():
                I[vi] = -1
                V[vi] = T.min_value("float32")
            index: T.let[T.int32] = T.Select(V[vi] >= A[vi, vj], I[vi], vj)
            value: T.let[T.float32] = T.Select(V[vi] >= A[vi, vj], V[vi], A[vi, vj])
            I[vi] = index
            V[vi] = value
""",
    "matmul": """
def main(A: T.Buffer((7, 5), "float32"), B: T.Buffer((5, 6), "float32"), C: T.Buffer((7, 6), "float32")):
    for i, j, k in T.grid(7, 6, 5):
        with T.sblock("C"):
            vi, vj, vk = T.axis.remap("SSR", [i, j, k])
            with T.init():
                C[vi, vj] = T.float32(0)
            C[vi, vj] = C[vi, vj] + A[vi, vk] * B[vk, vj]
""",
    "init-in-a-block-of-its-own": """
def main(A: T.Buffer((6, 5), "float32"), B: T.Buffer((6,), "float32")):
    for i in range(6):
        with T.sblock("init"):
            vi = T.axis.spatial(6, i)
            B[vi] = T.float32(1)
        for j in range(5):
            with T.sblock("update"):
                vi, vj = T.axis.remap("SR", [i, j])
                B[vi] = B[vi] * A[vi, vj]
""",
    "reduction-to-scalar": """
def main(A: T.Buffer((5, 6), "float32"), S: T.Buffer((), "float32")):
    for i, j in T.grid(5, 6):
        with T.sblock("sum"):
            vi, vj = T.axis.remap("RR", [i, j])
            with T.init():
                S[()] = T.float32(0)
            S[()] = S[()] + A[vi, vj] * A[vi, vj]
""",
    "nested-reduction-blocks": """
def main(A: T.Buffer((4, 3, 5), "float32"), B: T.Buffer((4,), "float32")):
    for i, j in T.grid(4, 3):
        with T.sblock("outer"):
            vi, vj = T.axis.remap("SR", [i, j])
            with T.init():
                B[vi] = T.float32(0)
            for k in range(5):
                with T.sblock("inner"):
                    vk = T.axis.reduce(5, k)
                    B[vi] = B[vi] + A[vi, vj, vk]
""",
    "softmax-three-reductions": """
def main(A: T.Buffer((4, 7), "float32"), B: T.Buffer((4, 7), "float32")):
    with T.sblock("root"):
        top = T.sblock_alloc_buffer((4,), "float32")
        total = T.sblock_alloc_buffer((4,), "float32")
        for i, j in T.grid(4, 7):
            with T.sblock("top"):
                vi, vj = T.axis.remap("SR", [i, j])
                with T.init():
                    top[vi] = T.min_value("float32")
                top[vi] = T.max(top[vi], A[vi, vj])
        for i, j in T.grid(4, 7):
            with T.sblock("total"):
                vi, vj = T.axis.remap("SR", [i, j])
                with T.init():
                    total[vi] = T.float32(0)
                total[vi] = total[vi] + T.exp(A[vi, vj] - top[vi])
        for i, j in T.grid(4, 7):
            with T.sblock("out"):
                vi, vj = T.axis.remap("SS", [i, j])
                B[vi, vj] = T.exp(A[vi, vj] - top[vi]) / total[vi]
""",
}

ANNOTATED = {
    "software-pipeline": """
def main(A: T.Buffer((8, 6), "float32"), C: T.Buffer((8, 6), "float32")):
    for i in T.serial(8, annotations={"software_pipeline_stage": [0, 1], "software_pipeline_order": [0, 1]}):
        with T.sblock("compute"):
            T.reads(A[i, 0:6])
            T.writes(C[i, 0:6])
            B = T.sblock_alloc_buffer((1, 6), "float32", scope="shared")
            with T.sblock("load"):
                T.reads(A[i, 0:6])
                T.writes(B[0, 0:6])
                for j in range(6):
                    B[0, j] = A[i, j] * T.float32(2)
            with T.sblock("store"):
                T.reads(B[0, 0:6])
                T.writes(C[i, 0:6])
                for j in range(6):
                    C[i, j] = B[0, j] + T.float32(1)
""",
    "software-pipeline-three-stages": """
def main(A: T.Buffer((9, 4), "int32"), D: T.Buffer((9, 4), "int32")):
    for i in T.serial(9, annotations={"software_pipeline_stage": [0, 1, 2], "software_pipeline_order": [0, 1, 2]}):
        with T.sblock("compute"):
            T.reads(A[i, 0:4])
            T.writes(D[i, 0:4])
            B = T.sblock_alloc_buffer((1, 4), "int32", scope="shared")
            C = T.sblock_alloc_buffer((1, 4), "int32", scope="shared")
            with T.sblock("one"):
                T.reads(A[i, 0:4])
                T.writes(B[0, 0:4])
                for j in range(4):
                    B[0, j] = A[i, j] * 2
            with T.sblock("two"):
                T.reads(B[0, 0:4])
                T.writes(C[0, 0:4])
                for j in range(4):
                    C[0, j] = B[0, j] + i
            with T.sblock("three"):
                T.reads(C[0, 0:4])
                T.writes(D[i, 0:4])
                for j in range(4):
                    D[i, j] = C[0, 3 - j]
""",
    "software-pipeline-reordered": """
def main(A: T.Buffer((7, 4), "float32"), C: T.Buffer((7, 4), "float32")):
    for i in T.serial(7, annotations={"software_pipeline_stage": [0, 1], "software_pipeline_order": [1, 0]}):
        with T.sblock("compute"):
            T.reads(A[i, 0:4])
            T.writes(C[i, 0:4])
            B = T.sblock_alloc_buffer((1, 4), "float32", scope="local")
            with T.sblock("load"):
                T.reads(A[i, 0:4])
                T.writes(B[0, 0:4])
                for j in range(4):
                    B[0, j] = A[i, j]
            with T.sblock("store"):
                T.reads(B[0, 0:4])
                T.writes(C[i, 0:4])
                for j in range(4):
                    C[i, j] = B[0, j] * B[0, j]
""",
    "double-buffer-attribute": """
def main(A: T.Buffer((8, 4), "float32"), C: T.Buffer((8, 4), "float32")):
    for i in T.serial(8, annotations={"software_pipeline_stage": [0, 1], "software_pipeline_order": [0, 1]}):
        with T.sblock("compute"):
            T.reads(A[i, 0:4])
            T.writes(C[i, 0:4])
            B = T.sblock_alloc_buffer((1, 4), "float32", scope="local")
            with T.sblock("load"):
                T.reads(A[i, 0:4])
                T.writes(B[0, 0:4])
                T.sblock_attr({"double_buffer_scope": 0})
                for j in range(4):
                    B[0, j] = A[i, j] + T.float32(3)
            with T.sblock("store"):
                T.reads(B[0, 0:4])
                T.writes(C[i, 0:4])
                for j in range(4):
                    C[i, j] = B[0, j]
""",
    "irregular-loop": """
def main(A: T.Buffer((6, 6), "int32")):
    for i in T.serial(6, annotations={"irregular_loop_mark": 1}):
        for j in range(6):
            with T.sblock("A"):
                vi, vj = T.axis.remap("SS", [i, j])
                if vi == vj:
                    A[vi, vj] = 0
""",
    "block-annotations": """
def main(A: T.Buffer((6, 8), "float32"), B: T.Buffer((6, 8), "float32")):
    for i, j in T.grid(6, 8):
        with T.sblock("B"):
            vi, vj = T.axis.remap("SS", [i, j])
            T.sblock_attr({"meta_schedule.unroll_explicit": 16, "script_parsing_detect_access": 3})
            B[vi, vj] = T.tanh(A[vi, vj])
""",
    "storage-align": """
def main(A: T.Buffer((6, 8), "float32"), B: T.Buffer((6, 8), "float32")):
    with T.sblock("root"):
        C = T.sblock_alloc_buffer((6, 8), "float32")
        for i, j in T.grid(6, 8):
            with T.sblock("C"):
                vi, vj = T.axis.remap("SS", [i, j])
                T.sblock_attr({"buffer_dim_align": [[0, 0, 16, 5]]})
                C[vi, vj] = A[vi, vj] * T.float32(2)
        for i, j in T.grid(6, 8):
            with T.sblock("B"):
                vi, vj = T.axis.remap("SS", [i, j])
                B[vi, vj] = C[vi, vj] + C[5 - vi, vj]
""",
    "partition-hint-on-blocks": """
def main(A: T.Buffer((26,), "float32"), B: T.Buffer((26,), "float32")):
    for i in T.serial(30, annotations={"pragma_loop_partition_hint": 1}):
        with T.sblock("B"):
            vi = T.axis.spatial(26, T.min(T.max(i - 2, 0), 25))
            T.where(2 <= i and i < 28)
            B[vi] = A[vi] + T.float32(1)
""",
}
