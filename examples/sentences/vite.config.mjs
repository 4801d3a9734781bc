// Memory for threads needs an isolated page: whoever serves the result sends the same two headers.
const headers = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

export default { base: "./", build: { target: "esnext" }, server: { headers }, preview: { headers } };
