// @ts-check
// A small picture of sums: bars, one upon the other where there is a time. The table beside it says the same in numbers.
import { el, svg } from "./dom.js";

const MOST = 6;
/** The units across a picture: fewer on a phone, where the same words then are larger. */
const across = () => (innerWidth < 672 ? 480 : 860);
const HIGH = 220;
const LEFT = 64;
const ROW = 26;

/** @typedef {{label: string, time: string | null, value: number}} Point */

/** The labels with most, and one for the rest. @param {Point[]} points */
function ranked(points) {
  /** @type {Map<string, number>} */
  const sums = new Map();
  for (const { label, value } of points) sums.set(label, (sums.get(label) ?? 0) + value);
  const all = [...sums].sort((a, b) => b[1] - a[1]).map(([label]) => label);
  return all.length > MOST + 1 ? [...all.slice(0, MOST), "all others"] : all;
}

/** A number above `most` that is easy to read. @param {number} most */
function ceiling(most) {
  const power = 10 ** Math.floor(Math.log10(most || 1));
  return power * ([1, 2, 5].find((step) => step * power >= most) ?? 10);
}

/**
 * Every step from the first to the last that was asked for, so that a gap is seen.
 * @param {Point[]} points @param {[string, string]} range Days.
 */
function steps(points, [from, to]) {
  const known = points.map((point) => point.time ?? "");
  const isShort = Date.parse(to) - Date.parse(from) < 4 * 86_400_000;
  const ends = known[0].includes("T") ? (isShort ? [`${from}T00:00:00Z`, `${to}T23:00:00Z`] : []) : [from, to];
  const times = [...new Set([...known, ...ends])].sort();
  const size = times.some((time) => time.includes("T")) ? 3_600_000 : 86_400_000;
  const [first, last] = [Date.parse(times[0]), Date.parse(times[times.length - 1])];
  if (!(last - first < 1000 * size)) return times;
  const cut = (/** @type {number} */ at) => new Date(at).toISOString().slice(0, size === 3_600_000 ? 13 : 10);
  return Array.from({ length: Math.round((last - first) / size) + 1 }, (_, index) => cut(first + index * size));
}

/** @param {Point[]} points @param {string} caption @param {(value: number) => string} say @param {[string, string]} range Days. */
export function chart(points, caption, say, range) {
  if (points.length === 0 || !points.some((point) => point.value > 0)) return null;
  return points.some((point) => point.time) ? columns(points, caption, say, range) : rows(points, caption, say);
}

/** @param {Point[]} points @param {string} caption @param {(value: number) => string} say @param {[string, string]} range */
function columns(points, caption, say, range) {
  const labels = ranked(points);
  const times = steps(points, range);
  const place = (/** @type {string} */ label) => (labels.includes(label) ? labels.indexOf(label) : labels.length - 1);
  /** @type {Map<string, number[]>} */
  const sums = new Map(times.map((time) => [time, labels.map(() => 0)]));
  for (const { label, time, value } of points) {
    const stack = sums.get(times.find((step) => (time ?? "").startsWith(step)) ?? "");
    if (stack) stack[place(label)] += value;
  }
  const tick = (/** @type {string} */ time) => (time.length > 10 ? `${time.slice(5, 10)} ${time.slice(11, 13)}h` : time.slice(5));
  return bars(`${caption}, in UTC`, labels, times.map((time) => ({ tick: tick(time), tip: time, values: sums.get(time) ?? [] })), say);
}

/** @typedef {{tick: string, tip: string, values: (number | null)[]}} Step What stands below it, what it is called, and the value of each label. */

/** What stands below a step and what it is called: in the reader's zone, days in UTC. @param {number} at Milliseconds. @param {number} step_s @param {number} steps @returns {{tick: string, tip: string}} */
export function stamp(at, step_s, steps) {
  const [here, there] = [new Date(at), new Date(at).toISOString()];
  if (step_s >= 86_400) return { tick: there.slice(5, 10), tip: `${there.slice(0, 10)} (UTC)` };
  const clock = here.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
  const date = here.toLocaleDateString(undefined, { month: "2-digit", day: "2-digit" });
  return { tick: step_s * steps > 172_800 ? date : clock, tip: `${here.toLocaleString()} (${there.slice(0, 16)}Z)` };
}

/** In which zone the times of a picture are. @param {number} step_s */
export const zone = (step_s) => (step_s >= 86_400 ? "days in UTC" : `times of ${Intl.DateTimeFormat().resolvedOptions().timeZone}`);

/** Sums, one upon the other, step by step. @param {string} caption @param {string[]} labels @param {Step[]} all @param {(value: number) => string} say */
export function bars(caption, labels, all, say) {
  const wide = across();
  const top = ceiling(Math.max(...all.map((step) => step.values.reduce((/** @type {number} */ a, b) => a + (b ?? 0), 0))));
  const width = (wide - LEFT) / all.length;
  const thick = Math.min(width * 0.8, 60);
  const rects = all.flatMap((step, index) => {
    let y = HIGH;
    return step.values.map((value, series) => {
      const height = ((value ?? 0) / top) * HIGH;
      y -= height;
      return value && svg("rect", { class: `s${series}`, x: LEFT + index * width + (width - thick) / 2, y, width: thick, height },
        svg("title", {}, `${step.tip} ${labels[series]}: ${say(value)}`));
    });
  });
  return framed(caption, labels, all, top, say, rects);
}

/** Values over time as lines, broken where there is none. @param {string} caption @param {string[]} labels @param {Step[]} all @param {(value: number) => string} say */
export function lines(caption, labels, all, say) {
  const wide = across();
  const top = ceiling(Math.max(...all.flatMap((step) => step.values.map((value) => value ?? 0))));
  const width = (wide - LEFT) / all.length;
  const parts = labels.flatMap((label, series) => {
    const at = (/** @type {number} */ index) => ({ x: LEFT + (index + 0.5) * width, y: HIGH - ((all[index].values[series] ?? 0) / top) * HIGH });
    let path = "";
    const dots = all.map(({ tip, values }, index) => {
      const value = values[series];
      if (typeof value !== "number") return null;
      const { x, y } = at(index);
      path += `${typeof all[index - 1]?.values[series] === "number" ? "L" : "M"}${x} ${y}`;
      return svg("circle", { class: `s${series}`, cx: x, cy: y, r: 3 }, svg("title", {}, `${tip} ${label}: ${say(value)}`));
    });
    return [svg("path", { class: `line l${series}`, d: path }), ...dots];
  });
  return framed(caption, labels, all, top, say, parts);
}

/** A picture with its axes and legend. @param {string} caption @param {string[]} labels @param {Step[]} all @param {number} top @param {(value: number) => string} say @param {import("./dom.js").Child[]} parts */
function framed(caption, labels, all, top, say, parts) {
  const wide = across();
  const width = (wide - LEFT) / all.length;
  const axis = [0, 0.5, 1].flatMap((part) => [
    svg("line", { x1: LEFT, x2: wide, y1: HIGH - part * HIGH, y2: HIGH - part * HIGH }),
    svg("text", { x: LEFT - 6, y: HIGH - part * HIGH + 4, "text-anchor": "end" }, say(part * top)),
  ]);
  const every = Math.ceil(all.length / (wide > 500 ? 8 : 5));
  const ticks = all.map(({ tick }, index) => index % every === 0 && svg("text", { x: LEFT + (index + 0.5) * width, y: HIGH + 18, "text-anchor": "middle" }, tick));
  return el("figure", {}, svg("svg", { class: "chart", viewBox: `0 -10 ${wide} ${HIGH + 36}`, role: "img", "aria-label": `${caption}. The table below has the numbers.` }, ...axis, ...parts, ...ticks),
    el("figcaption", { class: "faint" }, caption, el("ul", { class: "legend" }, labels.map((label, series) =>
      el("li", {}, svg("svg", { viewBox: "0 0 10 10", "aria-hidden": "true" }, svg("rect", { class: `s${series}`, width: 10, height: 10 })), label)))));
}

/** @param {Point[]} points @param {string} caption @param {(value: number) => string} say */
function rows(points, caption, say) {
  const wide = across();
  const shown = [...points].sort((a, b) => b.value - a.value).slice(0, 12).filter((point) => point.value > 0);
  const most = shown[0].value;
  const parts = shown.flatMap(({ label, value }, index) => [
    svg("text", { x: 194, y: index * ROW + 17, "text-anchor": "end" }, label.length > 28 ? `${label.slice(0, 27)}…` : label),
    svg("rect", { class: "s0", x: 202, y: index * ROW + 3, width: Math.max(2, (value / most) * (wide - 320)), height: ROW - 8 }, svg("title", {}, `${label}: ${say(value)}`)),
    svg("text", { x: 210 + Math.max(2, (value / most) * (wide - 320)), y: index * ROW + 17 }, say(value)),
  ]);
  return el("figure", {}, svg("svg", { class: "chart", viewBox: `0 0 ${wide} ${shown.length * ROW}`, role: "img", "aria-label": `${caption}. The table below has the numbers.` }, ...parts),
    el("figcaption", { class: "faint" }, points.length > shown.length ? `${caption}; the ${shown.length} with most` : caption));
}
