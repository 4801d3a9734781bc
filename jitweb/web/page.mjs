// The page of a bundle: loads the model, runs it on example inputs or on ids of the user's, and shows how
// long everything takes.
//
// `?target=wasm|webgpu`, `?threads=N`, `?variant=N` (of several, by number) and `?run=1` (run at once)
// set it up by address. What it knows is also in window.jitweb and in the element #state, as JSON:
// `state` is loading, ready, running, done or error.

import { exampleInputs, inputsWithIds, ownIds, preview } from "./page_inputs.mjs";
import { conditionOf, parsePlan } from "./plan.mjs";
import { load } from "./runtime.mjs";

const ROUNDS = 20, MOST_MS = 8000;
const $ = (id) => document.getElementById(id);
const options = new URLSearchParams(location.search);
const opened = performance.now();
const received = new Map();
let plan = null, model = null, loadedMs = null, firstResultMs = null;

function setState(state, more = {}) {
  window.jitweb = { ...window.jitweb, ...more, state };
  $("state").textContent = JSON.stringify(window.jitweb);
  document.documentElement.dataset.state = state;
}

function fail(error) {
  $("status").textContent = "";
  $("progress").hidden = true;
  $("error").textContent = error.message ?? `${error}`;
  $("title").textContent = model ? model.name : "The model can't be used here";
  $("run").disabled = !model;
  $("figures").hidden = !model;
  setState("error", { message: `${error.message ?? error}` });
}

// Milliseconds with as many digits as they deserve, as microseconds where they are few.
const digits = (value) => value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2);
const ms = (value) => (value >= 0.1 || value === 0 ? `${digits(value)} ms` : `${digits(1000 * value)} µs`);
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

function showProgress({ file, loaded, total }) {
  received.set(file, [loaded, total]);
  const sums = [...received.values()].reduce(([a, b], [c, d]) => [a + c, b + d], [0, 0]);
  $("progress").value = sums[1] ? sums[0] / sums[1] : 0;
  $("status").textContent = `fetching ${file}, ${megabytes(sums[0])}`;
}

async function measure() {
  $("run").disabled = true;
  $("error").textContent = "";
  $("status").textContent = "running …";
  setState("running");
  const number = $("variant").value, { when } = model.variants[number], own = $("ids").value.trim();
  const given = own ? inputsWithIds(plan.variants[number], own) : exampleInputs(model.variants[number]);
  const inputs = { ...given, ...when };
  const begun = performance.now();
  const outputs = await model.run(inputs);
  firstResultMs ??= loadedMs + performance.now() - begun; // not how long it waited for the button
  $("first").textContent = ms(firstResultMs);
  const samples = [];
  const start = performance.now();
  while (samples.length < ROUNDS && performance.now() - start < MOST_MS) {
    const begin = performance.now();
    await model.run(inputs);
    samples.push(performance.now() - begin);
    $("status").textContent = `running, ${samples.length} of ${ROUNDS}`;
    await new Promise((resolve) => setTimeout(resolve)); // let the page paint
  }
  const calls = await model.profile(inputs);
  const sorted = samples.toSorted((a, b) => a - b);
  const result = {
    when, target: model.target, device: model.device, threads: model.threads, notes: model.notes,
    latency_ms: { min: sorted[0], median: sorted[sorted.length >> 1] },
    first_result_ms: firstResultMs, timings: model.timings,
    outputs: Object.fromEntries(Object.entries(outputs).map(([name, values]) => [name, [...values.slice(0, 16)].map(Number)])),
    kernels: grouped(calls),
  };
  $("latency").textContent = ms(sorted[0]);
  $("median").textContent = ms(result.latency_ms.median);
  showKernels(result.kernels);
  $("results").replaceChildren(...preview(outputs, own).map(paragraph));
  $("results-part").hidden = false;
  $("status").textContent = `${samples.length} runs; ${own ? "your own" : "example"} inputs`;
  $("run").disabled = false;
  setState("done", { result });
}

// The calls by task, those that take most time first.
function grouped(calls) {
  const rows = new Map();
  for (const { task, kind, name, what, ms } of calls) {
    const row = rows.get(task) ?? { task, kind, name, what, sites: 0, ms: null };
    row.sites++;
    if (ms !== null) row.ms = (row.ms ?? 0) + ms;
    rows.set(task, row);
  }
  return [...rows.values()].sort((a, b) => (b.ms ?? 0) - (a.ms ?? 0));
}

function showKernels(rows) {
  const total = rows.reduce((sum, { ms }) => sum + (ms ?? 0), 0);
  $("kernels-part").hidden = false;
  $("kernels-note").textContent = total
    ? `${ms(total)} together, each call's median; ${rows.reduce((sum, { sites }) => sum + sites, 0)} calls`
    : "This GPU has no clock to ask.";
  const most = Math.max(...rows.map(({ ms }) => ms ?? 0), 1e-9);
  $("kernels").replaceChildren(
    ...rows.map(({ name, what, sites, ms: took }) => {
      const item = document.createElement("li");
      const part = (className, textContent) =>
        Object.assign(item.appendChild(document.createElement("span")), { className, textContent });
      const label = part("name", "");
      const bar = label.appendChild(document.createElement("i"));
      bar.style.width = `${(100 * (took ?? 0)) / most}%`;
      label.appendChild(document.createElement("span")).textContent = `${sites} × ${what}`;
      label.title = name;
      part("ms", took === null ? "" : ms(took));
      item.title = total && took !== null ? `${((100 * took) / total).toFixed(1)} % of the kernels' time` : "";
      return item;
    }),
  );
}

const paragraph = (textContent) => Object.assign(document.createElement("p"), { textContent });

// What the modules that were loaded and the kernels are as a server would send them.
async function showCode() {
  const { modules } = plan.targets[model.target];
  const kernels = Object.values(modules ?? {}).filter((name) => received.has(name));
  const names = Object.keys(plan.files).filter((name) => /\.mjs$/.test(name) && !name.startsWith("page"));
  const sizes = [...names, ...kernels].map(async (name) => {
    const { body } = await fetch(name);
    return (await new Response(body.pipeThrough(new CompressionStream("gzip"))).arrayBuffer()).byteLength;
  });
  const bytes = (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
  $("code").textContent = `${(bytes / 1e3).toFixed(0)} kB`;
}

function showModel() {
  $("title").textContent = model.name;
  document.title = `${model.name} – jitweb`;
  const threads = model.target === "wasm" ? `, ${model.threads} thread${model.threads > 1 ? "s" : ""}` : "";
  $("device").textContent = [`${model.target} on ${model.device}${threads}`, ...model.notes].join("; ");
  const loaded = (files) => megabytes(files.reduce((sum, [, [bytes]]) => sum + bytes, 0));
  $("size").textContent = loaded([...received]);
  $("weights").textContent = loaded([...received].filter(([name]) => name.startsWith("weights.")));
  const line = (role, { name, dtype, shape }) => paragraph(`${role} ${name}: ${dtype} ${shape.join(" × ")}`);
  $("variant").replaceChildren(...model.variants.map(({ when }, i) => new Option(conditionOf(when), i)));
  $("variant").value = model.variants[options.get("variant")] ? options.get("variant") : 0;
  $("variant").hidden = model.variants.length === 1;
  const showTensors = () => {
    const { inputs, outputs } = model.variants[$("variant").value];
    const variant = model.variants[$("variant").value], ids = ownIds(variant);
    $("own").hidden = !ids;
    const rest = variant.open ? "" : "; the rest is 0, and masked if the model has a mask";
    if (ids) $("ids-note").textContent = `${ids.name}: up to ${ids.shape.at(-1)} numbers${rest}; left empty, example inputs`;
    $("tensors").replaceChildren(...inputs.map((each) => line("input", each)), ...outputs.map((each) => line("output", each)));
  };
  $("variant").onchange = showTensors;
  showTensors();
  $("tensors-part").hidden = false;
  $("progress").hidden = true;
  $("status").textContent = "ready: Run measures it on example inputs";
  $("run").disabled = false;
}

// What is left out of the address is chosen by the runtime.
function offer(id, choices, chosen) {
  $(id).replaceChildren(...choices.map(([text, value]) => new Option(text, value)));
  $(id).value = chosen;
  $(id).addEventListener("change", ({ target }) => {
    options.set(id, target.value);
    if (!target.value) options.delete(id);
    location.search = options;
  });
}

// As many as the processor has, but for those that have far more than a model can use.
function offerThreads() {
  const most = crossOriginIsolated ? Math.max(1, navigator.hardwareConcurrency) : 1;
  const choices = Array.from({ length: 7 }, (_, i) => 2 ** i).filter((count) => count < most);
  const counts = [...new Set([...choices, most, model.threads])].sort((a, b) => a - b);
  offer("threads", counts.map((count) => [`${count} thread${count > 1 ? "s" : ""}`, count]), model.threads);
  $("threads").hidden = model.target !== "wasm" || counts.length === 1;
}

async function offerTargets() {
  const content = await (await fetch("plan.json")).arrayBuffer();
  const found = parsePlan(new Uint8Array(content), location.href), names = Object.keys(found.targets);
  const choices = names.length > 1 ? ["", ...names] : names;
  offer("target", choices.map((name) => [name || "faster target", name]), choices.includes(options.get("target")) ? options.get("target") : choices[0]);
  return found;
}

$("run").addEventListener("click", () => measure().catch(fail));
try {
  plan = await offerTargets();
  const threads = options.has("threads") ? Number(options.get("threads")) : undefined;
  model = await load("./", { target: options.get("target") ?? undefined, threads, worker: true, onProgress: showProgress });
  loadedMs = performance.now() - opened;
  showModel();
  offerThreads();
  showCode().catch(() => {});
  setState("ready", { inputs: model.inputs, outputs: model.outputs, target: model.target });
  if (options.get("run")) await measure();
} catch (error) {
  const others = $("target").options.length > 1 && options.get("target");
  fail(others ? new Error(`${error.message}; choose another target`) : error);
}
