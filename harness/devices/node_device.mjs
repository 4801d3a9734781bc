// The Node side of node.py: takes requests from standard input, answers on standard output.

import { Channel } from "./channel.mjs";
import { WasmLauncher } from "./wasm_launcher.mjs";

const channel = new Channel();
const launcher = new WasmLauncher();

const actions = {
  identify: () => [{ node: process.version, v8: process.versions.v8, arch: process.arch }],
  load: ({ handle, shaders, arrays }) => {
    if (shaders) throw Object.assign(new Error("Node has no WebGPU"), { kind: "refused" });
    launcher.load(handle, arrays[0]);
    return [{}];
  },
  release: ({ handle }) => [{ released: launcher.release(handle) }],
  run: ({ launch, arrays }) => [{}, launcher.run(launch, arrays)],
  time: ({ launches, seconds, arrays }) => [
    { samples: launcher.time(launches, arrays, seconds * 1000) },
  ],
};

for (;;) {
  const request = channel.receive();
  try {
    channel.send(...actions[request.do](request));
  } catch (error) {
    channel.send({ error: error.kind ?? "failed", message: `${error.name}: ${error.message}` });
  }
}
