// Opens a bundle in this thread: the plan, then weights and kernels at the same time.

import { faster, usable } from "./choose.mjs";
import { Files } from "./files.mjs";
import { Model } from "./model.mjs";
import { parseSafetensors } from "./plan.mjs";
import { openWasm } from "./wasm.mjs";
import { openWebgpu } from "./webgpu.mjs";

const BACKENDS = { wasm: openWasm, webgpu: openWebgpu };

/** The model of a bundle; `options` are those of `load`, with what it takes where one is left out. */
export async function openModel(url, options) {
  const { target, threads, device, signal } = options;
  const started = performance.now();
  const files = new Files(url, options);
  const plan = await files.readPlan();
  if (target && !Object.hasOwn(plan.targets, target)) {
    throw new Error(`the bundle has no ${target}; it has ${Object.keys(plan.targets).join(", ")}`);
  }
  const names = target ? [target] : await usable(plan, device);
  signal?.throwIfAborted();
  // On their way while kernels are compiled.
  const weights = files.readAll(plan.weights).then(parseSafetensors);
  const fetched = weights.then(() => performance.now(), () => null);
  const open = async (name) => {
    const opened = performance.now();
    const backend = await BACKENDS[name](plan, weights, files, { threads, device });
    const model = new Model(plan, name, backend, files.notes);
    model.timings.fetch_ms = (await fetched) - started;
    model.timings.compile_ms = performance.now() - Math.max(opened, await fetched);
    return model;
  };
  const key = `jitweb:${threads}:${files.planDigest}`;
  const model = await (names.length === 1 ? open(names[0]) : faster(plan, names, open, key, files.notes));
  files.finish();
  return model;
}
