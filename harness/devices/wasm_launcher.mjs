// Loads WebAssembly kernels, runs them on arrays and times them. Used in Node and in browsers.
//
// A kernel's module imports env.memory alone. Its arrays are put into a memory of its own, above what
// the module itself uses; the function takes their addresses, then the scalars.

const PAGE = 65536;
const ALIGNMENT = 64;
const SAMPLE_MS = 0.5; // a shorter sample would show the clock's own steps
const STEADY = 0.02; // warm once a round is no faster than this share

const roundUp = (value, multiple) => Math.ceil(value / multiple) * multiple;

export class WasmLauncher {
  #modules = new Map();
  #next = 1;

  // Compile a module; throws WebAssembly.CompileError.
  load(bytes) {
    const module = new WebAssembly.Module(bytes);
    this.#modules.set(this.#next, module);
    return this.#next++;
  }

  release(handle) {
    return this.#modules.delete(handle);
  }

  // An instance with the arrays in its memory.
  #place({ handle, entry, scalars, base }, arrays) {
    const addresses = [];
    let end = roundUp(base, ALIGNMENT);
    for (const array of arrays) {
      addresses.push(end);
      end = roundUp(end + array.byteLength, ALIGNMENT);
    }
    const pages = Math.ceil(end / PAGE) + 1;
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    const instance = new WebAssembly.Instance(this.#modules.get(handle), { env: { memory } });
    arrays.forEach((array, i) => new Uint8Array(memory.buffer).set(array, addresses[i]));
    const call = instance.exports[entry];
    const values = [...addresses, ...scalars];
    return { memory, addresses, call: () => call(...values) };
  }

  // The arrays that the call writes, as it leaves them.
  run(launch, arrays) {
    const { memory, addresses, call } = this.#place(launch, arrays);
    call();
    return launch.writes.map(
      (i) => new Uint8Array(memory.buffer, addresses[i], arrays[i].byteLength),
    );
  }

  // For each launch, the milliseconds of one call, several times. The launches take turns, so that
  // what disturbs the machine disturbs them alike.
  time(launches, arrays, budgetMs) {
    const start = performance.now();
    let taken = 0;
    const placed = launches.map((launch) => {
      const own = arrays.slice(taken, (taken += launch.count));
      return { ...this.#place(launch, own), repeats: 1, best: Infinity, samples: [] };
    });
    for (const each of placed) warmUp(each, start + budgetMs / 2);
    do {
      for (const each of placed) each.samples.push(sample(each));
    } while (performance.now() - start < budgetMs || placed[0].samples.length < 3);
    return placed.map((each) => each.samples);
  }
}

function sample({ call, repeats }) {
  const start = performance.now();
  for (let i = 0; i < repeats; i++) call();
  return (performance.now() - start) / repeats;
}

function warmUp(each, deadline) {
  let calm = 0;
  while (calm < 3 && performance.now() < deadline) {
    const took = sample(each);
    each.repeats = Math.max(1, Math.ceil(SAMPLE_MS / Math.max(took, 1e-6)));
    calm = took < each.best * (1 - STEADY) ? 0 : calm + 1;
    each.best = Math.min(each.best, took);
  }
}
