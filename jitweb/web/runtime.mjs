// The runtime of a jitweb bundle: loads its plan and weights, and runs the model on WebAssembly or
// WebGPU. No dependencies; in browsers and in Node. runtime.d.mts has the types.
//
//   const model = await load("./out/");
//   const { logits } = await model.run({ input_ids });

import { faster, usable } from "./choose.mjs";
import { Files } from "./files.mjs";
import { Model } from "./model.mjs";
import { parseSafetensors } from "./plan.mjs";
import { openWasm } from "./wasm.mjs";
import { openWebgpu } from "./webgpu.mjs";

const BACKENDS = { wasm: openWasm, webgpu: openWebgpu };

/** Load a bundle from the address of its folder, by default the runtime's own. */
export async function load(url, options = {}) {
  const { target, threads = 1, verify = true, onProgress = () => {}, device = null } = options;
  if (!Number.isInteger(threads) || threads < 1) throw new Error("threads must be a whole number from 1 up");
  const started = performance.now();
  const files = new Files(url, verify, onProgress);
  const plan = await files.readPlan();
  if (target && !Object.hasOwn(plan.targets, target)) {
    throw new Error(`the bundle has no ${target}; it has ${Object.keys(plan.targets).join(", ")}`);
  }
  const names = target ? [target] : await usable(plan, device);
  // On their way while kernels are compiled.
  const weights = files.read("weights.safetensors").then(parseSafetensors);
  const fetched = weights.then(() => performance.now(), () => null);
  const open = async (name) => {
    const opened = performance.now();
    const backend = await BACKENDS[name](plan, weights, files, { threads, device });
    const model = new Model(plan, name, backend, files.notes);
    model.timings.fetch_ms = (await fetched) - started;
    model.timings.compile_ms = performance.now() - Math.max(opened, await fetched);
    return model;
  };
  return names.length === 1 ? open(names[0]) : faster(plan, names, open, `jitweb:${threads}:${files.planDigest}`);
}
