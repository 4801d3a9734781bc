// The program of a worker that has a model (load's option `worker`): answers what remote.mjs asks.

import { memory } from "./choose.mjs";
import { openModel } from "./open.mjs";
import { builtin, isNode } from "./shared.mjs";

const port = isNode ? builtin("worker_threads").parentPort : globalThis;
const aborts = new Map(); // by the numbers of calls
let model = null;

const facts = () => {
  const { name, target, inputs, outputs, variants, device, threads, notes, timings } = model;
  return { name, target, inputs, outputs, variants, device, threads, notes, timings };
};

const ACTS = {
  async load(signal, { url, options, remembered }) {
    for (const [key, target] of remembered) memory.known.set(key, target);
    const onProgress = (progress) => port.postMessage({ progress });
    model = await openModel(url, { ...options, onProgress, signal });
    return [[...memory.known]];
  },
  async run(signal, inputs) {
    const outputs = Object.entries(await model.run(inputs, { signal }));
    const results = outputs.map(([name, values]) => [name, values, values.dtype, values.dims]);
    return [results, outputs.map(([, { buffer }]) => buffer)];
  },
  async profile(signal, inputs) {
    return [await model.profile(inputs, { signal })];
  },
};

async function answer({ id, act, given, abort }) {
  if (abort) return aborts.get(id)?.abort();
  const controller = new AbortController();
  aborts.set(id, controller);
  try {
    const [result, transferred = []] = await ACTS[act](controller.signal, given);
    port.postMessage({ id, result, facts: facts() }, transferred);
  } catch (error) {
    port.postMessage({ id, error: error.message, facts: model && facts() });
  } finally {
    aborts.delete(id);
  }
}

if (isNode) port.on("message", answer);
else addEventListener("message", ({ data }) => answer(data));
port.postMessage({ isStarted: true });
