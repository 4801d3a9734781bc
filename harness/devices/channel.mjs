// Messages over standard input and output, for programs that Python starts.
//
// A message is a 4-byte little-endian length, that many bytes of JSON, and the arrays that the JSON
// announces in `sizes`, one after another. channel.py is the other end.

import { readSync, writeSync } from "node:fs";

const INPUT = 0, OUTPUT = 1;
const nap = new Int32Array(new SharedArrayBuffer(4));

// Again and again where the pipe has nothing or no room just now.
function patiently(action) {
  for (;;) {
    try {
      return action();
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
      Atomics.wait(nap, 0, 0, 1);
    }
  }
}

function readExactly(count) {
  const bytes = new Uint8Array(count);
  for (let at = 0; at < count; ) {
    const got = patiently(() => readSync(INPUT, bytes, at, count - at, null));
    if (got === 0) process.exit(0);
    at += got;
  }
  return bytes;
}

function writeAll(bytes) {
  for (let at = 0; at < bytes.length; ) at += patiently(() => writeSync(OUTPUT, bytes, at));
}

export class Channel {
  // The next message, its arrays as `arrays`. Ends the program where there is none any more.
  receive() {
    const length = new DataView(readExactly(4).buffer).getUint32(0, true);
    const message = JSON.parse(new TextDecoder().decode(readExactly(length)));
    message.arrays = (message.sizes ?? []).map(readExactly);
    return message;
  }

  send(answer, arrays = []) {
    const text = new TextEncoder().encode(
      JSON.stringify({ ...answer, sizes: arrays.map((array) => array.byteLength) }),
    );
    const head = new Uint8Array(4);
    new DataView(head.buffer).setUint32(0, text.length, true);
    for (const part of [head, text, ...arrays]) writeAll(part);
  }
}
