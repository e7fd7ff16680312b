// The page: one card for each panel, asked for one by one and again and again.
import { draw, html, unitName } from "./chart.js";
import { clock, write } from "./format.js";

const found = (id) => document.getElementById(id);
const cards = [];
let span = "";
// round tells the answers of one refresh from those of the one before it.
let round = 0;
let asking = null;
let timer = null;

// reach fetches, and once more where that fails: a browser drops what is under
// way, the loopback's too, when a network comes or goes on its machine.
const reach = async (path, signal) => {
  try {
    return await fetch(path, { signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    await new Promise((resolve) => setTimeout(resolve, 300));
    return fetch(path, { signal });
  }
};

// ask fetches JSON. What it throws is for people.
const ask = async (path, signal) => {
  let response;
  try {
    response = await reach(path, signal);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("slipway dash does not answer any more: was it stopped? Start it again and reload this page.");
  }
  if (!response.ok) throw new Error(`slipway dash answered ${response.status}: ${(await response.text()).trim()}`);
  return response.json();
};

const build = (page) => {
  found("stack").textContent = page.stack ? `· ${page.stack}` : "";
  found("source").textContent = page.source;
  document.title = page.stack ? `${page.stack} · Slipway` : "Slipway";
  const wanted = new URLSearchParams(location.hash.slice(1)).get("range");
  span = page.spans.some((s) => s.name === wanted) ? wanted : page.spans[0].name;
  for (const one of page.spans.toSorted((a, b) => a.seconds - b.seconds)) {
    const radio = html("input", { type: "radio", name: "span", value: one.name, checked: one.name === span });
    radio.addEventListener("change", () => {
      span = one.name;
      history.replaceState(null, "", `#range=${span}`);
      refresh();
    });
    found("spans").append(html("label", {}, radio, one.name));
  }
  let section = "";
  let group = null;
  for (const panel of page.panels) {
    if (panel.section !== section) {
      section = panel.section;
      group = html("div", { className: panel.kind === "figure" ? "cards figures" : "cards" });
      found("main").append(html("section", {}, html("h2", { textContent: section }), group));
    }
    group.append(card(panel));
    // How many charts stand side by side follows from how many there are.
    group.classList.remove(`drawn${group.dataset.drawn}`);
    group.dataset.drawn = group.querySelectorAll(".drawn").length;
    group.classList.add(`drawn${group.dataset.drawn}`);
  }
};

// A chart is drawn for its width, so that its text is as large as any other.
const widths = new ResizeObserver((changes) => {
  for (const { target } of changes) {
    const one = cards.find((c) => c.body === target);
    if (one.answer && one.width !== target.clientWidth) show(one);
  }
});

const card = (panel) => {
  const title = html("h3", {}, panel.title);
  const unit = panel.kind === "lines" ? unitName(panel.unit) : "";
  if (unit) title.append(" ", html("span", { className: "unit", textContent: unit }));
  const explained = html("div", { className: "explained", hidden: true }, panel.help);
  for (const query of panel.queries ?? []) {
    explained.append(html("code", { textContent: `${query.name ? `${query.name}: ` : ""}${query.ask.join("\n  or, where that is not recorded: ")}` }));
  }
  const help = html("button", { type: "button", className: "help", textContent: "?", title: panel.help });
  help.setAttribute("aria-label", `What is ${panel.title}?`);
  help.setAttribute("aria-expanded", "false");
  help.addEventListener("click", () => {
    explained.hidden = !explained.hidden;
    help.setAttribute("aria-expanded", String(!explained.hidden));
  });
  const body = html("div", { className: "body" });
  body.append(html("p", { className: "message", textContent: "Asking…" }));
  const made = html("article", { className: `card ${panel.kind === "lines" || panel.kind === "bands" ? "drawn" : ""}` }, title, help, explained, body);
  made.id = `panel-${panel.id}`;
  if (panel.kind === "table") made.classList.add("wide");
  const one = { panel, made, body, hidden: new Set(), answer: null, above: false, width: 0 };
  cards.push(one);
  widths.observe(body);
  return made;
};

const show = (one) => {
  const { panel, answer, body, made } = one;
  made.dataset.state = answer.state;
  one.width = body.clientWidth;
  if (one.above) {
    body.replaceChildren(html("p", { className: "message", textContent: "No answer; see above." }));
    return;
  }
  if (answer.state !== "answered") {
    // A figure's card has room for a sentence; the rest is where the pointer rests.
    const text = panel.kind === "figure" ? answer.message.replace(/([.?]) .*/, "$1") : answer.message;
    body.replaceChildren(html("p", { className: `message ${answer.state}`, textContent: text, title: answer.message }));
    return;
  }
  switch (panel.kind) {
    case "figure":
      body.replaceChildren(html("div", { className: `figure ${answer.word ? "word" : ""} ${answer.tone ?? ""}`, textContent: answer.word || write(answer.value, panel.unit) }));
      if (answer.note) body.append(html("div", { className: "note", textContent: answer.note }));
      break;
    case "table":
      body.replaceChildren(html("div", { className: "scroll" }, table(panel, answer)));
      if (answer.more) body.append(html("p", { className: "note", textContent: `${answer.more} more rows are not shown.` }));
      break;
    default:
      draw(body, panel, answer, one.hidden);
  }
};

const table = (panel, answer) => {
  const numeric = (i) => answer.columns[i].unit !== "text";
  const head = html("tr");
  answer.columns.forEach((c, i) => head.append(html("th", { textContent: c.title, className: numeric(i) ? "number" : "" })));
  const body = html("tbody");
  for (const row of answer.rows) {
    const line = html("tr");
    row.forEach((value, i) => {
      const text = write(value, answer.columns[i].unit);
      line.append(html("td", { textContent: text, className: `${numeric(i) ? "number" : ""} ${text.length > 45 ? "long" : ""} ${tone(panel, row, i)}` }));
    });
    body.append(line);
  }
  return html("table", { className: "rows" }, html("thead", {}, head), body);
};

// tone marks a cell that people should look at.
const tone = (panel, row, i) => {
  switch (panel.id) {
    case "rollouts":
      return i > 3 && row[i] !== null && row[i] < row[3] ? (i === 5 && row[i] === 0 ? "bad" : "warn") : "";
    case "alerts":
      return i < 2 ? (row[0] !== "firing" ? "" : row[1] === "critical" ? "bad" : "warn") : "";
    case "namespaces":
      return (i === 1 || i === 3) && row[i + 1] !== null && row[i] > row[i + 1] ? "warn" : "";
    default:
      return "";
  }
};

const banner = (text) => {
  found("banner").hidden = !text;
  found("banner").textContent = text;
};

const refresh = async () => {
  clearTimeout(timer);
  asking?.abort();
  asking = new AbortController();
  const { signal } = asking;
  const mine = ++round;
  document.body.dataset.state = "asking";
  found("state").textContent = "asking…";
  let lost = "";
  await Promise.all(cards.map(async (one) => {
    one.made.classList.add("loading");
    try {
      const answer = await ask(`api/panel/${one.panel.id}?range=${span}`, signal);
      if (mine !== round) return;
      one.answer = answer;
      one.above = false;
      show(one);
    } catch (error) {
      if (error.name === "AbortError" || mine !== round) return;
      lost = error.message;
    }
    one.made.classList.remove("loading");
  }));
  if (mine !== round) return;
  // When all say the same, it is said once, on top.
  const failed = cards.filter((c) => c.answer?.state === "failed");
  const same = failed.length > 3 && failed.every((c) => c.answer.message === failed[0].answer.message);
  banner(lost || (same ? failed[0].answer.message : ""));
  for (const one of same ? failed : []) {
    one.above = true;
    show(one);
  }
  found("state").textContent = lost ? "not answered" : `as of ${clock(Date.now() / 1000, true)}`;
  document.body.dataset.state = "drawn";
  plan();
};

// plan asks again when it is time; a page that nobody sees asks nothing.
const plan = () => {
  clearTimeout(timer);
  const every = Number(found("refresh").value);
  if (every > 0 && !document.hidden) timer = setTimeout(refresh, every * 1000);
};

found("refresh").addEventListener("change", plan);
found("now").addEventListener("click", refresh);
document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : refresh()));

try {
  build(await ask("api/page"));
  await refresh();
} catch (error) {
  banner(error.message);
  document.body.dataset.state = "failed";
}
