// The browser side of browser.py: WebAssembly and WebGPU kernels, loaded, run and timed.

import { GpuLauncher } from "./gpu_launcher.mjs";
import { WasmLauncher } from "./wasm_launcher.mjs";

const gpu = new GpuLauncher();
const wasm = new WasmLauncher();

const launcherOf = (handle) => (wasm.has(handle) ? wasm : gpu);

async function load({ handle, shaders }, [bytes]) {
  await (shaders ? gpu.load(handle, shaders) : wasm.load(handle, bytes));
}

async function run({ launch }, arrays) {
  return [{}, await launcherOf(launch.handle).run(launch, arrays)];
}

async function time({ launches, seconds }, arrays) {
  const launcher = launcherOf(launches[0].handle);
  if (launches.some(({ handle }) => launcherOf(handle) !== launcher)) {
    throw new Error("WebAssembly and WebGPU can't be timed against each other");
  }
  return [{ samples: await launcher.time(launches, arrays, seconds * 1000) }];
}

const actions = {
  identify: async () => [{ ...browser(), ...(await gpu.identify()) }],
  load: async (request, arrays) => (await load(request, arrays), [{}]),
  release: ({ handle }) => [{ released: launcherOf(handle).release(handle) }],
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
