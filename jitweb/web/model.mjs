// A model that was loaded: its runs take turns on the backend of its target.

import { checkOptions, untilAborted } from "./abort.mjs";
import { lengthOf, shapeAt } from "./extent.mjs";
import { conditionOf } from "./plan.mjs";
import { DISPOSED } from "./shared.mjs";
import { fromStored, toStored } from "./values.mjs";

const PROFILES = 5, PROFILED_MS = 50;

export class Model {
  #plan;
  #backend;
  #queue = Promise.resolve();
  #notes;

  constructor(plan, target, backend, notes) {
    this.#plan = plan;
    this.#backend = backend;
    this.target = target;
    this.name = plan.model;
    const facts = (tensors, most) => tensors.map(({ name, dtype, shape }) => ({ name, dtype, shape: shapeAt(shape, most) }));
    this.variants = plan.variants.map(({ when, open, inputs, outputs }) => ({
      when, open: open ?? null, inputs: facts(inputs, open?.most), outputs: facts(outputs, open?.most),
    }));
    const all = (role) => Array.from(new Map(this.variants.flatMap((each) => each[role].map((each) => [each.name, each]))).values());
    this.inputs = all("inputs");
    this.outputs = all("outputs");
    this.device = backend.device;
    this.threads = backend.threads;
    this.#notes = [backend.notes, notes]; // to which later ones may be added
    this.timings = { fetch_ms: null, compile_ms: null, first_run_ms: null };
  }

  get notes() {
    return this.#notes.flat();
  }

  /** Run the model; runs that overlap take turns. */
  run(inputs, options) {
    return this.#inTurn(inputs, options, async (stored, number, length) => {
      const start = performance.now();
      const results = await this.#backend.run(stored, number, length);
      this.timings.first_run_ms ??= performance.now() - start;
      return Object.fromEntries(
        this.#plan.variants[number].outputs.map((output, i) => [
          output.name, fromStored({ ...output, shape: shapeAt(output.shape, length) }, results[i]),
        ]),
      );
    });
  }

  /** Run the model some times and time each call of a kernel. */
  profile(inputs, options) {
    return this.#inTurn(inputs, options, async (stored, number, length) => {
      const times = await timesOf(this.#backend, stored, number, length);
      return this.#plan.variants[number].calls[this.target].map(({ task, kernel }, i) => ({
        task, kernel, kind: this.#plan.tasks[task].kind, name: this.#plan.tasks[task].name,
        what: this.#plan.tasks[task].what ?? this.#plan.tasks[task].name, ms: times[i],
      }));
    });
  }

  async #inTurn(given, options = {}, work) {
    checkOptions(options, ["signal"], "a run");
    const inputs = given ?? {}, number = this.#choose(inputs);
    const length = lengthOf(this.#plan.variants[number], inputs);
    const stored = this.#stored(inputs, number, length); // copied now: the caller may change them after this
    const turn = this.#queue.then(() => {
      options.signal?.throwIfAborted();
      if (!this.#backend) throw new Error(DISPOSED);
      return work(stored, number, length);
    });
    this.#queue = turn.catch(() => {});
    return untilAborted(options.signal, turn);
  }

  // The number of the first variant whose condition these inputs fulfil.
  #choose(inputs) {
    const isSo = ([name, value]) => Boolean(inputs[name]?.[0] ?? inputs[name]) === value;
    const number = this.variants.findIndex(({ when }) => Object.entries(when).every(isSo));
    if (number < 0) throw new Error(`the model's variants are ${this.variants.map(({ when }) => conditionOf(when)).join("; ")}`);
    return number;
  }

  #stored(inputs, number, length) {
    const known = this.inputs.map(({ name }) => name); // of any variant
    for (const name of Object.keys(inputs)) {
      if (!known.includes(name)) throw new Error(`the model has no input ${name}; it has ${known.join(", ")}`);
    }
    return this.#plan.variants[number].inputs.map((input) =>
      toStored({ ...input, shape: shapeAt(input.shape, length) }, inputs[input.name]));
  }

  /** Give back memory, workers and GPU buffers. */
  dispose() {
    this.#backend?.dispose();
    this.#backend = null;
  }
}

// The time of each call: the median of means over runs that take a while together. A clock's step, of
// 0.1 ms in some browsers, is far longer than a small kernel takes, but not than many together.
async function timesOf(backend, stored, number, length) {
  const means = [], begin = performance.now();
  do {
    const sums = [], start = performance.now();
    let runs = 0;
    do {
      const times = await backend.profile(stored, number, length);
      times.forEach((ms, i) => (sums[i] = (sums[i] ?? 0) + ms));
      runs++;
      if (times.includes(null)) return times;
    } while (performance.now() - start < PROFILED_MS);
    means.push(sums.map((sum) => sum / runs));
    await new Promise((resolve) => setTimeout(resolve)); // let a page paint
  } while (means.length < PROFILES && performance.now() - begin < 2 * PROFILES * PROFILED_MS);
  return means[0].map((_, i) => means.map((each) => each[i]).sort((a, b) => a - b)[(means.length - 1) >> 1]);
}
