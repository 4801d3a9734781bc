// Files that a browser keeps over visits (Cache API). The key of one is its name and its content's SHA-256.
// What is kept here may have been changed by anything of the same origin: it is checked as what is fetched is.

const NAME = "jitweb";

export class Cache {
  #opened;
  #folder;

  constructor(opened, folder) {
    this.#opened = opened;
    this.#folder = folder;
  }

  /** The cache of a bundle's files; an Error says why there is none. */
  static async open(folder) {
    if (!globalThis.caches || !folder) throw new Error("there is none here; browsers have one on https and localhost");
    return new Cache(await caches.open(NAME), folder);
  }

  // Without the query of a signed address, which changes.
  #address([name, sum]) {
    const address = new URL(name, this.#folder);
    address.search = `?jitweb=${sum}`;
    return address.href;
  }

  async get(key) {
    const found = await this.#opened.match(this.#address(key));
    return found ? new Uint8Array(await found.arrayBuffer()) : null;
  }

  async put(key, bytes) {
    await this.#opened.put(this.#address(key), new Response(bytes));
  }

  /** Delete the folder's files but those of these keys. */
  async keepOnly(keys) {
    const wanted = new Set(keys.map((key) => this.#address(key)));
    const isOld = ({ url }) => new URL(".", url).href === new URL(".", this.#folder).href && !wanted.has(url);
    await Promise.all((await this.#opened.keys()).filter(isOld).map((each) => this.#opened.delete(each)));
  }
}
