// What the page runs a model on, and how it shows what comes back.

import { TYPES } from "./plan.mjs";
import { product } from "./shared.mjs";

/** Inputs that any model takes: ones for masks, small ids, and floats around zero. */
export const exampleInputs = ({ inputs }) => Object.fromEntries(inputs.map((input) => [input.name, example(input)]));

function example({ name, dtype, shape }) {
  const valueAt = (i) => (dtype.startsWith("float") ? Math.sin(i) : name.includes("mask") || dtype === "bool" ? 1 : i % 2);
  return filled(dtype, product(shape), valueAt);
}

function filled(dtype, count, valueAt) {
  const values = new TYPES[dtype](count);
  for (let i = 0; i < count; i++) values[i] = dtype === "int64" ? BigInt(valueAt(i)) : valueAt(i);
  return values;
}

/** The input that takes ids of tokens, of one sequence, if the model has one. */
export const ownIds = ({ inputs }) =>
  inputs.find(({ name, dtype, shape }) => /(^|_)input_ids$/.test(name) && /^int/.test(dtype) && product(shape) === shape.at(-1));

/** The input of a user's ids, and the masks that hide what is beyond them; an Error says what is wrong. */
export function withIds(variant, text) {
  const { name, dtype, shape } = ownIds(variant), most = shape.at(-1);
  const ids = text.split(/[\s,;[\]]+/).filter(Boolean).map(Number);
  if (!ids.every(Number.isSafeInteger)) throw new Error("ids are whole numbers, with spaces or commas between them");
  if (ids.length > most) throw new Error(`${ids.length} ids; this bundle takes up to ${most}`);
  const masks = variant.inputs.filter((input) => input.name.includes("mask") && product(input.shape) === most);
  const hide = (mask) => [mask.name, filled(mask.dtype, most, (i) => (i < ids.length ? 1 : 0))];
  return { [name]: filled(dtype, most, (i) => ids[i] ?? 0), ...Object.fromEntries(masks.map(hide)) };
}

const SHOWN = 8;

/** Outputs in lines: their first elements; of logits also the id that comes next. */
export function preview({ inputs, outputs }, results, own) {
  return outputs.map(({ name, dtype, shape }) => {
    const values = [...results[name].slice(0, SHOWN)].map((value) => (dtype.startsWith("float") ? value.toPrecision(4) : value));
    const more = results[name].length > SHOWN ? ", …" : "";
    const next = name === "logits" ? `; the likeliest id after the last is ${likeliest(shape, results[name], inputs, own)}` : "";
    return `${name}: ${values.join(", ")}${more}${next}`;
  });
}

function likeliest(shape, logits, inputs, own) {
  const ids = own ? own.split(/[\s,;[\]]+/).filter(Boolean).length : (ownIds({ inputs })?.shape.at(-1) ?? 1);
  const width = shape.at(-1), row = Math.min(ids, product(shape) / width) - 1;
  const last = logits.subarray(row * width, (row + 1) * width);
  return last.indexOf(last.reduce((a, b) => Math.max(a, b)));
}
