// The Node side of node.py: WebAssembly kernels, loaded, run and timed.

import { failure } from "./channel.mjs";
import { WasmLauncher } from "./wasm_launcher.mjs";

const launcher = new WasmLauncher();

const actions = {
  identify: () => [{ node: process.version, v8: process.versions.v8, arch: process.arch }],
  load: ({ handle, shaders }, [bytes]) => {
    if (shaders) throw Object.assign(new Error("Node has no WebGPU"), { kind: "refused" });
    launcher.load(handle, bytes);
    return [{}];
  },
  release: ({ handle }) => [{ released: launcher.release(handle) }],
  run: ({ launch }, arrays) => [{}, launcher.run(launch, arrays)],
  time: ({ launches, seconds }, arrays) => [
    { samples: launcher.time(launches, arrays, seconds * 1000) },
  ],
};

export function handle(request, arrays) {
  try {
    return actions[request.do](request, arrays);
  } catch (error) {
    return [failure(error, `${error.name}: ${error.message}`)];
  }
}
