// Charts as SVG: lines and bands over time.
import { clock, ticks, timeTicks, unitName, write } from "./format.js";

const space = "http://www.w3.org/2000/svg";

const svg = (name, attributes, text) => {
  const made = document.createElementNS(space, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
};

export const html = (name, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
};

const height = 190;
const top = 8;
const bottom = 20;

// colour is a series' class: by what its name or tone means, else the next one.
const colours = (lines) => {
  let next = 0;
  const statuses = { 2: ["s0", "s2", "s6"], 3: ["c-plain", "s3"], 4: ["c-warn", "s4", "s7"], 5: ["c-bad", "s5", "s3"] };
  const taken = {};
  return lines.map((line) => {
    const kind = line.tone === "status" ? line.name[0] : "";
    if (statuses[kind]) {
      taken[kind] = (taken[kind] ?? -1) + 1;
      return statuses[kind][taken[kind] % statuses[kind].length];
    }
    return line.tone && line.tone !== "status" ? `c-${line.tone}` : `s${next++ % 8}`;
  });
};

const lastOf = (line) => line.points.findLast((p) => p !== null) ?? null;

// draw fills a card's chart. hidden are the names of series that are switched
// off; it is kept from one drawing to the next.
export const draw = (into, panel, answer, hidden) => {
  const classes = colours(answer.lines);
  const shown = answer.lines.map((line, i) => ({ ...line, colour: classes[i] })).filter((line) => !hidden.has(line.name));
  const width = Math.max(300, into.clientWidth || 460);
  const plot = panel.kind === "bands" ? bands(panel, answer, shown, width) : lines(panel, answer, shown, width);
  const chart = html("div", { className: "chart" }, plot.image);
  hover(chart, plot, panel, answer, shown);
  into.replaceChildren(chart, keys(panel, answer, classes, hidden, () => draw(into, panel, answer, hidden)));
  if (answer.more) into.append(html("p", { className: "note", textContent: `${answer.more} more are not shown.` }));
};

const frame = (panel, answer, width, tall, left) => {
  const image = svg("svg", { class: "plot", viewBox: `0 0 ${width} ${tall}`, role: "img" });
  const count = answer.lines[0].points.length;
  const end = answer.start + (count - 1) * answer.step;
  const x = (t) => left + ((t - answer.start) / (end - answer.start)) * (width - left - 10);
  for (const t of timeTicks(answer.start, end)) {
    const at = x(t);
    image.append(svg("line", { class: "grid", x1: at, x2: at, y1: top, y2: tall - bottom }));
    // Half of a label such as 16:00; the values of the axis end six before it.
    if (at - 18 > left - 4 && at < width - 20) image.append(svg("text", { x: at, y: tall - 5, "text-anchor": "middle" }, clock(t)));
  }
  return { image, x, count, width, tall, left };
};

const lines = (panel, answer, shown, width) => {
  const values = shown.flatMap((line) => line.points.filter((p) => p !== null));
  let low = panel.zero ? 0 : Math.min(...values);
  let high = Math.max(...values);
  if (!values.length) [low, high] = [0, 1];
  low = Math.min(low, high);
  if (high === low) high = low + (low === 0 ? { share: 0.01, seconds: 0.01, bytes: 1024 }[panel.unit] ?? 1 : Math.abs(low) * 0.5);
  const marks = ticks(low, high, panel.unit);
  [low, high] = [marks[0], marks.at(-1)];
  const texts = marks.map((m) => write(m, panel.unit));
  const left = 12 + 6.6 * Math.max(...texts.map((t) => t.length));
  const plot = frame(panel, answer, width, height, left);
  const y = (v) => height - bottom - ((v - low) / (high - low)) * (height - bottom - top);
  marks.forEach((mark, i) => {
    plot.image.append(svg("line", { class: i === 0 ? "axis" : "grid", x1: left, x2: width - 10, y1: y(mark), y2: y(mark) }));
    plot.image.append(svg("text", { x: left - 6, y: y(mark) + 4, "text-anchor": "end" }, texts[i]));
  });
  for (const line of shown) {
    let path = "";
    line.points.forEach((point, i) => {
      if (point === null) return;
      const alone = (line.points[i - 1] ?? null) === null;
      const at = `${plot.x(answer.start + i * answer.step).toFixed(1)},${y(point).toFixed(1)}`;
      // A point without neighbours would be a line of no length.
      path += `${alone ? "M" : "L"}${at}${alone && (line.points[i + 1] ?? null) === null ? "l0.01,0" : ""}`;
    });
    plot.image.append(svg("path", { class: `line ${line.colour}${line.tone === "plain" ? " plain" : ""}`, d: path }));
  }
  plot.image.setAttribute("aria-label", `${panel.title}: ${shown.map((l) => `${l.name} ${write(lastOf(l), panel.unit)}`).join(", ")}`);
  return { ...plot, y };
};

const bands = (panel, answer, shown, width) => {
  const row = 30;
  const tall = top + bottom + row * Math.max(1, shown.length);
  const left = 14 + 6.8 * Math.max(...answer.lines.map((line) => line.name.length));
  const plot = frame(panel, answer, width, tall, left);
  shown.forEach((line, i) => {
    const y = top + i * row;
    plot.image.append(svg("text", { x: left - 8, y: y + row / 2 + 4, "text-anchor": "end" }, line.name));
    plot.image.append(svg("line", { class: "axis", x1: left, x2: width - 10, y1: y + row, y2: y + row }));
    let from = null;
    line.points.concat(null).forEach((point, n) => {
      if (point > 0) {
        from ??= n;
      } else if (from !== null) {
        const start = plot.x(answer.start + from * answer.step);
        const until = plot.x(answer.start + Math.min(n, plot.count - 1) * answer.step);
        plot.image.append(svg("rect", { class: `band ${line.colour}`, x: start, y: y + 8, width: Math.max(2, until - start), height: row - 14, rx: 2 }));
        from = null;
      }
    });
  });
  plot.image.setAttribute("aria-label", `${panel.title}: as of now ${shown.filter((l) => lastOf(l) > 0).map((l) => l.name).join(", ") || "nobody"}`);
  return plot;
};

const keys = (panel, answer, classes, hidden, redraw) => {
  const list = html("ul", { className: "keys" });
  answer.lines.forEach((line, i) => {
    const last = lastOf(line);
    const value = panel.kind === "bands" ? (last > 0 ? "leads" : last === null ? "silent" : "follows") : write(last, panel.unit);
    const key = html("button", { type: "button", className: "key", title: "show or hide" },
      html("span", { className: `swatch ${classes[i]}` }), `${line.name || "all"} `, html("b", { textContent: value }));
    key.setAttribute("aria-pressed", String(!hidden.has(line.name)));
    key.addEventListener("click", () => {
      if (!hidden.delete(line.name)) hidden.add(line.name);
      redraw();
    });
    list.append(html("li", {}, key));
  });
  return list;
};

// hover shows the values at the time under the pointer.
const hover = (chart, plot, panel, answer, shown) => {
  let cross = null;
  let tip = null;
  const leave = () => {
    cross?.remove();
    tip?.remove();
    cross = tip = null;
  };
  plot.image.addEventListener("pointerleave", leave);
  plot.image.addEventListener("pointermove", (event) => {
    leave();
    const box = plot.image.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * plot.width;
    const share = (at - plot.left) / (plot.width - plot.left - 10);
    const index = Math.round(share * (plot.count - 1));
    if (index < 0 || index >= plot.count) return;
    const time = answer.start + index * answer.step;
    const x = plot.x(time);
    cross = svg("g", {});
    cross.append(svg("line", { class: "cross", x1: x, x2: x, y1: top, y2: plot.tall - bottom }));
    const body = html("tbody");
    for (const line of shown) {
      const point = line.points[index];
      if (point !== null && plot.y) cross.append(svg("circle", { class: `dot ${line.colour}`, cx: x, cy: plot.y(point), r: 3 }));
      const value = panel.kind === "bands" ? (point === null ? "silent" : point > 0 ? "leads" : "follows") : write(point, panel.unit);
      body.append(html("tr", {}, html("td", {}, html("span", { className: `swatch ${line.colour}` })), html("td", { textContent: line.name }), html("td", { textContent: value })));
    }
    for (const swatch of body.querySelectorAll(".swatch")) swatch.style.display = "inline-block";
    plot.image.append(cross);
    tip = html("div", { className: "tip" }, html("div", { className: "note", textContent: clock(time, true) }), html("table", {}, body));
    chart.append(tip);
    const place = (x / plot.width) * box.width;
    tip.style.left = `${place + 14 + tip.offsetWidth > box.width ? Math.max(0, place - 14 - tip.offsetWidth) : place + 14}px`;
  });
};

export { unitName };
