// Numbers and times as people read them.

const scaled = (value, base, names) => {
  let step = 0;
  let size = Math.abs(value);
  while (size >= base && step < names.length - 1) {
    size /= base;
    step++;
  }
  return [value / base ** step, names[step]];
};

// digits keeps three significant ones, without zeros at the end.
const digits = (value) => {
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size < 0.0005) return value.toExponential(1);
  const places = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
  return String(Number(value.toFixed(places)));
};

const writers = {
  "per-second": (v) => `${digits(v)}/s`,
  share: (v) => `${digits(v * 100)} %`,
  seconds: (v) => (Math.abs(v) >= 1 || v === 0 ? `${digits(v)} s` : Math.abs(v) >= 0.001 ? `${digits(v * 1e3)} ms` : `${digits(v * 1e6)} µs`),
  bytes: (v) => {
    const [n, name] = scaled(v, 1024, ["B", "KiB", "MiB", "GiB", "TiB"]);
    return `${digits(n)} ${name}`;
  },
  cores: (v) => (v !== 0 && Math.abs(v) < 1 ? `${digits(v * 1000)} m` : digits(v)),
  count: (v) => digits(v),
  money: (v) => digits(v),
  text: (v) => String(v),
};

export const write = (value, unit) => (value === null || value === undefined ? "–" : (writers[unit] ?? writers.text)(value));

// unitName is what stands beside a title.
export const unitName = (unit) =>
  ({ "per-second": "requests/s", share: "%", seconds: "time", bytes: "bytes", cores: "processors (m: thousandths)", count: "number" })[unit] ?? "";

const two = (n) => String(n).padStart(2, "0");

export const clock = (seconds, withSeconds) => {
  const d = new Date(seconds * 1000);
  return `${two(d.getHours())}:${two(d.getMinutes())}${withSeconds ? `:${two(d.getSeconds())}` : ""}`;
};

// ticks are round values from low to high, some four to six of them. Bytes are
// round by powers of two.
export const ticks = (low, high, unit) => {
  const rough = (high - low) / 4;
  let step;
  if (unit === "bytes") {
    step = 2 ** Math.ceil(Math.log2(rough));
  } else {
    const power = 10 ** Math.floor(Math.log10(rough));
    step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough * 0.999);
    if (unit === "count") step = Math.max(1, step);
  }
  const list = [];
  for (let n = Math.floor(low / step); n * step <= high + step * 0.999; n++) list.push(n * step);
  return list;
};

// timeTicks are round times of this browser's clock between two times.
export const timeTicks = (start, end) => {
  const steps = [60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 14400, 21600];
  const step = steps.find((s) => (end - start) / s <= 7) ?? 43200;
  const shift = new Date(start * 1000).getTimezoneOffset() * 60;
  const list = [];
  for (let t = Math.ceil((start - shift) / step) * step + shift; t <= end; t += step) list.push(t);
  return list;
};
