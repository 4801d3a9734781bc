"""The direct emitter: lowered TIR to the code of a WebAssembly function, without LLVM.

In the order in which it happens:

1. `program.py` reads the function as plain numbers and names, in one call of TVM;
2. `statements.py`, `expressions.py`, `calls.py`, `lanes.py` and `memory.py` say what each of its
   nodes means, as nodes of a graph (`graph.py`) that are computed once, as far outside of loops as
   they can be; `promotion.py` picks the buffers that live in WebAssembly's locals;
3. `code.py` writes the graph as bytes, and `module.py` makes an object of them for the linker.

What isn't covered is refused by its name (NotCovered), and LLVM takes over.
"""
