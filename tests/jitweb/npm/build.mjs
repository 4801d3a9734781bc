// Builds an app for production as its users' tools do by default: node build.mjs NPM APP OUT BUNDLER...
// The app is main.mjs with index.html, and what is in public/ is served beside it.

import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [npm, app, out, ...names] = process.argv.slice(2);
const require = createRequire(pathToFileURL(join(npm, "package.json")));
const named = (name) => import(pathToFileURL(require.resolve(name)));
const main = join(app, "main.mjs");

// Those that don't make pages themselves.
function page(folder, script) {
  cpSync(join(app, "public"), folder, { recursive: true });
  writeFileSync(join(folder, "index.html"), `<!doctype html><script type="module" src="${script}"></script>`);
}

const BUILDERS = {
  async vite(folder) {
    const { build } = await named("vite");
    await build({ root: app, base: "./", logLevel: "warn", build: { outDir: folder } });
  },
  async webpack(folder) {
    const { default: webpack } = await named("webpack");
    const options = { mode: "production", context: app, entry: main, output: { path: folder, publicPath: "auto" }, performance: { hints: false } };
    await new Promise((resolve, reject) => webpack(options, (error, stats) => {
      if (error || stats.hasErrors() || stats.hasWarnings()) reject(error ?? new Error(stats.toString("errors-warnings")));
      else resolve();
    }));
    page(folder, "main.js");
  },
  async rollup(folder) {
    const { rollup } = await named("rollup");
    const onwarn = ({ message }) => { throw new Error(message); };
    await (await rollup({ input: main, onwarn })).write({ dir: folder, format: "es" });
    page(folder, "main.js");
  },
  async esbuild(folder) {
    const { build } = await named("esbuild");
    await build({ entryPoints: [main], bundle: true, minify: true, format: "esm", outdir: folder, logLevel: "warning" });
    page(folder, "main.js");
  },
};

for (const name of names) {
  const folder = join(out, name);
  mkdirSync(folder, { recursive: true });
  await BUILDERS[name](folder);
}
