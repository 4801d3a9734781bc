"""From an ONNX file to what TVM imports.

    file --(read)--> fixed shapes --(simplify)--> opset 20, folded --(to_relax)--> Relax

rules.py is the table of operators that are rewritten into others, convert/ that of operators for
which TVM's frontend has no converter or a wrong one.
"""
