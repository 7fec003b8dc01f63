// @ts-check
// How many calls came, what became of them and how long they took, for a time that the reader chooses.
import { bars, lines, stamp, zone } from "./chart.js";
import { count, el, sumUsd, table, usd } from "./dom.js";
import { get } from "./session.js";

/** Times to choose from: what each is called, the seconds of a step, and how many there are. @type {Record<string, [string, number, number]>} */
const SPANS = { hour: ["the last hour", 60, 60], day: ["the last day", 1800, 48], week: ["the last week", 10_800, 56], month: ["the last 30 days", 86_400, 30] };
/** One step for all of the time. */
const WHOLE_S = 315_360_000;
const DECISIONS = ["allowed", "refused", "failed"];
const MOST_LINES = 6;

/** @typedef {{name: string, title: string, from: string, step_s: number, times: number[]}} Span */

/** The time that an address asks for. @param {URLSearchParams} query @returns {Span} */
export function spanOf(query) {
  const name = Object.hasOwn(SPANS, query.get("time") ?? "") ? String(query.get("time")) : "day";
  const [title, step_s, steps] = SPANS[name];
  const last = Math.floor(Date.now() / 1000 / step_s) * step_s;
  const times = Array.from({ length: steps }, (_, index) => (last - (steps - 1 - index) * step_s) * 1000);
  return { name, title, step_s, times, from: new Date(times[0]).toISOString() };
}

/** What a time adds up to. @param {Span} span @param {string} group_by @param {boolean} isWhole One sum for all of it. @returns {Promise<{items: any[], is_complete: boolean}>} */
const ask = ({ from, step_s }, group_by, isWhole) => get("/admin/traffic", { from, group_by, step_s: isWhole ? WHOLE_S : step_s });
/** Its sums alone. @param {Span} span @param {string} group_by @param {boolean} isWhole @returns {Promise<any[]>} */
const sums = async (span, group_by, isWhole) => (await ask(span, group_by, isWhole)).items;

/** The gateway's own URLs, this console's among them, are not what callers wait for; they begin with a slash, as no route does. @param {any} item */
const isCall = (item) => !String(item.route ?? "").startsWith("/");
const total = (/** @type {any[]} */ items) => items.reduce((sum, item) => sum + item.requests, 0);
const share = (/** @type {number} */ part, /** @type {number} */ all) => (all > 0 ? ` (${((100 * part) / all).toLocaleString(undefined, { maximumSignificantDigits: 2 })} %)` : "");
const ms = (/** @type {unknown} */ value) => (typeof value === "number" ? `${value.toLocaleString(undefined, { maximumSignificantDigits: 3 })} ms` : "–");

/** Adds up what has one value of a name. @param {any[]} items @param {string} name @returns {{key: string, items: any[]}[]} Those with most first. */
function grouped(items, name) {
  /** @type {Map<string, any[]>} */
  const found = new Map();
  for (const item of items) found.set(item[name] ?? "", [...found.get(item[name] ?? "") ?? [], item]);
  return [...found].map(([key, its]) => ({ key, items: its })).sort((one, other) => total(other.items) - total(one.items));
}

/** Values of labels by step. @param {Span} span @param {string[]} labels @param {(time: number, label: string) => number | null} value */
const steps = (span, labels, value) => span.times.map((at) => ({ ...stamp(at, span.step_s, span.times.length), values: labels.map((label) => value(at, label)) }));

/** The choice of the time. @param {Span} span */
const choice = (span) => el("p", { class: "row choice", role: "group", "aria-label": "Time" }, Object.entries(SPANS).map(([name, [title]]) =>
  el("a", { href: `#/overview?time=${name}`, "aria-current": name === span.name ? "true" : null }, title)));

/** A link to the requests that a number counts. @param {Span} span @param {Record<string, string>} asked @param {string} text */
const link = (span, asked, text) => el("a", { href: `#/requests?${new URLSearchParams({ ...asked, from: span.from })}` }, text);

/** @param {Span} span @param {any[]} calls */
function calls(span, calls) {
  /** @type {Map<string, number>} */
  const known = new Map();
  for (const item of calls) {
    const key = `${Date.parse(item.time)} ${item.decision}`;
    known.set(key, (known.get(key) ?? 0) + item.requests);
  }
  return bars(`Calls by decision, ${span.title}, ${zone(span.step_s)}`, DECISIONS, steps(span, DECISIONS, (at, label) => known.get(`${at} ${label}`) ?? 0), count);
}

/** @param {Span} span @param {any[]} items By upstream and step. */
function durations(span, items) {
  const labels = grouped(items.filter((item) => item.upstream), "upstream").map(({ key }) => key).slice(0, MOST_LINES);
  const known = new Map(items.map((item) => [`${Date.parse(item.time)} ${item.upstream}`, item.duration_ms.p99]));
  const points = steps(span, labels, (at, label) => known.get(`${at} ${label}`) ?? null);
  return labels.length > 0 && lines(`99 of 100 calls are served within, by upstream, ${span.title}`, labels, points, ms);
}

/** @param {Span} span @param {any[]} refused */
const refusals = (span, refused) => table("Refusals by reason", [
  { name: "Reason", long: true, show: (r) => (r.key ? link(span, { decision: "refused", reason: r.key.split("; ")[0] }, r.key) : "none on record") },
  { name: "Calls", number: true, show: (r) => count(total(r.items)) },
  { name: "Routes", long: true, show: (r) => grouped(r.items, "route").map(({ key, items }) => `${key || "no route"} ${count(total(items))}`).join(", ") },
], grouped(refused, "reason"), "Nothing was refused in this time.");

/** @param {Span} span @param {any[]} whole By upstream and decision. @param {any[]} times By upstream. */
function upstreams(span, whole, times) {
  const known = new Map(times.map((item) => [item.upstream, item.duration_ms]));
  return table("Upstreams", [
    { name: "Upstream", show: (u) => el("a", { href: `#/upstreams?${new URLSearchParams({ name: u.key })}` }, u.key) },
    { name: "Calls", number: true, show: (u) => link(span, { upstream: u.key }, count(total(u.items))) },
    { name: "Failed", number: true, show: (u) => { const bad = failed(u.items); return el("span", { class: bad > 0 ? "bad" : "good" }, `${count(bad)}${share(bad, total(u.items))}`); } },
    { name: "p50", number: true, show: (u) => ms(known.get(u.key)?.p50) }, { name: "p99", number: true, show: (u) => ms(known.get(u.key)?.p99) },
    { name: "Cost", number: true, show: (u) => usd(sumUsd(u.items.map((/** @type {any} */ item) => item.cost_usd))) },
  ], grouped(whole.filter((item) => item.upstream), "upstream"), "No upstream was asked in this time.");
}
const failed = (/** @type {any[]} */ items) => total(items.filter((item) => item.decision === "failed"));

const card = (/** @type {string} */ name, /** @type {import("./dom.js").Child} */ value) => el("div", { class: "card" }, name, el("b", {}, value));

/** The part of the overview about traffic, for those who may look at it. @param {Span} span @returns {Promise<Node[]>} */
export async function traffic(span) {
  const [byStep, stepTimes, byReason, byUpstream, times] = await Promise.all([ask(span, "route,decision", false), sums(span, "upstream", false),
    sums(span, "route,decision,reason", true), sums(span, "upstream,decision", true), sums(span, "upstream", true)]);
  const all = byStep.items.filter(isCall);
  const refused = byReason.filter((item) => isCall(item) && item.decision === "refused");
  const head = [el("h2", {}, "Traffic"), choice(span),
    ...(byStep.is_complete ? [] : [el("p", { class: "faint" }, "A part of the log is not counted yet, as in the first minutes after an upgrade: the numbers still grow.")])];
  if (all.length === 0) return [...head, el("p", { class: "faint" }, `No call came to a route in ${span.title}. `, el("a", { href: "#/connect" }, "Connect a client"), ", or choose a longer time.")];
  const [number, bad, no] = [total(all), failed(all), total(refused)];
  const [picture, curves] = [calls(span, all), durations(span, stepTimes)];
  return [...head, el("div", { class: "cards" }, card("Calls", count(number)), card("Refused", link(span, { decision: "refused" }, `${count(no)}${share(no, number)}`)),
    card("Failed", link(span, { decision: "failed" }, `${count(bad)}${share(bad, number)}`))),
  picture, el("h3", {}, "Refusals by reason"), refusals(span, refused), el("h3", {}, "Upstreams"), ...(curves ? [curves] : []), upstreams(span, byUpstream, times)];
}

/** What was refused and what failed in the last hour, as sentences. */
export async function lastHour() {
  const span = spanOf(new URLSearchParams({ time: "hour" }));
  const items = (await sums(span, "route,decision,reason,upstream", true)).filter(isCall);
  const were = (/** @type {number} */ number) => `${count(number)} ${number === 1 ? "call" : "calls"}`;
  const refused = grouped(items.filter((item) => item.decision === "refused"), "reason");
  const broken = grouped(items.filter((item) => item.decision === "failed" && item.upstream), "upstream");
  return [
    ...broken.map(({ key, items }) => el("li", {}, `Upstream ${key}: `, link(span, { upstream: key, decision: "failed" }, `${were(total(items))} failed`), " in the last hour.")),
    ...refused.map(({ key, items }) => el("li", {}, `${were(total(items))} refused in the last hour: `, link(span, { decision: "refused", ...(key && { reason: key.split("; ")[0] }) }, key || "no reason"), ".")),
  ];
}
