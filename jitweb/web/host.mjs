// Runs a bundle for the command line: loads it by the runtime beside, feeds it arrays, measures it.
//
// A module for the devices' programs, in Node and in browsers, which carry requests and answers from
// and to Python; host.py is the other end.

import { TYPES } from "./plan.mjs";

const MOST_SAMPLES = 100_000; // host.py takes no more
const STEADY = 0.02; // warm once three runs in a row are no faster than this share

class Host {
  #model = null;

  // Answer one request: [answer, arrays].
  async handle(request, arrays, addressOf) {
    switch (request.do) {
      case "load": return [await this.#load(request, addressOf("bundle")), []];
      case "run": return this.#run(request, arrays);
      case "bench": return [await this.#bench(this.#inputs(request, arrays), request.seconds * 1000), []];
      case "profile": return [await this.#profile(this.#inputs(request, arrays)), []];
      default: throw new Error(`unknown request ${request.do}`);
    }
  }

  async #load({ target, threads }, url) {
    const started = performance.now();
    const { load } = await import("./runtime.mjs");
    this.#model = await load(url, { target: target ?? undefined, threads });
    const { device, notes } = this.#model;
    const load_ms = performance.now() - started;
    return { device, notes, threads: this.#model.threads, load_ms };
  }

  // The arrays, in their order, as the inputs of a variant.
  #inputs({ variant }, arrays) {
    const { inputs } = this.#model.variants[variant];
    return Object.fromEntries(
      inputs.map(({ name, dtype }, i) => {
        const copy = arrays[i].slice(); // aligned
        return [name, new TYPES[dtype](copy.buffer, copy.byteOffset, copy.byteLength / TYPES[dtype].BYTES_PER_ELEMENT)];
      }),
    );
  }

  async #run(request, given) {
    const results = await this.#model.run(this.#inputs(request, given));
    const arrays = this.#model.variants[request.variant].outputs.map(({ name }) => {
      const { buffer, byteOffset, byteLength } = results[name];
      return new Uint8Array(buffer, byteOffset, byteLength);
    });
    return [{}, arrays];
  }

  // Milliseconds of each run after the model is warm; the first one's apart.
  async #bench(inputs, budgetMs) {
    const start = performance.now();
    const once = async () => {
      const begin = performance.now();
      await this.#model.run(inputs);
      return performance.now() - begin;
    };
    const first = await once();
    let best = Infinity;
    for (let calm = 0; calm < 3 && performance.now() - start < budgetMs / 2; ) {
      const took = await once();
      calm = took < best * (1 - STEADY) ? 0 : calm + 1;
      best = Math.min(best, took);
    }
    const samples = [];
    do samples.push(await once());
    while (samples.length < (performance.now() - start < budgetMs ? MOST_SAMPLES : 3));
    return { first_run_ms: first, samples, timings: this.#model.timings };
  }

  async #profile(inputs) {
    await this.#model.run(inputs);
    return { calls_ms: (await this.#model.profile(inputs)).map(({ ms }) => ms) };
  }
}

const host = new Host();

export const handle = (request, arrays, addressOf) => host.handle(request, arrays, addressOf);
