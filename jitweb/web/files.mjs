// The files of a bundle, read from its folder or fetched from its address, and compared with what the
// plan says of them.

import { MOST_BYTES, parsePlan } from "./plan.mjs";
import { builtin, isNode } from "./shared.mjs";

const MOST_PLAN_BYTES = 2 ** 26; // plan.json, of which nothing is known before
const FIRST_BYTES = 2 ** 26; // allocated for a file before any of it has come
const MOST_READ = 2 ** 30; // at once

export class Files {
  constructor(url, verify, onProgress) {
    const base = isNode ? undefined : globalThis.location?.href;
    const text = String(url);
    this.base = isNode && !/^[a-z]+:\/\//.test(text) ? null : new URL(text.endsWith("/") ? text : `${text}/`, base);
    this.path = text;
    this.verify = verify;
    this.onProgress = onProgress;
    this.known = null;
    this.planDigest = null;
    this.notes = [];
  }

  async readPlan() {
    const bytes = await this.#bytes("plan.json", MOST_PLAN_BYTES);
    const plan = parsePlan(bytes, this.path);
    this.known = plan.files;
    this.planDigest = (await digest(bytes)) ?? "unknown";
    return plan;
  }

  async read(name) {
    if (!Object.hasOwn(this.known, name)) throw new Error(`${name} is not of this bundle`);
    const bytes = await this.#bytes(name, this.verify ? this.known[name].bytes : MOST_BYTES);
    if (this.verify) await this.#check(name, bytes);
    return bytes;
  }

  // A file's bytes, of which there must not be more than `most`.
  async #bytes(name, most) {
    if (isNode && (!this.base || this.base.protocol === "file:")) {
      const place = this.base ? new URL(name, this.base) : builtin("path").join(this.path, name);
      const bytes = await readFile(name, place, most);
      this.onProgress({ file: name, loaded: bytes.byteLength, total: bytes.byteLength });
      return bytes;
    }
    const response = await fetch(new URL(name, this.base)).catch((error) => {
      throw new Error(`${name} can't be fetched: ${error.message}`);
    });
    if (!response.ok) throw new Error(`${name} can't be fetched: ${response.status} ${response.statusText}`);
    return this.#streamed(name, response, most);
  }

  async #streamed(name, response, most) {
    const length = Number(response.headers.get("content-length")) || 0; // of what is sent, maybe compressed
    const total = this.known?.[name]?.bytes ?? length;
    let bytes = new Uint8Array(Math.min(total, Math.max(length, FIRST_BYTES))), received = 0;
    for (const reader = response.body.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) return bytes.subarray(0, received);
      if (received + value.byteLength > most) {
        reader.cancel().catch(() => {});
        throw tooLarge(name);
      }
      if (received + value.byteLength > bytes.byteLength) {
        const larger = new Uint8Array(2 * (received + value.byteLength)); // it was sent compressed
        larger.set(bytes.subarray(0, received));
        bytes = larger;
      }
      bytes.set(value, received);
      received += value.byteLength;
      this.onProgress({ file: name, loaded: received, total: Math.max(total, received) });
    }
  }

  async #check(name, bytes) {
    const { bytes: size, sha256 } = this.known[name];
    const found = bytes.byteLength === size ? ((await digest(bytes)) ?? "unknown") : null;
    if (found === "unknown") {
      const note = "only the sizes of files were checked: the page is not a secure context (https or localhost)";
      if (!this.notes.includes(note)) this.notes.push(note);
    } else if (found !== sha256) {
      throw new Error(`${name} was changed: it is not as the bundle was written`);
    }
  }
}

// The content of a regular file: not more than the size that it has when it is opened, as some files of
// the kernel have no end. Without O_NONBLOCK a pipe would be waited for.
async function readFile(name, place, most) {
  const { open } = builtin("fs/promises");
  const { O_RDONLY, O_NONBLOCK = 0 } = builtin("fs").constants;
  const fail = (error) => {
    throw new Error(`${name} can't be read: ${error.message}`);
  };
  const file = await open(place, O_RDONLY | O_NONBLOCK).catch(fail);
  try {
    const found = await file.stat();
    if (!found.isFile()) throw new Error(`${name} can't be read: it is not a file`);
    if (found.size > most) throw tooLarge(name);
    const bytes = new Uint8Array(found.size);
    for (let at = 0; at < bytes.byteLength; ) {
      const { bytesRead } = await file.read(bytes, at, Math.min(bytes.byteLength - at, MOST_READ), at).catch(fail);
      if (bytesRead === 0) return bytes.subarray(0, at); // it became shorter meanwhile
      at += bytesRead;
    }
    return bytes;
  } finally {
    await file.close();
  }
}

const tooLarge = (name) => new Error(`${name} was changed: it is larger than the bundle says`);

// SHA-256 in hexadecimal; null where it can't be computed.
async function digest(bytes) {
  if (!globalThis.crypto?.subtle) return null; // only in secure contexts
  const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...sum].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
