// The runtime of a jitweb bundle: loads its plan and weights, and runs the model on WebAssembly or
// WebGPU. No dependencies; in browsers and in Node. runtime.d.ts has the types.
//
//   const model = await load("./out/");
//   const { logits } = await model.run({ input_ids });

import { Files } from "./files.mjs";
import { TYPES, conditionOf, parseSafetensors } from "./plan.mjs";
import { DISPOSED, isNode, product } from "./shared.mjs";
import { isThread, openWasm } from "./wasm.mjs";
import { openWebgpu } from "./webgpu.mjs";

const PROFILES = 5, PROFILED_MS = 50;
const BACKENDS = { wasm: openWasm, webgpu: openWebgpu };

/** Load a bundle from the address of its folder. */
export async function load(url, options = {}) {
  const { target, threads = 1, verify = true, onProgress = () => {}, device = null } = options;
  if (isThread) throw new Error("a thread of the runtime loads no models: wasm.mjs must stay a file of its own");
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

// The bundle's targets that this place can run.
async function usable(plan, device) {
  const names = Object.keys(plan.targets);
  if (names.length === 1 || device) return names;
  const adapter = await globalThis.navigator?.gpu?.requestAdapter?.().catch(() => null);
  return names.filter((name) => name !== "webgpu" || adapter);
}

// Each target is timed on this device; the faster one is kept, and remembered.
async function faster(plan, names, open, key) {
  const remembered = memory.get(key);
  if (names.includes(remembered)) {
    try {
      return await open(remembered);
    } catch {
      // The device has changed since: look again.
    }
  }
  const [{ inputs: tensors, when }] = plan.variants;
  const zeros = Object.fromEntries(tensors.map(({ name, dtype, shape }) => [name, new TYPES[dtype](product(shape))]));
  const inputs = { ...zeros, ...when };
  let best = null;
  const failures = [];
  for (const name of names) {
    let model;
    try {
      model = await open(name);
      const took = await steady(model, inputs);
      if (best && best.took <= took) model.dispose();
      else {
        best?.model.dispose();
        best = { model, took };
      }
    } catch (error) {
      model?.dispose();
      failures.push(`${name} can't be used: ${error.message}`);
    }
  }
  if (!best) throw new Error(failures.join("; "));
  best.model.notes.push(...failures);
  memory.set(key, best.model.target);
  return best.model;
}

// The time of a run once it is warm: the best of three, of fewer where they take long.
async function steady(model, inputs) {
  let best = Infinity;
  await model.run(inputs);
  for (let i = 0, start = performance.now(); i < 3 && (i === 0 || performance.now() - start < 300); i++) {
    const begin = performance.now();
    await model.run(inputs);
    best = Math.min(best, performance.now() - begin);
  }
  return best;
}

// Which target was the faster one: kept by browsers over visits, elsewhere until the program ends.
const memory = {
  known: new Map(),
  get(key) {
    try {
      return this.known.get(key) ?? (isNode ? null : globalThis.localStorage?.getItem(key));
    } catch {
      return null; // a page may be denied it
    }
  },
  set(key, value) {
    this.known.set(key, value);
    try {
      if (!isNode) globalThis.localStorage?.setItem(key, value);
    } catch {
      // Chosen again next time.
    }
  },
};

class Model {
  #plan;
  #backend;
  #queue = Promise.resolve();

  constructor(plan, target, backend, notes) {
    this.#plan = plan;
    this.#backend = backend;
    this.target = target;
    this.name = plan.model;
    const facts = (tensors) => tensors.map(({ name, dtype, shape }) => ({ name, dtype, shape }));
    this.variants = plan.variants.map(({ when, inputs, outputs }) => ({ when, inputs: facts(inputs), outputs: facts(outputs) }));
    const all = (role) => Array.from(new Map(this.variants.flatMap((each) => each[role].map((each) => [each.name, each]))).values());
    this.inputs = all("inputs");
    this.outputs = all("outputs");
    this.device = backend.device;
    this.threads = backend.threads;
    this.notes = [...backend.notes, ...notes];
    this.timings = { fetch_ms: null, compile_ms: null, first_run_ms: null };
  }

  /** Run the model; runs that overlap take turns. */
  run(inputs) {
    return this.#inTurn(inputs, async (stored, number) => {
      const start = performance.now();
      const results = await this.#backend.run(stored, number);
      this.timings.first_run_ms ??= performance.now() - start;
      return Object.fromEntries(
        this.#plan.variants[number].outputs.map((output, i) => [output.name, fromStored(output, results[i])]),
      );
    });
  }

  /** Run the model some times and time each call of a kernel. */
  profile(inputs) {
    return this.#inTurn(inputs, async (stored, number) => {
      const times = await timesOf(this.#backend, stored, number);
      return this.#plan.variants[number].calls[this.target].map(({ task, kernel }, i) => ({
        task, kernel, kind: this.#plan.tasks[task].kind, name: this.#plan.tasks[task].name,
        ms: times[i],
      }));
    });
  }

  async #inTurn(given, work) {
    const inputs = given ?? {}, number = this.#choose(inputs);
    const stored = this.#stored(inputs, number); // copied now: the caller may change them after this
    const turn = this.#queue.then(() => {
      if (!this.#backend) throw new Error(DISPOSED);
      return work(stored, number);
    });
    this.#queue = turn.catch(() => {});
    return turn;
  }

  // The number of the first variant whose condition these inputs fulfil.
  #choose(inputs) {
    const isSo = ([name, value]) => Boolean(inputs[name]?.[0] ?? inputs[name]) === value;
    const number = this.variants.findIndex(({ when }) => Object.entries(when).every(isSo));
    if (number < 0) throw new Error(`the model's variants are ${this.variants.map(({ when }) => conditionOf(when)).join("; ")}`);
    return number;
  }

  #stored(inputs, number) {
    const known = this.inputs.map(({ name }) => name); // of any variant
    for (const name of Object.keys(inputs)) {
      if (!known.includes(name)) throw new Error(`the model has no input ${name}; it has ${known.join(", ")}`);
    }
    return this.#plan.variants[number].inputs.map((input) => toStored(input, inputs[input.name]));
  }

  /** Give back memory, workers and GPU buffers. */
  dispose() {
    this.#backend?.dispose();
    this.#backend = null;
  }
}

// The time of each call: the median of means over runs that take a while together. A clock's step, of
// 0.1 ms in some browsers, is far longer than a small kernel takes, but not than many together.
async function timesOf(backend, stored, number) {
  const means = [], begin = performance.now();
  do {
    const sums = [], start = performance.now();
    let runs = 0;
    do {
      const times = await backend.profile(stored, number);
      times.forEach((ms, i) => (sums[i] = (sums[i] ?? 0) + ms));
      runs++;
      if (times.includes(null)) return times;
    } while (performance.now() - start < PROFILED_MS);
    means.push(sums.map((sum) => sum / runs));
    await new Promise((resolve) => setTimeout(resolve)); // let a page paint
  } while (means.length < PROFILES && performance.now() - begin < 2 * PROFILES * PROFILED_MS);
  return means[0].map((_, i) => means.map((each) => each[i]).sort((a, b) => a - b)[(means.length - 1) >> 1]);
}

const describe = ({ dtype, shape }) => `${dtype} [${shape.join(", ")}], ${product(shape)} elements`;
const FLOATS = /^Float\d+Array$/, INTEGERS = /^(Big)?(Int|Uint)\d+(Clamped)?Array$/;

// A copy of a user's values as the kernels read them.
function toStored(input, values) {
  const { name, dtype, stored, shape } = input;
  if (values === undefined || values === null) throw new Error(`the input ${name} is missing: ${describe(input)}`);
  if (dtype === "bool" && typeof values === "boolean") values = [values];
  const isFloat = FLOATS.test(TYPES[stored].name), isArray = Array.isArray(values);
  // By its tag, as a typed array may come from another frame, whose classes are not these.
  if (!isArray && !(isFloat ? FLOATS : INTEGERS).test(values[Symbol.toStringTag])) {
    throw new Error(`the input ${name} must be ${describe(input)}`);
  }
  if (values.length !== product(shape)) {
    throw new Error(`the input ${name} has ${values.length} elements, and must be ${describe(input)}`);
  }
  if (isFloat && !isArray) return new TYPES[stored](values);
  const result = new TYPES[stored](values.length), bits = 8 * result.BYTES_PER_ELEMENT;
  const [least, greatest] = input.range ?? [-Infinity, Infinity];
  for (let i = 0; i < result.length; i++) {
    const value = values[i], type = typeof value;
    const number = dtype === "bool" ? Number(Boolean(value)) : stored === "int64" ? wide(value) : Number(value);
    const fits = type === "number" || (type === "bigint" && !isFloat) || (type === "boolean" && dtype === "bool");
    if (fits && (isFloat || number === number)) result[i] = number;
    if (!fits || (!isFloat && result[i] !== number)) {
      throw new Error(`the input ${name} holds ${value}, which is not a ${isFloat ? "number" : `${bits}-bit integer`}`);
    }
    if (number < least || number > greatest) {
      throw new Error(`the input ${name} holds ${value}; it must be from ${least} to ${greatest}, as the model's tables and 32-bit integers ask`);
    }
  }
  return result;
}

// A whole number as a BigInt, anything else as NaN.
const wide = (value) => (typeof value === "bigint" ? value : Number.isInteger(value) ? BigInt(value) : NaN);

function fromStored(output, stored) {
  const Type = TYPES[output.dtype];
  if (stored instanceof Type) return stored;
  return output.dtype === "int64" ? Type.from(stored, BigInt) : Type.from(stored);
}
