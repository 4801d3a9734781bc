// Messages over standard input and output, for programs that Python starts.
//
// message.py describes the messages. channel.py is the other end.

import { readSync, writeSync } from "node:fs";

const INPUT = 0, OUTPUT = 1;
const nap = new Int32Array(new SharedArrayBuffer(4));

// Retries while the pipe is empty or full.
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

const MOST_MESSAGE = 4000; // characters; the limit of message.py

// The answer to a request that failed.
export const failure = (error, message = `${error.message ?? error}`) =>
  ({ error: error.kind ?? "failed", message: message.slice(0, MOST_MESSAGE) });

export class Channel {
  // The next message, with its arrays as `arrays`. Ends the program at the end of the input.
  receive() {
    const length = new DataView(readExactly(4).buffer).getUint32(0, true);
    const message = JSON.parse(new TextDecoder().decode(readExactly(length)));
    this.id = message.id;
    message.arrays = (message.sizes ?? []).map(readExactly);
    return message;
  }

  // Answer the last message.
  send(answer, arrays = []) {
    const text = new TextEncoder().encode(
      JSON.stringify({ ...answer, id: this.id, sizes: arrays.map((array) => array.byteLength) }),
    );
    const head = new Uint8Array(4);
    new DataView(head.buffer).setUint32(0, text.length, true);
    for (const part of [head, text, ...arrays]) writeAll(part);
  }
}
