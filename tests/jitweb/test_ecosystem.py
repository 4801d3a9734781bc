"""A bundle in its users' programs: built by their bundlers, checked by TypeScript, in a browser."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from harness.devices.node import find_node
from tests.jitweb.site import Site
from tests.jitweb.tiny import HELPERS, Tiny, check
from tests.tab import Tab

ROOT = Path(__file__).resolve().parents[2]
NPM = ROOT / ".npm"
BUILD = Path(__file__).parent / "npm" / "build.mjs"
SECONDS = 120.0
BUILDERS = ("vite", "webpack", "rollup", "esbuild")
STRICT = "default-src 'none'; connect-src 'self'; script-src 'self'"
# esbuild and Rollup make one file of the app: they know nothing of a worker's.
POLICIES = {
    name: f"{STRICT} 'wasm-unsafe-eval'; worker-src 'self'{' blob:' * (name in BUILDERS[2:])}"
    for name in BUILDERS
}
APP = f"""
import {{ load }} from "./out/runtime.mjs";
{HELPERS}
const options = JSON.parse(decodeURIComponent(location.search.slice(1)) || "{{}}");
globalThis.ran = (async () => {{
  const model = await load("./model/", {{ target: "wasm", ...options }});
  const {{ threads, notes }} = model;
  return plain({{ ...(await model.run(right())), threads, notes }});
}})().catch((error) => ({{ error: error.message }}));
"""


@pytest.fixture(scope="module")
def npm() -> Path:
    """The folder of the npm packages that users build and check with."""
    if not (NPM / ".npm-lock").exists():
        assert not os.environ.get("CI"), "the packages of tests/jitweb/npm are missing: make npm"
        pytest.skip("the packages of tests/jitweb/npm are missing: make npm")
    return NPM


def node(*arguments: object) -> None:
    command = [find_node(), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def apps(npm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An app as each of the bundlers builds it for production, in a folder of its name."""
    app, built = tmp_path_factory.mktemp("app"), tmp_path_factory.mktemp("built")
    (app / "public").mkdir()
    Tiny().write(app / "out")
    shutil.copytree(app / "out", app / "public" / "model")
    (app / "main.mjs").write_text(APP)
    page = '<!doctype html><title>app</title><script type="module" src="./main.mjs"></script>'
    (app / "index.html").write_text(page)
    node(BUILD, npm, app, built, *BUILDERS)
    return built


@pytest.fixture(scope="module")
def site(apps: Path) -> Iterator[Site]:
    """Their server, which sends strict headers."""
    policies = {name: {"Content-Security-Policy": policy} for name, policy in POLICIES.items()}
    with Site(apps, of_folder=policies) as served:
        yield served


@pytest.fixture(scope="module")
def tab(site: Site, browser: None) -> Iterator[Tab]:
    with Tab(f"{site.address}nothing") as opened:
        yield opened


def ran(tab: Tab, address: str, **options: Any) -> Any:
    """What the app at an address returns, run with options for `load`."""
    tab.send("Page.navigate", url=f"{address}?{quote(json.dumps(options))}")
    tab.wait_until("globalThis.ran")
    return tab.evaluate("ran")


@pytest.mark.parametrize("builder", BUILDERS)
def test_what_a_bundler_builds_runs_with_threads_under_a_strict_policy(
    builder: str, site: Site, tab: Tab
) -> None:
    returned = ran(tab, f"{site.address}{builder}/", threads=2)
    check(returned)
    assert (returned["threads"], returned["notes"]) == (2, [])


TYPED = """
import { load, type Model, type Signature } from "./out/runtime.mjs";

const model = await load(undefined, { target: "wasm", threads: 2 });
const ids = new BigInt64Array(16), mask = Array<number>(16).fill(1);
const results = await model.run({ input_ids: ids, attention_mask: mask, token_type_ids: mask });
const values: Float32Array = results.last_hidden_state;
const dims: readonly number[] = results.last_hidden_state.dims;
const dtype: "float32" = results.last_hidden_state.dtype;

// @ts-expect-error: an option of no such name
await load("./out/", { thread: 2 });
// @ts-expect-error: an input is missing
await model.run({ input_ids: ids, attention_mask: mask });
// @ts-expect-error: an input of another dtype
await model.run({ input_ids: new Float32Array(16), attention_mask: mask, token_type_ids: mask });
// @ts-expect-error: an output of no such name
results.logits;

const other: Model<Signature, Signature> = await load<Signature, Signature>(new URL("file:///other/"));
for (const output of Object.values(await other.run({ anything: [1, 2] }))) {
  if (output.dtype === "int64") {
    const large: bigint | undefined = output[0];
    console.log(large);
  }
}
console.log(values, dims, dtype);
"""


@pytest.mark.parametrize("resolution", ["bundler", "nodenext"])
def test_strict_typescript_knows_a_bundles_inputs_and_outputs(
    resolution: str, bundle: Path, npm: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").symlink_to(bundle)
    (tmp_path / "user.mts").write_text(TYPED)
    module = "nodenext" if resolution == "nodenext" else "esnext"
    node(
        npm / "node_modules" / "typescript" / "bin" / "tsc", "--strict", "--noEmit",
        "--target", "es2022", "--module", module, "--moduleResolution", resolution,
        "--preserveSymlinks", "--types", "", tmp_path / "user.mts",
    )  # fmt: skip
