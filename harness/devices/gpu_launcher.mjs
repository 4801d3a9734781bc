// Loads WebGPU kernels, runs them on arrays and times them. Used in browsers' workers.
//
// A kernel is a list of shaders, as harness/targets/webgpu.py makes them, dispatched in order.

const SAMPLE_MS = 2; // the cost of submitting would dominate a shorter sample
const MOST_REPEATS = 1000; // in one command buffer
const GRACE_MS = 200; // errors may arrive before the device loss that caused them
const STEADY = 0.03; // warm when a round improves by less than this fraction
// All other limits are WebGPU's defaults, so that kernels run on every device.
const RAISED_LIMITS = ["maxBufferSize", "maxStorageBufferBindingSize"];
const REPORTED_LIMITS = [
  ...RAISED_LIMITS,
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupSizeY",
  "maxComputeWorkgroupSizeZ",
  "maxComputeWorkgroupStorageSize",
  "maxComputeWorkgroupsPerDimension",
  "maxStorageBuffersPerShaderStage",
];
const NO_ADAPTER =
  "the browser has no WebGPU adapter, not even one in software: take a newer one, or Chromium";
const WANTED_FEATURES = ["shader-f16", "timestamp-query"];

const failure = (kind, message) => Object.assign(new Error(message), { kind });
const multipleOfFour = (bytes) => Math.max(4, Math.ceil(bytes / 4) * 4);

export class GpuLauncher {
  #kernels = new Map();
  #opened = null;
  #lost = null;
  #info = null;

  async identify() {
    const device = await this.#device().catch((error) => {
      if (error.kind === "missing") return null;
      throw error;
    });
    if (device === null) return { adapter: null };
    const { vendor, architecture, description, isFallbackAdapter } = this.#info;
    const limits = Object.fromEntries(REPORTED_LIMITS.map((name) => [name, device.limits[name]]));
    const features = [...device.features].filter((name) => WANTED_FEATURES.includes(name));
    return {
      adapter: { vendor, architecture, description, fallback: !!isFallbackAdapter },
      features: features.sort(),
      limits,
    };
  }

  #device() {
    this.#opened ??= this.#open();
    return this.#opened;
  }

  async #open() {
    const adapter = await navigator.gpu?.requestAdapter({ powerPreference: "high-performance" });
    if (!adapter) throw failure("missing", NO_ADAPTER);
    this.#info = adapter.info;
    const device = await adapter.requestDevice({
      requiredFeatures: WANTED_FEATURES.filter((name) => adapter.features.has(name)),
      requiredLimits: Object.fromEntries(RAISED_LIMITS.map((name) => [name, adapter.limits[name]])),
    });
    this.#lost = device.lost.then(({ message }) => {
      throw failure("lost", `the GPU device was lost: ${message}`);
    });
    this.#lost.catch(() => {}); // it is awaited where it matters
    return device;
  }

  // The result of the work. If the device is lost meanwhile, that is the error, whatever follows.
  async #unlessLost(work) {
    try {
      return await Promise.race([work(), this.#lost]);
    } catch (error) {
      if (!error.kind) await Promise.race([this.#lost, new Promise((go) => setTimeout(go, GRACE_MS))]);
      throw error;
    }
  }

  // The result of the work; throws if the device is lost or reports an error.
  async #watched(device, work) {
    return this.#unlessLost(async () => {
      device.pushErrorScope("validation");
      device.pushErrorScope("out-of-memory");
      let result, thrown;
      try {
        result = await work();
      } catch (error) {
        thrown = error;
      }
      const memory = await device.popErrorScope();
      const invalid = await device.popErrorScope();
      if (memory) throw failure("failed", `out of memory: ${memory.message}`);
      if (invalid) throw failure("failed", invalid.message);
      if (thrown) throw thrown;
      return result;
    });
  }

  // Compile shaders; throws an error of kind "refused" with the validator's diagnostic.
  async load(handle, shaders) {
    const device = await this.#device();
    const compiled = [];
    for (const shader of shaders) {
      compiled.push(await this.#unlessLost(() => this.#compile(device, shader)));
    }
    this.#kernels.set(handle, compiled);
  }

  async #compile(device, shader) {
    device.pushErrorScope("validation");
    const module = device.createShaderModule({ code: shader.code });
    const [{ messages }, invalid] = await Promise.all([
      module.getCompilationInfo(),
      device.popErrorScope(),
    ]);
    const errors = messages.filter(({ type }) => type === "error");
    if (errors.length) {
      const lines = errors.map((e) => `${e.lineNum}:${e.linePos}: ${e.message}`);
      throw failure("refused", lines.join("; "));
    }
    if (invalid) throw failure("refused", invalid.message);
    return { ...shader, ...(await this.#pipeline(device, module, shader)) };
  }

  async #pipeline(device, module, shader) {
    const types = Array.from({ length: shader.bindings }, (_, i) =>
      shader.writes.includes(i) ? "storage" : "read-only-storage",
    );
    device.pushErrorScope("validation");
    const layout = device.createBindGroupLayout({
      entries: types.map((type, binding) => ({
        binding, visibility: GPUShaderStage.COMPUTE, buffer: { type },
      })),
    });
    const made = device
      .createComputePipelineAsync({
        layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
        compute: { module, entryPoint: shader.entry },
      })
      .catch((error) => {
        throw failure(error.reason === "internal" ? "failed" : "refused", error.message);
      });
    const invalid = await device.popErrorScope();
    const pipeline = await made;
    if (invalid) throw failure("refused", invalid.message);
    return { pipeline, layout };
  }

  release(handle) {
    return this.#kernels.delete(handle);
  }

  // Buffers with the arrays, and the dispatches on them.
  #place(device, launch, arrays) {
    const kernel = this.#kernels.get(launch.handle);
    if (!kernel) throw failure("unknown", `there is no code ${launch.handle}`);
    const buffers = arrays.map((array) => this.#filled(device, array, GPUBufferUsage.STORAGE));
    const dispatches = kernel.map((shader) => {
      const bound = shader.arguments.map((i) => buffers[i]);
      const group = device.createBindGroup({
        layout: shader.layout,
        entries: bound.map((buffer, binding) => ({ binding, resource: { buffer } })),
      });
      return { pipeline: shader.pipeline, group, grid: shader.grid };
    });
    return { buffers, dispatches, free: () => buffers.forEach((buffer) => buffer.destroy()) };
  }

  #filled(device, array, usage) {
    const buffer = device.createBuffer({
      size: multipleOfFour(array.byteLength),
      usage: usage | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
      mappedAtCreation: true,
    });
    new Uint8Array(buffer.getMappedRange()).set(array);
    buffer.unmap();
    return buffer;
  }

  // The arrays that the call writes, after the call.
  async run(launch, arrays) {
    const device = await this.#device();
    let placed;
    try {
      return await this.#watched(device, async () => {
        placed = this.#place(device, launch, arrays);
        const encoder = device.createCommandEncoder();
        dispatch(encoder.beginComputePass(), placed.dispatches, 1);
        const copies = launch.writes.map((i) => copyOut(device, encoder, placed.buffers[i]));
        device.queue.submit([encoder.finish()]);
        const results = [];
        for (const [k, copy] of copies.entries()) {
          await copy.mapAsync(GPUMapMode.READ);
          const size = arrays[launch.writes[k]].byteLength;
          results.push(new Uint8Array(copy.getMappedRange().slice(0, size)));
          copy.destroy();
        }
        return results;
      });
    } finally {
      placed?.free();
    }
  }

  // For each launch, samples of the milliseconds of one call. The launches alternate, so that other
  // load on the machine affects all of them.
  async time(launches, arrays, budgetMs) {
    const start = performance.now();
    const device = await this.#device();
    const clock = new Clock(device);
    const placed = [];
    try {
      return await this.#watched(device, async () => {
        let taken = 0;
        for (const launch of launches) {
          const own = arrays.slice(taken, (taken += launch.count));
          const { dispatches, free } = this.#place(device, launch, own);
          placed.push({ dispatches, free, repeats: 1, best: Infinity, samples: [] });
        }
        for (const each of placed) await warmUp(clock, each, start + budgetMs / 2);
        do {
          for (const each of placed) each.samples.push(await clock.sample(each));
        } while (performance.now() - start < budgetMs || placed[0].samples.length < 3);
        return placed.map((each) => each.samples);
      });
    } finally {
      clock.free();
      for (const each of placed) each.free();
    }
  }
}

function copyOut(device, encoder, buffer) {
  const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
  const copy = device.createBuffer({ size: buffer.size, usage });
  encoder.copyBufferToBuffer(buffer, 0, copy, 0, buffer.size);
  return copy;
}

// Dispatches that write the same buffer wait for each other, as WebGPU specifies.
function dispatch(pass, dispatches, repeats) {
  for (let i = 0; i < repeats; i++) {
    for (const { pipeline, group, grid } of dispatches) {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(...grid);
    }
  }
  pass.end();
}

async function warmUp(clock, each, deadline) {
  let calm = 0;
  while (calm < 3 && performance.now() < deadline) {
    const took = await clock.sample(each);
    calm = took < each.best * (1 - STEADY) ? 0 : calm + 1;
    each.best = Math.min(each.best, took); // a longer time may be due to other load
    const wanted = Math.ceil(SAMPLE_MS / Math.max(each.best, 1e-4));
    each.repeats = Math.min(MOST_REPEATS, Math.max(1, wanted));
  }
}

// Measures with the GPU's own clock if it can be read.
class Clock {
  constructor(device) {
    this.device = device;
    if (!device.features.has("timestamp-query")) return;
    this.queries = device.createQuerySet({ type: "timestamp", count: 2 });
    const usage = GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC;
    this.resolved = device.createBuffer({ size: 16, usage });
    const copied = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
    this.copy = device.createBuffer({ size: 16, usage: copied });
  }

  // The milliseconds of one call: the mean of `repeats` calls.
  async sample({ dispatches, repeats }) {
    const { device, queries } = this;
    const encoder = device.createCommandEncoder();
    const timestampWrites = queries && {
      querySet: queries, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1,
    };
    dispatch(encoder.beginComputePass({ timestampWrites }), dispatches, repeats);
    if (queries) {
      encoder.resolveQuerySet(queries, 0, 2, this.resolved, 0);
      encoder.copyBufferToBuffer(this.resolved, 0, this.copy, 0, 16);
    }
    const start = performance.now();
    device.queue.submit([encoder.finish()]);
    await device.queue.onSubmittedWorkDone();
    const waited = performance.now() - start;
    const counted = queries ? await this.#counted() : 0;
    // A clock that stands still or is faster than the CPU's (of some drivers) can't be used.
    return (counted > 0 && counted < 2 * waited ? counted : waited) / repeats;
  }

  async #counted() {
    await this.copy.mapAsync(GPUMapMode.READ);
    const [begin, end] = new BigInt64Array(this.copy.getMappedRange());
    this.copy.unmap();
    return Number(end - begin) / 1e6;
  }

  free() {
    this.queries?.destroy();
    this.resolved?.destroy();
    this.copy?.destroy();
  }
}
