// The JavaScript half of web_latency.py: measures a bundle and onnxruntime-web in one V8.
//
// It reads all files, request.json first, from one place, which web_latency.py fills: in Node the
// folder in its argument (node web_latency.mjs FOLDER_URL), in a page the page's own origin.

const TYPES = {
  float32: Float32Array, float64: Float64Array, int64: BigInt64Array, int32: Int32Array,
  int8: Int8Array, uint8: Uint8Array, bool: Uint8Array,
};
const IN_NODE = typeof process !== "undefined" && Boolean(process.versions?.node);
const STEADY = 0.02; // warm after three runs in a row that improve by less than this fraction
const LEAST_WARM_MS = 1000; // V8 optimises the JavaScript around small kernels late
const PAUSE_MS = 10; // between runs, so that idle worker threads of one side stop spinning

const pause = () => new Promise((resolve) => setTimeout(resolve, PAUSE_MS));

// The content of a URL. fs.readFile is limited to 2 GiB, so a file is read in pieces.
async function read(url) {
  if (!IN_NODE) return new Uint8Array(await (await fetch(url)).arrayBuffer());
  const { open } = await import("node:fs/promises");
  const file = await open(new URL(url));
  try {
    const bytes = new Uint8Array((await file.stat()).size);
    for (let at = 0; at < bytes.length; ) {
      const { bytesRead } = await file.read(bytes, at, Math.min(1 << 28, bytes.length - at), at);
      if (bytesRead === 0) throw new Error(`${url} became shorter while it was read`);
      at += bytesRead;
    }
    return bytes;
  } finally {
    await file.close();
  }
}

async function readInputs(place, inputs) {
  const entries = inputs.map(async ({ name, dtype, shape }, i) => {
    const { buffer } = await read(`${place}input.${i}`);
    if (!TYPES[dtype]) throw new Error(`input ${name}: ${dtype} is not supported`);
    return [name, { dtype, shape, data: new TYPES[dtype](buffer) }];
  });
  return Object.fromEntries(await Promise.all(entries));
}

const each = (object, action) =>
  Object.fromEntries(Object.entries(object).map(([name, value]) => [name, action(value)]));

// Each side returns run(), which resolves to the outputs (arrays by name), and facts about itself.

async function openOurs(place, { ours, target, threads }, inputs) {
  const { load } = await import(`${place}${ours}runtime.mjs`);
  const model = await load(place + ours, { target, threads });
  const arrays = each(inputs, ({ data }) => data);
  return { run: () => model.run(arrays), device: model.device };
}

async function openPeer(place, { peer, external, symbols, target, threads }, inputs) {
  const ort = await import(place + peer);
  ort.env.wasm.numThreads = threads;
  ort.env.logLevel = "error";
  const content = (name) => (IN_NODE ? read(place + name) : place + name); // a page's ORT fetches
  const session = await ort.InferenceSession.create(await content("model.onnx"), {
    executionProviders: [target],
    freeDimensionOverrides: symbols,
    externalData: await Promise.all(
      Object.entries(external).map(async ([path, name]) => ({ path, data: await content(name) })),
    ),
  });
  if (IN_NODE) checkNotNative();
  const feeds = each(inputs, ({ dtype, data, shape }) => new ort.Tensor(dtype, data, shape));
  const run = async () => each(await session.run(feeds), ({ data }) => data);
  return { run, version: ort.env.versions.web };
}

// The peer is the WebAssembly build: no native library of ONNX Runtime may be loaded.
function checkNotNative() {
  process.report.excludeNetwork = true;
  const native = process.report.getReport().sharedObjects.find((path) => /onnxruntime/i.test(path));
  if (native) throw new Error(`${native} was loaded: this is not onnxruntime-web`);
}

async function timed(action) {
  const begin = performance.now();
  const value = await action();
  return [performance.now() - begin, value];
}

// Load a side and run it once, which is what a visitor of a page waits for.
async function start(name, open, say) {
  say(`loading ${name}`);
  const [load, side] = await timed(open);
  const [run, outputs] = await timed(side.run);
  say(`${name}: loaded in ${load.toFixed(0)} ms, first run ${run.toFixed(1)} ms`);
  return { ...side, name, outputs, first: { load, run }, samples: [], best: Infinity, calm: 0 };
}

async function warmUp(sides, budgetMs) {
  const begin = performance.now();
  const passed = () => (performance.now() - begin) / sides.length;
  while (passed() < LEAST_WARM_MS || (sides.some(({ calm }) => calm < 3) && passed() < budgetMs)) {
    for (const side of sides) {
      const [took] = await timed(side.run);
      side.calm = took < side.best * (1 - STEADY) ? 0 : side.calm + 1;
      side.best = Math.min(side.best, took);
      await pause();
    }
  }
}

async function sample(sides, rounds, say) {
  const every = Math.ceil(rounds / 4);
  for (let round = 1; round <= rounds; round++) {
    for (const side of sides) {
      const [took] = await timed(side.run);
      side.samples.push(took);
      await pause();
    }
    if (round % every === 0) {
      const best = sides.map(({ name, samples }) => `${name} ${Math.min(...samples).toFixed(2)} ms`);
      say(`round ${round} of ${rounds}, best: ${best.join(", ")}`);
    }
  }
}

// For each output: the largest difference, the peer's largest magnitude, and whether they agree.
function compare(ours, peer, tolerance) {
  const report = {};
  for (const [name, wanted] of Object.entries(peer)) {
    const found = ours[name];
    if (found?.length !== wanted.length) {
      throw new Error(`output ${name}: ${found?.length ?? "no"} values, and the peer's ${wanted.length}`);
    }
    let error = 0, scale = 0, mismatched = 0; // mismatched: NaN or infinite on one side only
    for (let i = 0; i < wanted.length; i++) {
      const a = Number(found[i]), b = Number(wanted[i]);
      if (Number.isFinite(b)) scale = Math.max(scale, Math.abs(b));
      if (Object.is(a, b)) continue;
      if (Number.isFinite(a) && Number.isFinite(b)) error = Math.max(error, Math.abs(a - b));
      else mismatched++;
    }
    const agrees = mismatched === 0 && error <= tolerance * (scale || 1);
    report[name] = { max_abs_error: error, scale, agrees };
  }
  return report;
}

async function device(target) {
  if (IN_NODE) return `Node ${process.version}, V8 ${process.versions.v8}`;
  const browser = /(Chrome|Firefox)\/[\d.]+/.exec(navigator.userAgent)?.[0] ?? navigator.userAgent;
  if (target !== "webgpu") return browser;
  const adapter = await navigator.gpu?.requestAdapter();
  if (!adapter) throw new Error("this browser has no WebGPU adapter");
  const { vendor, architecture, description } = adapter.info;
  return `${browser}, ${[vendor, architecture, description].filter(Boolean).join(" ")}`;
}

function summary({ samples }) {
  const sorted = [...samples].sort((a, b) => a - b), middle = sorted.length >> 1;
  const median = sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return { min: sorted[0], median };
}

async function measure(place, say) {
  if (!IN_NODE && !crossOriginIsolated) throw new Error("the page is not cross-origin isolated");
  const request = JSON.parse(new TextDecoder().decode(await read(`${place}request.json`)));
  const where = await device(request.target);
  const inputs = await readInputs(place, request.inputs);
  // Ours first: if the first to start pays for anything that both use, that is to our disadvantage.
  const ours = request.ours && (await start("ours", () => openOurs(place, request, inputs), say));
  const peer = await start("peer", () => openPeer(place, request, inputs), say);
  const sides = ours ? [ours, peer] : [peer];
  const outputs = ours ? compare(ours.outputs, peer.outputs, request.tolerance) : {};
  await warmUp(sides, request.warm_ms);
  await sample(sides, request.rounds, say);
  const [oursMs, peerMs] = [ours && summary(ours), summary(peer)];
  const first = Object.fromEntries(sides.map(({ name, first }) => [name, first]));
  return {
    ours_ms: oursMs,
    peer_ms: peerMs,
    ratio: ours && peerMs.min / oursMs.min,
    ratio_median: ours && peerMs.median / oursMs.median,
    first_result_ms: each(first, ({ load, run }) => load + run),
    first_result_parts_ms: first,
    peer: peer.version,
    device: where,
    ours_device: ours && ours.device,
    outputs,
    outputs_agree: ours && Object.values(outputs).every(({ agrees }) => agrees),
  };
}

// The result or the error, as JSON for web_latency.py.
export async function answer(place, say) {
  try {
    return JSON.stringify(await measure(place, say));
  } catch (error) {
    return JSON.stringify({ error: `${error?.message ?? error}` });
  }
}

if (IN_NODE) {
  const { writeFileSync } = await import("node:fs");
  const place = process.argv[2];
  console.log = console.error; // web_latency.py uses standard output
  writeFileSync(new URL("result", place), await answer(place, console.error));
  process.exit(0); // worker threads of either side would keep the process alive
}
