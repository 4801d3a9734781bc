// Loads WebAssembly kernels, runs them on arrays and times them. Used in Node and in browsers.
//
// A kernel's module imports env.memory and possibly functions of C's math library. Its arrays are
// placed in its own memory, after the module's static data; the function takes their addresses, then
// the scalars.

const PAGE = 65536;
const ALIGNMENT = 64;
const SAMPLE_MS = 0.5; // the clock's resolution would dominate a shorter sample
const STEADY = 0.02; // warm when a round improves by less than this fraction
const GROWTH = 8; // the maximum factor by which repeats grow from one sample to the next
const GUARD = 64; // bytes around each array that a kernel must not write
const CANARY = 0xa5;

const roundUp = (value, multiple) => Math.ceil(value / multiple) * multiple;

// The functions that LLVM calls if WebAssembly has no instruction; as in harness/targets/wasm.py.
const C_MATHS = Object.fromEntries(
  Object.entries({
    acos: Math.acos, acosh: Math.acosh, asin: Math.asin, asinh: Math.asinh, atan: Math.atan,
    atan2: Math.atan2, atanh: Math.atanh, cos: Math.cos, cosh: Math.cosh, exp: Math.exp,
    exp2: (x) => 2 ** x, exp10: (x) => 10 ** x, fmod: (x, y) => x % y, hypot: Math.hypot,
    log: Math.log, log10: Math.log10, log1p: Math.log1p, log2: Math.log2, pow: (x, y) => x ** y,
    round: (x) => Math.sign(x) * Math.round(Math.abs(x)), sin: Math.sin, sinh: Math.sinh,
    tan: Math.tan, tanh: Math.tanh,
  }).flatMap(([name, apply]) => [
    [name, apply],
    [`${name}f`, apply], // the result is rounded to float32 when it is returned
  ]),
);

class StrayWrite extends Error {
  name = "StrayWrite";
}

// An error whose kind remote.py knows: "refused" code, or an "unknown" handle.
const as = (kind, error) => Object.assign(error, { kind });

export class WasmLauncher {
  #modules = new Map();

  // Compile a module for a handle.
  load(handle, bytes) {
    try {
      this.#modules.set(handle, new WebAssembly.Module(bytes));
    } catch (error) {
      throw error instanceof WebAssembly.CompileError ? as("refused", error) : error;
    }
  }

  has(handle) {
    return this.#modules.has(handle);
  }

  release(handle) {
    return this.#modules.delete(handle);
  }

  // An instance with the arrays placed in its memory.
  #place({ handle, entry, scalars, base }, arrays) {
    const module = this.#modules.get(handle);
    if (!module) throw as("unknown", new Error(`there is no code ${handle}`));
    const addresses = [];
    let end = roundUp(base, ALIGNMENT) + GUARD;
    for (const array of arrays) {
      addresses.push(end);
      end = roundUp(end + array.byteLength, ALIGNMENT) + GUARD;
    }
    const pages = Math.ceil(end / PAGE) + 1;
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    const instance = instantiate(module, memory);
    const bytes = new Uint8Array(memory.buffer);
    bytes.fill(CANARY, base, end);
    arrays.forEach((array, i) => bytes.set(array, addresses[i]));
    const call = instance.exports[entry];
    const values = [...addresses, ...scalars];
    return { memory, addresses, call: () => call(...values) };
  }

  // The arrays that the call writes, after the call. Throws if it writes outside of its arrays.
  run(launch, arrays) {
    const { memory, addresses, call } = this.#place(launch, arrays);
    call();
    const bytes = new Uint8Array(memory.buffer);
    let free = roundUp(launch.base, ALIGNMENT);
    for (let i = 0; i <= arrays.length; i++) {
      const next = addresses[i] ?? roundUp(free, ALIGNMENT) + GUARD;
      for (let at = free; at < next; at++) if (bytes[at] !== CANARY) throw stray(at, i, free, next);
      free = next + (arrays[i]?.byteLength ?? 0);
    }
    return launch.writes.map(
      (i) => new Uint8Array(memory.buffer, addresses[i], arrays[i].byteLength),
    );
  }

  // For each launch, samples of the milliseconds of one call. The launches alternate, so that other
  // load on the machine affects all of them.
  time(launches, arrays, budgetMs) {
    const start = performance.now();
    let taken = 0;
    const placed = launches.map((launch) => {
      const own = arrays.slice(taken, (taken += launch.count));
      return { ...this.#place(launch, own), repeats: 1, best: Infinity, samples: [] };
    });
    for (const each of placed) warmUp(each, start + budgetMs / 2);
    do {
      for (const each of placed) measure(each);
    } while (performance.now() - start < budgetMs || placed.some((each) => each.samples.length < 3));
    return placed.map((each) => each.samples);
  }
}

// The error for a write at an address between array `i - 1`, which ends at `free`, and array `i`.
function stray(at, i, free, next) {
  const isBefore = i === 0 || next - at <= GUARD / 2;
  return new StrayWrite(
    isBefore
      ? `parameter ${i} was written ${next - at} bytes before the start`
      : `parameter ${i - 1} was written ${at - free} bytes past the end`,
  );
}

function instantiate(module, memory) {
  try {
    return new WebAssembly.Instance(module, { env: { ...C_MATHS, memory } });
  } catch (error) {
    throw error instanceof WebAssembly.LinkError ? as("refused", error) : error;
  }
}

function sample({ call, repeats }) {
  const start = performance.now();
  for (let i = 0; i < repeats; i++) call();
  return (performance.now() - start) / repeats;
}

// Take one more sample. If the clock's resolution is too low, the call is repeated more often.
function measure(each) {
  const took = sample(each);
  if (took > 0) each.samples.push(took);
  else each.repeats *= GROWTH;
}

function warmUp(each, deadline) {
  let calm = 0;
  while (calm < 3 && performance.now() < deadline) {
    const took = sample(each);
    if (took > 0) {
      calm = took < each.best * (1 - STEADY) ? 0 : calm + 1;
      each.best = Math.min(each.best, took); // a longer time may be due to other load
    }
    const wanted = Math.max(1, Math.ceil(SAMPLE_MS / each.best)); // 1 at first
    const most = GROWTH * each.repeats;
    each.repeats = Math.min(most, each.best === Infinity ? most : wanted);
  }
}
