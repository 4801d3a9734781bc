"""WebAssembly without a toolchain: reads LLVM's object files and links them into one module."""
