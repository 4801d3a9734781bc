// The Node side of node.py: takes requests from standard input, answers on standard output.
//
// A message is a 4-byte little-endian length, that many bytes of JSON, and the arrays that the JSON
// announces in `sizes`, one after another. Everything is done in order, one request at a time.

import { readSync, writeSync } from "node:fs";
import { WasmLauncher } from "./wasm_launcher.mjs";

const INPUT = 0, OUTPUT = 1;

function readExactly(count) {
  const bytes = new Uint8Array(count);
  let at = 0;
  while (at < count) {
    let got = 0;
    try {
      got = readSync(INPUT, bytes, at, count - at, null);
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
      continue;
    }
    if (got === 0) process.exit(0);
    at += got;
  }
  return bytes;
}

function receive() {
  const length = new DataView(readExactly(4).buffer).getUint32(0, true);
  const message = JSON.parse(new TextDecoder().decode(readExactly(length)));
  message.arrays = (message.sizes ?? []).map(readExactly);
  return message;
}

function writeAll(bytes) {
  let at = 0;
  while (at < bytes.length) {
    try {
      at += writeSync(OUTPUT, bytes, at);
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
    }
  }
}

function send(answer, arrays = []) {
  const text = new TextEncoder().encode(
    JSON.stringify({ ...answer, sizes: arrays.map((array) => array.byteLength) }),
  );
  const head = new Uint8Array(4);
  new DataView(head.buffer).setUint32(0, text.length, true);
  for (const part of [head, text, ...arrays]) writeAll(part);
}

const launcher = new WasmLauncher();

const actions = {
  identify: () => send({ node: process.version, v8: process.versions.v8, arch: process.arch }),
  load: ({ arrays }) => send({ handle: launcher.load(arrays[0]) }),
  release: ({ handle }) => send({ released: launcher.release(handle) }),
  run: ({ launch, arrays }) => send({}, launcher.run(launch, arrays)),
  time: ({ launches, seconds, arrays }) =>
    send({ samples: launcher.time(launches, arrays, seconds * 1000) }),
};

for (;;) {
  const request = receive();
  try {
    actions[request.do](request);
  } catch (error) {
    const refused = error instanceof WebAssembly.CompileError || error instanceof WebAssembly.LinkError;
    send({ error: refused ? "refused" : "failed", message: `${error.name}: ${error.message}` });
  }
}
