// Embeddings of sentences: a model of sentence-transformers by jitweb, with the tokenizers of
// transformers.js. README.md says how to build it.

import { Tokenizer } from "@huggingface/tokenizers";
import { load } from "./out/runtime.mjs";

const json = async (name) => (await fetch(name)).json();
const [tokenizer, model] = await Promise.all([
  Promise.all([json("./tokenizer.json"), json("./tokenizer_config.json")]).then((files) => new Tokenizer(...files)),
  load("./out/", { worker: true, cache: true }),
]);

/** The mean of the tokens' states, of length one. */
async function embed(sentence) {
  const [{ open, inputs }] = model.variants, most = inputs[0].shape.at(-1);
  const ids = tokenizer.encode(sentence).ids.slice(0, most), length = open ? ids.length : most;
  const filled = (valueOf) => Array.from({ length }, (_, i) => valueOf(i));
  const values = {
    input_ids: filled((i) => ids[i] ?? 0),
    attention_mask: filled((i) => (i < ids.length ? 1 : 0)),
    token_type_ids: filled(() => 0),
  };
  const given = Object.fromEntries(inputs.map(({ name }) => [name, values[name]]));
  const { last_hidden_state: states } = await model.run(given), width = states.dims.at(-1);
  const sums = new Float32Array(width);
  for (let i = 0; i < ids.length * width; i++) sums[i % width] += states[i];
  const norm = Math.hypot(...sums);
  return sums.map((value) => value / norm);
}

async function compare() {
  const [a, b] = await Promise.all(["first", "second"].map((id) => embed(document.getElementById(id).value)));
  const similarity = a.reduce((sum, value, i) => sum + value * b[i], 0);
  document.getElementById("similarity").value = `${Math.round(100 * similarity)} % alike, on ${model.device}`;
}

document.querySelector("form").addEventListener("input", compare);
await compare();
globalThis.embed = embed; // to try it in the console
