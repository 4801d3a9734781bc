// The report's page. All text comes from a campaign and may be hostile: it only ever becomes text
// (textContent), never markup. Long lists and programs are made when they are looked at.

const ROWS = 200; // of a table, until more are asked for
const DIFF_LINES = 1500; // of a text, beyond which lines are not aligned
const LIVE_MS = 2000;
const $ = (id) => document.getElementById(id);
const counts = new Intl.NumberFormat("en");

let data = JSON.parse($("data").textContent);

function make(name, attributes = {}, ...children) {
  const element = name.startsWith("svg:")
    ? document.createElementNS("http://www.w3.org/2000/svg", name.slice(4))
    : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined && value !== false)
      element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const shown = (value) =>
  typeof value === "number"
    ? counts.format(Math.abs(value) < 10 && !Number.isInteger(value) ? +value.toFixed(3) : Math.round(value))
    : String(value ?? "");
const percent = (part, whole) => (whole ? `${((100 * part) / whole).toFixed(1)} %` : "");

function clock(seconds) {
  const minutes = Math.floor(seconds / 60), pad = (n) => String(n).padStart(2, "0");
  return `${Math.floor(minutes / 60)}:${pad(minutes % 60)}:${pad(Math.floor(seconds % 60))}`;
}

// --- tables ------------------------------------------------------------------------------------

// Columns: { key, head, number, cell(row) }. A click on a head sorts; a search filters.
function table(place, columns, { sort, search, text } = {}) {
  const state = { key: sort ?? columns[0].key, down: true, limit: ROWS, rows: [] };
  const body = make("tbody"), more = make("button", { type: "button", class: "more", onclick: () => { state.limit *= 10; draw(); } });
  const heads = columns.map((column) => make("th", { scope: "col", class: column.number ? "number" : "" },
    make("button", { type: "button", onclick: () => {
      state.down = state.key === column.key ? !state.down : Boolean(column.number);
      state.key = column.key;
      draw();
    } }, column.head)));
  $(place).replaceChildren(
    make("div", { class: "scroll" }, make("table", {}, make("thead", {}, make("tr", {}, ...heads)), body)), more);
  search?.addEventListener("input", () => draw());

  function draw() {
    const wanted = search?.value.trim().toLowerCase() ?? "";
    const rows = state.rows.filter((row) => !wanted || text(row).toLowerCase().includes(wanted));
    const { key, down } = state;
    rows.sort((a, b) => {
      const [one, other] = [a[key], b[key]];
      const order = typeof one === "number" ? one - other : String(one).localeCompare(String(other), "en");
      return down ? -order : order;
    });
    heads.forEach((head, index) => head.setAttribute("aria-sort",
      columns[index].key !== key ? "none" : down ? "descending" : "ascending"));
    body.replaceChildren(...rows.slice(0, state.limit).map((row) => make("tr", {}, ...columns.map((column) =>
      make("td", { class: column.number ? "number" : "" }, column.cell ? column.cell(row) : shown(row[column.key]))))));
    if (!rows.length) body.append(make("tr", {}, make("td", { colspan: columns.length, class: "soft" }, "nothing")));
    more.hidden = rows.length <= state.limit;
    more.textContent = `Show more (${counts.format(rows.length - state.limit)} left)`;
  }
  return (rows) => { state.rows = [...rows]; draw(); };
}

const share = (part, whole) => make("span", {}, `${percent(part, whole)} `,
  make("meter", { min: 0, max: Math.max(whole, 1), value: part, "aria-hidden": "true" }));

// --- Python with colours, and differences ------------------------------------------------------

const TOKENS = new RegExp([
  `(?<c>#.*)`, `(?<s>"(?:[^"\\\\]|\\\\.)*"|'(?:[^'\\\\]|\\\\.)*')`, `(?<d>@[\\w.]+|\\b[TIR]\\.\\w+)`,
  `(?<k>\\b(?:and|as|assert|break|class|continue|def|elif|else|False|for|from|if|import|in|is|None|not|or|pass|return|True|while|with)\\b)`,
  `(?<n>\\b\\d[\\w.]*)`].join("|"), "g");

function coloured(line) {
  const parts = [];
  let end = 0;
  for (const match of line.matchAll(TOKENS)) {
    if (match.index > end) parts.push(line.slice(end, match.index));
    const kind = Object.keys(match.groups).find((name) => match.groups[name] !== undefined);
    parts.push(make("span", { class: kind }, match[0]));
    end = match.index + match[0].length;
  }
  parts.push(line.slice(end));
  return parts;
}

function program(text, label) {
  const pre = make("pre", { tabindex: 0, "aria-label": label });
  for (const line of text.split("\n")) pre.append(...coloured(line), "\n");
  return pre;
}

// Pairs of lines (one may be missing) by a longest common subsequence.
function aligned(left, right) {
  let start = 0, endL = left.length, endR = right.length;
  while (start < endL && start < endR && left[start] === right[start]) start++;
  while (endL > start && endR > start && left[endL - 1] === right[endR - 1]) { endL--; endR--; }
  const pairs = left.slice(0, start).map((line) => [line, line]);
  const a = left.slice(start, endL), b = right.slice(start, endR), width = b.length + 1;
  if (a.length <= DIFF_LINES && b.length <= DIFF_LINES) {
    const best = new Uint16Array((a.length + 1) * width);
    for (let i = a.length - 1; i >= 0; i--)
      for (let j = b.length - 1; j >= 0; j--)
        best[i * width + j] = a[i] === b[j] ? best[(i + 1) * width + j + 1] + 1
          : Math.max(best[(i + 1) * width + j], best[i * width + j + 1]);
    let i = 0, j = 0;
    const gone = [], come = [];
    const flush = () => {
      while (gone.length || come.length) pairs.push([gone.shift() ?? null, come.shift() ?? null]);
    };
    while (i < a.length || j < b.length) {
      if (i < a.length && j < b.length && a[i] === b[j]) { flush(); pairs.push([a[i++], b[j++]]); }
      else if (j === b.length || (i < a.length && best[(i + 1) * width + j] >= best[i * width + j + 1])) gone.push(a[i++]);
      else come.push(b[j++]);
    }
    flush();
  } else {
    for (let i = 0; i < Math.max(a.length, b.length); i++) pairs.push([a[i] ?? null, b[i] ?? null]);
  }
  for (let i = endL; i < left.length; i++) pairs.push([left[i], left[i]]);
  return pairs;
}

function difference(before, after, culprit) {
  const pairs = aligned(before.split("\n"), after.split("\n"));
  const sides = [["Before", "gone"], ["After", "come"]].map(([name, mark], side) => {
    const pre = make("pre", { tabindex: 0, "aria-label": `${name} ${culprit}` });
    for (const pair of pairs) {
      const changed = pair[0] !== pair[1] && pair[side] !== null;
      pre.append(make("span", { class: `row ${changed ? mark : ""}` }, ...coloured(pair[side] ?? "")));
    }
    return make("div", {}, make("h3", {}, `${name} ${culprit}`), pre);
  });
  const [left, right] = sides.map((side) => side.querySelector("pre"));
  for (const [one, other] of [[left, right], [right, left]])
    one.addEventListener("scroll", () => { other.scrollTop = one.scrollTop; other.scrollLeft = one.scrollLeft; });
  return make("div", { class: "diff" }, ...sides);
}

// --- findings ----------------------------------------------------------------------------------

const SORTS = {
  "as listed": null, count: (a, b) => b.count - a.count, kind: (a, b) => a.kind.localeCompare(b.kind),
  pass: (a, b) => a.pass.localeCompare(b.pass), newest: (a, b) => b.first_seconds - a.first_seconds,
};
let sorting = "as listed";
const state = (finding) => finding.triage?.status || (finding.known ? "known" : "new");

function findings() {
  const text = $("finding-text").value.trim().toLowerCase();
  const kind = $("finding-kind").value, wanted = $("finding-state").value;
  let rows = data.findings.filter((each) =>
    (!kind || each.kind === kind) && (!wanted || state(each) === wanted) &&
    (!text || [each.id, each.message, each.pass, each.signature, each.known?.reference].join(" ").toLowerCase().includes(text)));
  if (SORTS[sorting]) rows = [...rows].sort(SORTS[sorting]);
  $("finding-count").textContent = `${rows.length} of ${data.findings.length}`;
  const open = new Set([...document.querySelectorAll("details.finding[open]")].map((each) => each.dataset.id));
  $("finding-list").replaceChildren(...rows.slice(0, ROWS * 5).map((each) => row(each, open.has(each.id))));
}

function row(finding, open) {
  const details = make("details", { class: "finding", "data-id": finding.id, open });
  const fill = () => { if (details.open && details.childElementCount === 1) details.append(about(finding)); };
  details.append(make("summary", {},
    make("code", {}, finding.id), make("span", { class: "kind" }, finding.kind),
    make("span", { class: "pass" }, finding.pass || finding.stage),
    make("span", { class: "message" }, finding.message), make("span", { class: "count" }, `${shown(finding.count)}×`)));
  details.addEventListener("toggle", fill);
  fill();
  return details;
}

function list(pairs) {
  return make("dl", {}, ...pairs.filter(([, value]) => value !== null && value !== undefined && value !== "")
    .flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
}

function about(finding) {
  const { triage, known } = finding, body = make("div", { class: "body" });
  const tags = make("span", {},
    make("span", { class: "tag" }, finding.legal ? "legal pass order" : "illegal pass order"), " ",
    known ? make("span", { class: "tag" }, `known: ${known.reference}`) : "", " ",
    triage?.status ? make("span", { class: `tag ${triage.status === "reported" ? "bad" : ""}` }, triage.status) : "");
  body.append(list([
    ["", tags], ["Message", finding.message], ["Why known", known?.why], ["Triage", triage?.reason],
    ["Pass", finding.pass], ["Stage", finding.stage], ["Versions", triage?.versions || data.campaign.tvm],
    ["Target", `${finding.target}, optimization level ${finding.opt_level}`],
    ["Passes", finding.passes.join(", ")], ["Schedule", finding.trace.join(", ")],
    ["First seen", `after ${clock(finding.first_seconds)}, test ${shown(finding.first_test)}`],
    ["Signature", finding.signature], ["Reproducer", make("code", {}, `tzer repro ${data.campaign.folder} ${finding.id}`)],
  ]));
  if (finding.note) body.append(make("p", { class: "soft" }, finding.note));
  for (const [head, text] of [["Minimized reproducer", triage?.reproducer], ["Issue text", triage?.issue], ["Program", finding.program]])
    if (text) body.append(make("h3", {}, head), program(text, head));
  if (finding.before && finding.after) body.append(difference(finding.before, finding.after, finding.culprit));
  else if (finding.before) body.append(make("h3", {}, `Before ${finding.culprit}, which does not return`), program(finding.before, "Before"));
  return body;
}

function options(select, all, values) {
  const chosen = select.value;
  select.replaceChildren(make("option", { value: "" }, all), ...values.map(([value, count]) =>
    make("option", { value }, `${value} (${count})`)));
  select.value = values.some(([value]) => value === chosen) ? chosen : "";
}

const tally = (values) => [...values.reduce((seen, each) => seen.set(each, (seen.get(each) ?? 0) + 1), new Map())].sort();

// --- charts ------------------------------------------------------------------------------------

function chart(place, times, values, unit) {
  const [width, height, left, bottom] = [Math.max($(place).clientWidth, 200), 176, 52, 20];
  const lastTime = Math.max(times.at(-1) ?? 0, 1), most = Math.max(...values, 1);
  const x = (t) => left + (t / lastTime) * (width - left - 8), y = (v) => height - bottom - (v / most) * (height - bottom - 10);
  const svg = make("svg:svg", { viewBox: `0 0 ${width} ${height}`, role: "img", tabindex: 0,
    "aria-label": `${unit}: ${shown(values.at(-1) ?? 0)} at ${clock(lastTime)}. Left and right arrows read the points.` });
  for (const part of [0, 0.5, 1]) svg.append(
    make("svg:line", { class: "grid", x1: left, x2: width - 8, y1: y(most * part), y2: y(most * part) }),
    make("svg:text", { x: left - 6, y: y(most * part) + 4, "text-anchor": "end" }, shown(most * part)));
  for (const part of [0, 1]) svg.append(make("svg:text", { x: x(lastTime * part), y: height - 4, "text-anchor": part ? "end" : "start" }, clock(lastTime * part)));
  if (times.length) {
    const line = times.map((t, i) => `${x(t).toFixed(1)},${y(values[i]).toFixed(1)}`).join(" ");
    svg.append(make("svg:polygon", { class: "area", points: `${x(times[0])},${y(0)} ${line} ${x(times.at(-1))},${y(0)}` }),
      make("svg:polyline", { class: "line", points: line }));
  }
  const cursor = make("svg:line", { class: "cursor", y1: 6, y2: height - bottom, visibility: "hidden" });
  const dot = make("svg:circle", { class: "dot", r: 3.5, visibility: "hidden" });
  const label = make("svg:text", { y: 12, visibility: "hidden" });
  svg.append(cursor, dot, label);
  let at = times.length - 1;
  const read = (index) => {
    if (!times.length) return;
    at = Math.min(Math.max(index, 0), times.length - 1);
    const place = x(times[at]);
    cursor.setAttribute("x1", place); cursor.setAttribute("x2", place);
    dot.setAttribute("cx", place); dot.setAttribute("cy", y(values[at]));
    label.setAttribute("x", place + (place > width / 2 ? -8 : 8));
    label.setAttribute("text-anchor", place > width / 2 ? "end" : "start");
    label.textContent = `${clock(times[at])}  ${shown(values[at])} ${unit}`;
    for (const each of [cursor, dot, label]) each.setAttribute("visibility", "visible");
  };
  svg.addEventListener("pointermove", (event) => {
    const t = ((event.offsetX / svg.clientWidth) * width - left) / (width - left - 8) * lastTime;
    let index = times.findIndex((each) => each >= t);
    if (index < 0) index = times.length - 1;
    read(index);
  });
  svg.addEventListener("pointerleave", () => [cursor, dot, label].forEach((each) => each.setAttribute("visibility", "hidden")));
  svg.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) { read(at + step); event.preventDefault(); }
  });
  $(place).replaceChildren(svg);
}

function rates({ elapsed, tests }) {
  return elapsed.map((t, i) => {
    const before = Math.max(0, i - 6);
    return i ? Math.max(0, (tests[i] - tests[before]) / Math.max(t - elapsed[before], 1e-9)) : 0;
  });
}

function charts() {
  const { timeline } = data;
  chart("chart-blocks", timeline.elapsed, timeline.native_blocks, "blocks");
  chart("chart-rate", timeline.elapsed, rates(timeline), "tests a second");
  chart("chart-findings", timeline.elapsed, timeline.findings, "findings");
  const whole = data.spent.reduce((sum, each) => sum + each.seconds, 0);
  $("chart-spent").replaceChildren(make("div", { class: "bars" }, ...data.spent.flatMap(({ name, seconds }) => [
    make("span", {}, name), make("meter", { min: 0, max: Math.max(whole, 1e-9), value: seconds, "aria-label": name }),
    make("span", { class: "number" }, percent(seconds, whole))])));
}

// --- all of it ---------------------------------------------------------------------------------

const drawFiles = table("files-table", [
  { key: "file", head: "Source file" }, { key: "reached", head: "Reached", number: true },
  { key: "blocks", head: "Blocks", number: true },
  { key: "share", head: "Share", number: true, cell: (row) => share(row.reached, row.blocks) },
  { key: "last_hour", head: "Last hour", number: true, cell: (row) => (row.last_hour ? `+${shown(row.last_hour)}` : "") },
], { sort: "reached", search: $("files-text"), text: (row) => row.file });
const drawPasses = table("passes-table", [
  { key: "pass", head: "Pass" }, { key: "entries", head: "Corpus entries", number: true },
  { key: "findings", head: "Findings", number: true },
], { sort: "entries" });
const drawMutators = table("mutators-table", [
  { key: "name", head: "Name" }, { key: "kind", head: "Kind" }, { key: "tests", head: "Tests", number: true },
  { key: "blocks", head: "New blocks", number: true }, { key: "rate", head: "A second", number: true },
  { key: "findings", head: "Findings", number: true }, { key: "seconds", head: "Seconds", number: true },
], { sort: "blocks" });

function draw() {
  const { campaign, stats } = data;
  $("title").textContent = `tzer  ${campaign.folder}`;
  $("subtitle").textContent = `TVM ${campaign.tvm}, ${clock(stats.elapsed_s)}, written ${data.written}`;
  document.title = `tzer ${campaign.folder}`;
  const isNew = data.findings.filter((each) => !each.known).length;
  $("figures").replaceChildren(...[
    [shown(isNew), "findings"], [shown(data.findings.length - isNew), "known issues"], [shown(stats.tests), "tests"],
    [stats.tests_per_second.toFixed(1), "tests a second"], [percent(stats.valid_rate, 1), "valid"],
    [shown(stats.native_blocks), "basic blocks"], [shown(stats.native_files), "source files"],
    [shown(stats.python_lines), "Python lines"], [shown(stats.corpus), "in the corpus"],
  ].map(([figure, name]) => make("div", { class: "figure" }, make("b", {}, figure), make("span", {}, name))));
  options($("finding-kind"), "all kinds", tally(data.findings.map((each) => each.kind)));
  options($("finding-state"), "all", tally(data.findings.map(state)));
  findings();
  charts();
  $("files-note").textContent = data.files_note;
  drawFiles(data.files.map((each) => ({ ...each, share: each.reached / Math.max(each.blocks, 1) })));
  drawPasses(data.passes);
  drawMutators(data.payoff.map((each) => ({ ...each, rate: each.seconds ? each.blocks / each.seconds : 0 })));
  $("command").textContent = data.setup.command;
  $("setup-table").replaceChildren(list(data.setup.rows));
}

for (const name of Object.keys(SORTS)) $("finding-sorts").append(make("button", {
  type: "button", "aria-pressed": String(name === sorting), onclick: (event) => {
    sorting = name;
    for (const each of $("finding-sorts").children) each.setAttribute("aria-pressed", String(each === event.currentTarget));
    findings();
  } }, name));
$("finding-filters").addEventListener("submit", (event) => event.preventDefault());
for (const id of ["finding-text", "finding-kind", "finding-state"]) $(id).addEventListener("input", findings);
let resized = 0;
addEventListener("resize", () => { clearTimeout(resized); resized = setTimeout(charts, 100); });
draw();

async function follow() {
  $("live").hidden = false;
  for (;;) {
    try {
      const answer = await fetch("state", { cache: "no-store" });
      if (!answer.ok) throw new Error(String(answer.status));
      const next = await answer.json();
      if (next.written !== data.written) { data = next; draw(); }
      $("live").textContent = "Live: this page follows the campaign.";
    } catch {
      $("live").textContent = "tzer report --watch has ended; this is what it showed last.";
    }
    await new Promise((resolve) => setTimeout(resolve, LIVE_MS));
  }
}
if (data.live) follow();
