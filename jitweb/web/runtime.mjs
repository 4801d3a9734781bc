// The runtime of a jitweb bundle: loads its plan and weights, and runs the model on WebAssembly or
// WebGPU. No dependencies; in browsers and in Node. runtime.d.mts has the types.
//
//   const model = await load("./out/");
//   const { logits } = await model.run({ input_ids });

import { checkOptions, untilAborted } from "./abort.mjs";
import { openModel } from "./open.mjs";
import { openRemote } from "./remote.mjs";
import { builtin, isNode } from "./shared.mjs";

const OPTIONS = ["target", "threads", "worker", "cache", "signal", "verify", "onProgress", "device"];
const MOST_THREADS = 8; // that are started unasked

/** Load a bundle from the address of its folder, by default the runtime's own. */
export async function load(url, options = {}) {
  if (isNode && !process.getBuiltinModule) {
    throw new Error(`this is Node ${process.versions.node}; the runtime needs 20.16, 22.3 or later`);
  }
  if (url !== undefined && typeof url !== "string" && !(url instanceof URL)) {
    throw new Error("the first argument of load is the address of the bundle's folder, the second are options");
  }
  checkOptions(options, OPTIONS, "load");
  const { signal, threads = threadsHere(), worker = false, cache = false, verify = true, onProgress = () => {}, device = null, target } = options;
  if (!Number.isInteger(threads) || threads < 1) throw new Error("threads must be a whole number from 1 up");
  if (worker && device) throw new Error("a GPUDevice can't go to a worker: leave out device or worker");
  const open = worker ? openRemote : openModel;
  const opened = open(url, { target, threads, cache, verify, onProgress, device, signal });
  return untilAborted(signal, opened, (model) => model.dispose());
}

function threadsHere() {
  const processors = isNode ? builtin("os").availableParallelism() : globalThis.navigator?.hardwareConcurrency;
  return Math.min(processors || 1, MOST_THREADS);
}
