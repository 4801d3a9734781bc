// A model on WebGPU: a buffer for each weight and slot, and one command encoder for all of its calls.

import { shapeAt } from "./extent.mjs";
import { TYPES, bytesIn, callsOf } from "./plan.mjs";
import { DISPOSED, bytesOf, product, roundUp, weightNames } from "./shared.mjs";

export async function openWebgpu(plan, weights, files, { device: given }) {
  const part = plan.targets.webgpu;
  const device = given ?? (await requestDevice(part));
  try {
    if (given) checkOffer(part, device);
    const pipelines = await compileShaders(device, part, callsOf(plan, "webgpu"));
    const tensors = await weights;
    const [backend, checked] = watched(device, () => new WebgpuBackend(plan, part, tensors, device, pipelines, !given));
    await checked;
    return backend;
  } catch (error) {
    if (!given) device.destroy(); // and with it all that was made on it
    throw error;
  }
}

async function requestDevice(part) {
  const adapter = await globalThis.navigator?.gpu?.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) throw new Error("there is no WebGPU here: the browser offers no adapter");
  checkOffer(part, adapter);
  const usesHalves = Object.values(part.shaders).some(({ halves }) => halves);
  const wanted = [...(usesHalves ? [HALVES] : []), "timestamp-query"].filter((name) => adapter.features.has(name));
  return adapter.requestDevice({
    requiredFeatures: [...new Set([...part.features, ...wanted])],
    requiredLimits: part.limits, // where a default is better than what is asked for, it stays
  });
}

// Refuse an adapter or a device that has not what the kernels need.
function checkOffer(part, { features, limits }) {
  const missing = part.features.filter((feature) => !features.has(feature));
  if (missing.length) throw new Error(`this GPU lacks ${missing.join(", ")}`);
  for (const [name, wanted] of Object.entries(part.limits)) {
    if (!(limits[name] >= wanted)) throw new Error(`the model needs ${name} ${wanted}; this GPU has ${limits[name]}`);
  }
}

// What work returns, and a promise that rejects if the GPU refused some of it. WebGPU reports such errors
// later, and goes on with buffers of zeros if nobody asks.
function watched(device, work) {
  const kinds = ["validation", "out-of-memory", "internal"];
  for (const kind of kinds) device.pushErrorScope(kind);
  let errors;
  const result = (() => {
    try {
      return work();
    } finally {
      errors = Promise.all(kinds.map(() => device.popErrorScope())).catch(() => []); // a lost device has no scopes
    }
  })();
  const checked = errors.then((found) => {
    const error = found.find(Boolean);
    if (error) throw new Error(`the GPU refused the model: ${error.message || "out of memory"}`);
  });
  checked.catch(() => {}); // whoever fails before it asks has said enough
  return [result, checked];
}

async function compileShaders(device, { shaders }, calls) {
  const bindings = new Map(calls.map(({ kernel, args }) => [kernel, args.length]));
  const made = await Promise.all(
    [...bindings].map(async ([name, count]) => {
      const { halves, ...plain } = shaders[name];
      const { writes } = plain;
      const entries = Array.from({ length: count }, (_, binding) => ({
        binding, visibility: GPUShaderStage.COMPUTE,
        buffer: { type: writes.includes(binding) ? "storage" : "read-only-storage" },
      }));
      const layout = device.createBindGroupLayout({ entries });
      const compiled = async ({ code, entry, grid }) => {
        const module = device.createShaderModule({ code });
        const pipeline = await device.createComputePipelineAsync({
          layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
          compute: { module, entryPoint: entry },
        });
        return [name, { pipeline, layout, grid }];
      };
      if (halves && device.features.has(HALVES)) {
        try {
          return await compiled(halves);
        } catch {} // it has a fallback
      }
      return compiled(plain).catch((error) => {
        throw new Error(`the kernel ${name} is refused: ${error.message}`);
      });
    }),
  );
  return new Map(made);
}

const HALVES = "shader-f16"; // for which a shader may have code of its own
const MOST_QUERIES = 4096; // of a query set, by the specification

class WebgpuBackend {
  constructor(plan, part, weights, device, pipelines, isOurs) {
    const { vendor, architecture, description } = device.adapterInfo ?? {};
    this.device = [...new Set([vendor, architecture, description])].filter(Boolean).join(" ") || "WebGPU";
    this.threads = 1;
    this.notes = [];
    this.gpu = device;
    this.isOurs = isOurs;
    this.lost = null;
    device.lost.then(({ message }) => (this.lost ??= `the GPU device was lost: ${message} Load the model again`));
    this.buffers = []; // all of them, to give them back
    const storage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    // Variants share them: one runs at a time.
    const sizes = [];
    for (const { slots } of plan.variants) slots.forEach((size, i) => (sizes[i] = Math.max(size, sizes[i] ?? 0)));
    this.slots = sizes.map((size) => this.#buffer(size, storage));
    const names = [...weightNames(callsOf(plan, "webgpu"))];
    this.weights = new Map(names.map((name) => [name, this.#constant(bytesOf(weights, name), GPUBufferUsage.STORAGE)]));
    this.length = this.#buffer(4, storage); // for kernels that take it
    const staging = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
    this.variants = plan.variants.map(({ inputs, outputs, calls, open }) => ({
      inputs,
      dispatches: calls.webgpu.map(({ kernel, args, grid }) => this.#dispatch(pipelines.get(kernel), args, grid)),
      outputs: outputs.map(({ slot, stored, shape }) => {
        const size = roundUp(bytesIn(stored, shapeAt(shape, open?.most)), 4);
        return { slot, stored, shape, staging: this.#buffer(size, staging) };
      }),
    }));
  }

  #buffer(size, usage, mappedAtCreation = false) {
    const buffer = this.gpu.createBuffer({ size: Math.max(4, roundUp(size, 4)), usage, mappedAtCreation });
    this.buffers.push(buffer);
    return buffer;
  }

  #constant(bytes, usage) {
    const buffer = this.#buffer(bytes.byteLength, usage, true);
    new Uint8Array(buffer.getMappedRange()).set(bytes);
    buffer.unmap();
    return buffer;
  }

  #dispatch({ grid, pipeline, layout }, args, own) {
    const buffers = args.map(({ slot, weight, length }) =>
      length ? this.length : weight === undefined ? this.slots[slot] : this.weights.get(weight));
    const entries = buffers.map((buffer, binding) => ({ binding, resource: { buffer } }));
    return { grid: own ?? grid, pipeline, group: this.gpu.createBindGroup({ layout, entries }) };
  }

  #begin(inputs, variant, length) {
    if (this.lost) throw new Error(this.lost);
    variant.inputs.forEach(({ slot }, i) => this.gpu.queue.writeBuffer(this.slots[slot], 0, inputs[i]));
    if (length) this.gpu.queue.writeBuffer(this.length, 0, Int32Array.of(length));
    return this.gpu.createCommandEncoder();
  }

  #encode(pass, { pipeline, group, grid }, length) {
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(...shapeAt(grid, length));
  }

  // The content of a buffer, as a copy.
  async #read(buffer) {
    await buffer.mapAsync(GPUMapMode.READ).catch(async (error) => {
      await new Promise((resolve) => setTimeout(resolve)); // the loss of a device is reported after this
      throw new Error(this.lost ?? `the GPU failed: ${error.message}`);
    });
    const content = buffer.getMappedRange().slice(0);
    buffer.unmap();
    return content;
  }

  #submit(inputs, variant, length) {
    const encoder = this.#begin(inputs, variant, length), pass = encoder.beginComputePass();
    for (const dispatch of variant.dispatches) this.#encode(pass, dispatch, length);
    pass.end();
    for (const { slot, stored, shape, staging } of variant.outputs) {
      encoder.copyBufferToBuffer(this.slots[slot], 0, staging, 0, roundUp(bytesIn(stored, shapeAt(shape, length)), 4));
    }
    this.gpu.queue.submit([encoder.finish()]);
  }

  async run(inputs, number, length) {
    const variant = this.variants[number], submit = () => this.#submit(inputs, variant, length);
    const [, checked] = variant.isProven ? [submit()] : watched(this.gpu, submit);
    const results = await Promise.all(
      variant.outputs.map(async ({ staging, stored, shape }) => new TYPES[stored](await this.#read(staging), 0, product(shapeAt(shape, length)))),
    );
    await checked;
    variant.isProven = true; // a run went through, and nothing was refused
    return results;
  }

  // Times by the GPU's own clock; null where it has none.
  async profile(inputs, number, length) {
    const variant = this.variants[number], { dispatches } = variant, count = dispatches.length;
    if (!this.gpu.features.has("timestamp-query") || 2 * count > MOST_QUERIES) {
      await this.run(inputs, number, length);
      return new Array(count).fill(null);
    }
    const querySet = this.gpu.createQuerySet({ type: "timestamp", count: 2 * count });
    const size = 16 * count;
    const resolved = this.gpu.createBuffer({ size, usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC });
    const readable = this.gpu.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
    try {
      const encoder = this.#begin(inputs, variant, length);
      dispatches.forEach((dispatch, i) => {
        const pass = encoder.beginComputePass({
          timestampWrites: { querySet, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 },
        });
        this.#encode(pass, dispatch, length);
        pass.end();
      });
      encoder.resolveQuerySet(querySet, 0, 2 * count, resolved, 0);
      encoder.copyBufferToBuffer(resolved, 0, readable, 0, size);
      this.gpu.queue.submit([encoder.finish()]);
      const ticks = new BigInt64Array(await this.#read(readable));
      return dispatches.map((_, i) => Math.max(0, Number(ticks[2 * i + 1] - ticks[2 * i]) / 1e6));
    } finally {
      for (const each of [querySet, resolved, readable]) each.destroy();
    }
  }

  dispose() {
    this.lost = DISPOSED;
    if (this.isOurs) this.gpu.destroy();
    else for (const buffer of this.buffers) buffer.destroy();
  }
}
