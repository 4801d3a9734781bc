// The browser side of browser.py: WebAssembly and WebGPU kernels, loaded, run and timed.

import { GpuLauncher } from "./gpu_launcher.mjs";
import { WasmLauncher } from "./wasm_launcher.mjs";

const gpu = new GpuLauncher();
const wasm = new WasmLauncher();

const loaded = new Map(); // by handle, which launcher has it, and its handle there

async function load({ handle, shaders }, [bytes]) {
  if (shaders) {
    await gpu.load(handle, shaders);
    loaded.set(handle, { launcher: gpu, own: handle });
    return;
  }
  try {
    loaded.set(handle, { launcher: wasm, own: wasm.load(bytes) });
  } catch (error) {
    throw Object.assign(error, { kind: "refused" });
  }
}

function find(handle) {
  const found = loaded.get(handle);
  if (!found) throw Object.assign(new Error(`there is no code ${handle}`), { kind: "unknown" });
  return found;
}

function release({ handle }) {
  const { launcher, own } = find(handle);
  launcher.release(own);
  loaded.delete(handle);
}

async function run({ launch }, arrays) {
  const { launcher, own } = find(launch.handle);
  return [{}, await launcher.run({ ...launch, handle: own }, arrays)];
}

async function time({ launches, seconds }, arrays) {
  const found = launches.map(({ handle }) => find(handle));
  const { launcher } = found[0];
  if (found.some((each) => each.launcher !== launcher)) {
    throw new Error("WebAssembly and WebGPU can't be timed against each other");
  }
  const own = launches.map((launch, i) => ({ ...launch, handle: found[i].own }));
  return [{ samples: await launcher.time(own, arrays, seconds * 1000) }];
}

const actions = {
  identify: async () => [{ ...browser(), ...(await gpu.identify()) }],
  load: async (request, arrays) => (await load(request, arrays), [{}]),
  release: (request) => (release(request), [{}]),
  run,
  time,
};

// The major version: records outlive the fixes within one.
function browser() {
  const brands = navigator.userAgentData?.brands ?? [];
  const known = brands.find(({ brand }) => /chrom|edge/i.test(brand));
  return {
    browser: known ? `${known.brand} ${known.version}` : navigator.userAgent,
    system: navigator.userAgentData?.platform ?? navigator.platform,
    cores: navigator.hardwareConcurrency,
  };
}

export const handle = (request, arrays) => actions[request.do](request, arrays);
