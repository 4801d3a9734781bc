"""WebAssembly without a toolchain: reading LLVM's objects, and making one module of them."""
