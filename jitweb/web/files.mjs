// The files of a bundle, read from its folder or fetched from its address, and compared with what the
// plan says of them.

import { Cache } from "./cache.mjs";
import { MOST_BYTES, parsePlan } from "./plan.mjs";
import { RESTORE, builtin, isNode } from "./shared.mjs";

const MOST_PLAN_BYTES = 2 ** 26; // plan.json, of which nothing is known before
const FIRST_BYTES = 2 ** 26; // allocated for a file before any of it has come
const MOST_READ = 2 ** 30; // at once
const PLAN_KEY = ["plan.json", "plan"];

export class Files {
  #folder;
  #path;
  #options;
  #cache = null;
  #keeping = []; // what is being kept, as promises
  #planBytes = null; // to be kept once everything else is
  #known = null;
  planDigest = null;
  notes = [];

  constructor(url, options) {
    this.#folder = isPath(url) ? null : addressOf(url);
    this.#path = this.#folder ? shown(this.#folder) : String(url);
    this.#options = options;
  }

  async readPlan() {
    if (this.#options.cache) await this.#openCache();
    const bytes = await this.#readPlanBytes();
    const plan = parsePlan(bytes, this.#path);
    this.#known = plan.files;
    this.planDigest = (await digest(bytes)) ?? "unknown";
    return plan;
  }

  async #openCache() {
    try {
      this.#cache = await Cache.open(this.#folder);
    } catch (error) {
      this.notes.push(`nothing is kept for later visits: ${error.message}`);
    }
  }

  async #readPlanBytes() {
    try {
      const bytes = await this.#bytes("plan.json", MOST_PLAN_BYTES, "no-cache");
      this.#planBytes = bytes;
      return bytes;
    } catch (error) {
      const kept = error instanceof Unreachable ? await this.#kept(PLAN_KEY, MOST_PLAN_BYTES) : null;
      if (!kept) throw error;
      this.notes.push(`the files of an earlier visit are used: ${error.message}`);
      return kept;
    }
  }

  async read(name) {
    if (!Object.hasOwn(this.#known, name)) throw new Error(`${name} is not of this bundle`);
    const { bytes: size, sha256 } = this.#known[name];
    const kept = await this.#kept([name, sha256], size);
    if (kept && (await this.#check(name, kept).then(() => true, () => false))) return kept;
    const bytes = await this.#checked(name, size).catch((error) => {
      if (!(error instanceof Changed) || isNode) throw error;
      return this.#checked(name, size, "reload"); // the browser's HTTP cache may have an older bundle's
    });
    if (this.#cache) this.#keeping.push(this.#cache.put([name, sha256], bytes));
    return bytes;
  }

  /** Files one after another, fetched at the same time. */
  async readAll(names) {
    if (names.length === 1) return this.read(names[0]);
    const all = new Uint8Array(names.reduce((sum, name) => sum + this.#known[name].bytes, 0));
    let end = 0;
    await Promise.all(names.map(async (name) => {
      const begin = end, size = this.#known[name].bytes;
      end += size;
      const bytes = await this.read(name);
      if (bytes.byteLength !== size) throw new Error(`${name} was changed: it is not as large as the bundle says; ${RESTORE}`);
      all.set(bytes, begin);
    }));
    return all;
  }

  async #checked(name, size, mode) {
    const bytes = await this.#bytes(name, this.#options.verify ? size : MOST_BYTES, mode);
    if (this.#options.verify) await this.#check(name, bytes);
    return bytes;
  }

  async #kept(key, most) {
    const bytes = await this.#cache?.get(key).catch(() => null);
    if (!bytes || bytes.byteLength > most) return null;
    this.#options.onProgress({ file: key[0], loaded: bytes.byteLength, total: bytes.byteLength });
    return bytes;
  }

  /** Called when all is read: once it is kept, so is the plan, and what it doesn't name is deleted. */
  async finish() {
    if (!this.#cache || !this.#planBytes) return;
    try {
      await Promise.all(this.#keeping);
      await this.#cache.put(PLAN_KEY, this.#planBytes);
      const named = Object.entries(this.#known).map(([name, { sha256 }]) => [name, sha256]);
      await this.#cache.keepOnly([PLAN_KEY, ...named]);
    } catch (error) { // of storage that is full, or denied
      this.notes.push(`not all is kept for later visits: ${error.message}`);
    }
  }

  // A file's bytes, of which there must not be more than `most`.
  async #bytes(name, most, cache = "default") {
    const { onProgress, signal } = this.#options, address = this.#folder && new URL(name, this.#folder);
    if (isNode && (!address || address.protocol === "file:")) {
      const place = address ?? builtin("path").join(this.#path, name);
      const bytes = await readFile(name, place, most);
      onProgress({ file: name, loaded: bytes.byteLength, total: bytes.byteLength });
      return bytes;
    }
    address.search = this.#folder.search; // of a signed address, for example
    const response = await fetch(address, { signal, cache }).catch((error) => {
      throw new Unreachable(`${name} can't be fetched: ${error.message}${hint(address)}`);
    });
    if (!response.ok) {
      throw new Error(`${name} can't be fetched: ${response.status} ${response.statusText}; is ${this.#path} the folder of a bundle?`);
    }
    return this.#streamed(name, response, most);
  }

  async #streamed(name, response, most) {
    const length = Number(response.headers.get("content-length")) || 0; // of what is sent, maybe compressed
    const total = this.#known?.[name]?.bytes ?? length;
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
      this.#options.onProgress({ file: name, loaded: received, total: Math.max(total, received) });
    }
  }

  async #check(name, bytes) {
    const { bytes: size, sha256 } = this.#known[name];
    const found = bytes.byteLength === size ? ((await digest(bytes)) ?? "unknown") : null;
    if (found === "unknown") {
      const note = "only the sizes of files were checked: the page is not a secure context (https or localhost)";
      if (!this.notes.includes(note)) this.notes.push(note);
    } else if (found !== sha256) {
      throw new Changed(`${name} was changed: it is not as the bundle was written; ${RESTORE}`);
    }
  }
}

class Unreachable extends Error {
  name = "Error";
}
class Changed extends Error {
  name = "Error";
}

/** Where a bundle is, as a text that is the same in a worker. */
export const placeOf = (url) => (isPath(url) ? String(url) : addressOf(url).href);

const OWN = import.meta.url; // apart from new URL, or bundlers would look for the folder
const isPath = (url) => isNode && url !== undefined && !/^[a-z]+:\/\//i.test(String(url));

// The address of a bundle's folder; without one, that of the runtime's own.
function addressOf(url) {
  const here = isNode ? undefined : globalThis.location?.href;
  if (url === undefined && (!OWN || (!isNode && OWN.startsWith("file:")))) throw new Error(BUILT_IN);
  let folder;
  try {
    // A worker that was made of a blob has an origin, and no folder.
    folder = url === undefined ? new URL(".", OWN) : new URL(url, here?.startsWith("blob:") && /^\//.test(url) ? globalThis.origin : here);
  } catch {
    throw new Error(`${url} is no address in this place, such as a worker made of a blob: give the whole of it, such as https://example.org/out/`);
  }
  folder.hash = "";
  if (!folder.pathname.endsWith("/")) folder.pathname += "/";
  return folder;
}

const BUILT_IN = "load needs the address of the bundle's folder, as the runtime was built into another file";
const shown = (folder) => folder.href.slice(0, folder.href.length - folder.search.length); // what signs it stays secret
const hint = ({ origin }) => (isNode || origin === globalThis.origin ? "" : `; ${origin} must allow other origins (Access-Control-Allow-Origin)`);

// The content of a regular file: not more than the size that it has when it is opened, as some files of
// the kernel have no end. Without O_NONBLOCK a pipe would be waited for.
async function readFile(name, place, most) {
  const { open } = builtin("fs/promises");
  const { O_RDONLY, O_NONBLOCK = 0 } = builtin("fs").constants;
  const fail = (error) => {
    throw new Error(`${name} can't be read: ${error.message}; ${RESTORE}`);
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

const tooLarge = (name) => new Changed(`${name} was changed: it is larger than the bundle says; ${RESTORE}`);

// SHA-256 in hexadecimal; null where it can't be computed.
async function digest(bytes) {
  if (!globalThis.crypto?.subtle) return null; // only in secure contexts
  const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...sum].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
