"""A bundle in its users' programs: built by their bundlers, checked by TypeScript, in a browser."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest

from harness.devices.node import find_node
from jitweb.bundle import read_plan
from jitweb.host import open_host
from tests.firefox import FirefoxTab
from tests.jitweb.site import ISOLATED, Site
from tests.jitweb.tiny import HELPERS, Tiny, check
from tests.missing import skip_without
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
const {{ shell, ...options }} = JSON.parse(decodeURIComponent(location.search.slice(1)) || "{{}}");
globalThis.ran = (async () => {{
  if (shell) {{
    await navigator.serviceWorker.register("./shell.js");
    await navigator.serviceWorker.ready;
  }}
  const model = await load("./model/", {{ target: "wasm", ...options }});
  const {{ threads, notes, device }} = model;
  return plain({{ ...(await model.run(right())), threads, notes, device }});
}})().catch((error) => ({{ error: error.message }}));
"""
# Vite's build as others send it.
OTHERS = {
    "no-wasm": {"Content-Security-Policy": f"{STRICT}; worker-src 'self'"},
    "not-isolated": {"Cross-Origin-Opener-Policy": "unsafe-none"},
}
# A service worker that keeps the app, and of the model nothing: that is the runtime's.
SHELL = """
addEventListener("install", (event) => event.waitUntil(skipWaiting()));
addEventListener("activate", (event) => event.waitUntil(clients.claim()));
addEventListener("fetch", (event) => event.respondWith((async () => {
  const cache = await caches.open("shell"), { request } = event;
  try {
    const response = await fetch(request);
    if (!request.url.includes("/model/")) await cache.put(request, response.clone());
    return response;
  } catch {
    return (await cache.match(request)) ?? Response.error();
  }
})()));
"""


@pytest.fixture(scope="module")
def npm() -> Path:
    """The folder of the npm packages that users build and check with."""
    if not (NPM / ".npm-lock").exists():
        skip_without("the packages of tests/jitweb/npm are missing: make npm")
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
    (app / "public" / "shell.js").write_text(SHELL)
    page = '<!doctype html><title>app</title><script type="module" src="./main.mjs"></script>'
    (app / "index.html").write_text(page)
    node(BUILD, npm, app, built, *BUILDERS)
    for name in OTHERS:
        (built / name).symlink_to("vite")
    return built


@pytest.fixture(scope="module")
def site(apps: Path) -> Iterator[Site]:
    """Their server, which sends strict headers."""
    policies = {name: {"Content-Security-Policy": policy} for name, policy in POLICIES.items()}
    with Site(apps, of_folder=policies | OTHERS) as served:
        yield served


@pytest.fixture(scope="module")
def tab(site: Site, browser: None) -> Iterator[Tab]:
    with Tab(f"{site.address}nothing") as opened:
        yield opened


def ran(tab: Tab, address: str, **options: Any) -> Any:
    """What the app at an address returns, run with options for `load`."""
    tab.evaluate("delete globalThis.ran")  # of the page before
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


@pytest.mark.parametrize("builder", BUILDERS)
def test_what_a_bundler_builds_runs_in_a_worker_or_says_what_to_build(
    builder: str, site: Site, tab: Tab
) -> None:
    returned = ran(tab, f"{site.address}{builder}/", threads=2, worker=True)
    if builder in BUILDERS[2:]:
        assert "worker.mjs must be beside the runtime's files" in returned["error"]
        return
    check(returned)
    assert (returned["threads"], returned["notes"]) == (2, [])


def test_a_page_says_why_it_has_no_webassembly_or_one_thread(site: Site, tab: Tab) -> None:
    for options in ({"threads": 2}, {"threads": 2, "worker": True}):
        returned = ran(tab, f"{site.address}no-wasm/", **options)
        assert returned["error"] == (
            "the kernels can't be compiled: the page's Content-Security-Policy forbids "
            "WebAssembly; add 'wasm-unsafe-eval' to its script-src"
        )
    returned = ran(tab, f"{site.address}not-isolated/", threads=2)
    check(returned)
    assert returned["threads"] == 1
    (note,) = returned["notes"]
    assert "not cross-origin isolated (COOP and COEP headers)" in note


def test_a_second_visit_fetches_the_plan_alone_and_a_third_works_offline(
    apps: Path, tab: Tab
) -> None:
    with Site(apps) as site:
        address = f"{site.address}vite/"
        check(ran(tab, address, cache=True, shell=True))
        kept = 'caches.open("jitweb").then((cache) => cache.keys()).then((keys) => keys.length)'
        tab.wait_until(f"{kept}.then((count) => count === 3)")  # plan, weights and kernels
        before = len(site.asked)
        check(ran(tab, address, cache=True, shell=True))
        asked = {path for path in site.asked[before:] if "/model/" in path}
        assert asked == {"/vite/model/plan.json"}
    returned = ran(tab, address, cache=True, shell=True)
    check(returned)
    assert "the files of an earlier visit are used" in returned["notes"][0]


def test_a_runtime_on_another_origin_has_threads_and_workers(
    tiny: Path, tab: Tab, tmp_path: Path
) -> None:
    (tmp_path / "index.html").write_text("<!doctype html><title>page</title>")
    allowed = {**ISOLATED, "Access-Control-Allow-Origin": "*"}
    with Site(tiny, allowed) as there, Site(tiny) as closed, Site(tmp_path) as here:
        tab.send("Page.navigate", url=here.address)
        tab.wait_until("document.title === 'page'")
        *results, message = tab.evaluate(f"""(async () => {{
            {HELPERS}
            const {{ load }} = await import("{there.address}runtime.mjs"), results = [];
            for (const worker of [false, true]) {{
              const model = await load(undefined, {{ target: "wasm", threads: 2, worker }});
              const {{ threads, notes }} = model;
              results.push(plain({{ ...(await model.run(right())), threads, notes }}));
            }}
            return [...results, await words(() => load("{closed.address}"))];
        }})()""")
        origin = closed.address.rstrip("/")
    for result in results:
        check(result)
        assert (result["threads"], result["notes"]) == (2, [])
    assert f"{origin} must allow other origins (Access-Control-Allow-Origin)" in message


def test_a_new_bundle_at_an_address_is_not_taken_for_a_damaged_old_one(
    tiny: Path, tab: Tab, tmp_path: Path
) -> None:
    """Though the browser's HTTP cache has the old weights, for which it need not ask again."""

    def write(offset: int) -> None:
        plan = json.loads((tiny / "plan.json").read_text())
        content = bytearray((tiny / "weights.safetensors").read_bytes())
        content[-4:] = np.array([offset], np.float32).tobytes()
        (folder / "weights.safetensors").write_bytes(content)
        plan["files"]["weights.safetensors"]["sha256"] = hashlib.sha256(content).hexdigest()
        (folder / "plan.json").write_text(json.dumps(plan))
        os.utime(folder / "plan.json", (offset, offset))  # a server's dates are whole seconds

    folder = tmp_path / "site"
    shutil.copytree(tiny, folder)
    found = []
    with Site(folder, {**ISOLATED, "Cache-Control": "max-age=1000"}) as site:
        tab.send("Page.navigate", url=f"{site.address}shared.mjs")
        tab.wait_until(f"location.href.startsWith('{site.address}')")
        for offset in (0, 1000):
            write(offset)
            found.append(
                tab.evaluate(f"""(async () => {{
                    {HELPERS}
                    const {{ load }} = await import("/runtime.mjs");
                    const model = await load("/", {{ target: "wasm", threads: 1 }});
                    return (await model.run(right())).y.at(-1);
                }})()""")
            )
    assert found[1] == found[0] + 1000


def test_firefox_runs_webassembly_with_threads_and_in_a_worker(site: Site) -> None:
    with FirefoxTab() as firefox:
        for builder, options in (("vite", {"worker": True}), ("esbuild", {"cache": True})):
            firefox.open(f"{site.address}{builder}/?{quote(json.dumps({'threads': 2, **options}))}")
            returned = firefox.evaluate("ran")
            check(returned)
            assert (returned["threads"], returned["notes"]) == (2, [])
            assert returned["device"].startswith("Firefox 1")
        firefox.open(f"{site.address}no-wasm/")
        assert "add 'wasm-unsafe-eval' to its script-src" in firefox.evaluate("ran")["error"]


def test_the_lines_of_the_readme_run_as_typed_in_node_a_page_and_vite(
    bundle: Path, npm: Path, tab: Tab, tmp_path: Path
) -> None:
    text = (ROOT / "README.md").read_text()
    lines = text[text.index('    import { load } from "./out/runtime.mjs"') :].partition("\n\n")[0]
    assert len(lines.splitlines()) == 5
    app = tmp_path / "app"
    (app / "public").mkdir(parents=True)
    for out in (app / "out", app / "public" / "out"):
        shutil.copytree(bundle, out)
    (app / "main.mjs").write_text(f"{lines}\nglobalThis.dims = last_hidden_state.dims;\n")
    page = '<!doctype html><title>app</title><script type="module" src="./main.mjs"></script>'
    (app / "index.html").write_text(page)
    done = subprocess.run(
        [find_node(), "main.mjs"], cwd=app, capture_output=True, text=True, timeout=SECONDS
    )
    assert done.stdout.startswith("[ 1, 16, 64 ] Float32Array(1024)"), done.stderr
    node(BUILD, npm, app, tmp_path / "built", "vite")
    for folder in (app, tmp_path / "built" / "vite"):
        with Site(folder) as site:
            tab.send("Page.navigate", url=site.address)
            tab.wait_until("globalThis.dims")
            assert tab.evaluate("dims") == [1, 16, 64]


WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *(f"word{number}" for number in range(90))]
TOKENIZER: dict[str, Any] = {
    "version": "1.0", "truncation": None, "padding": None, "normalizer": None, "decoder": None,
    "added_tokens": [],
    "pre_tokenizer": {"type": "WhitespaceSplit"},
    "post_processor": {
        "type": "BertProcessing", "cls": ["[CLS]", WORDS.index("[CLS]")],
        "sep": ["[SEP]", WORDS.index("[SEP]")],
    },
    "model": {
        "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100, "vocab": {word: id for id, word in enumerate(WORDS)},
    },
}  # fmt: skip


def test_the_example_of_sentences_embeds_what_its_tokenizer_reads(
    bundle: Path, npm: Path, tab: Tab, tmp_path: Path
) -> None:
    app = tmp_path / "app"
    shutil.copytree(ROOT / "examples" / "sentences", app)
    (app / "node_modules").symlink_to(npm / "node_modules")
    for out in (app / "out", app / "public" / "out"):
        shutil.copytree(bundle, out)
    (app / "public" / "tokenizer.json").write_text(json.dumps(TOKENIZER))
    (app / "public" / "tokenizer_config.json").write_text("{}")
    node(BUILD, npm, app, tmp_path / "built", "vite")
    with Site(tmp_path / "built" / "vite") as site:
        tab.send("Page.navigate", url=site.address)
        tab.wait_until("Boolean(globalThis.embed)")
        found = tab.evaluate("embed('word3 word5 nothing').then((values) => [...values])")
        shown = tab.evaluate("document.getElementById('similarity').value")
    assert "% alike, on Chromium" in shown
    ids = [WORDS.index(each) for each in ("[CLS]", "word3", "word5", "[UNK]", "[SEP]")]
    inputs = {
        "input_ids": np.array([[*ids, *[0] * 11]]),
        "attention_mask": np.array([[1] * 5 + [0] * 11]),
        "token_type_ids": np.zeros((1, 16), np.int64),
    }
    with open_host(bundle, read_plan(bundle), "wasm", 1) as host:
        wanted = host.run(inputs)["last_hidden_state"][0, :5].mean(axis=0)
    np.testing.assert_allclose(found, wanted / np.linalg.norm(wanted), atol=1e-4)


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
