// @ts-check
// What needs attention, what is left, and how the last calls went.
import { count, el, table, time, usd } from "./dom.js";
import { all } from "./lists.js";
import { budgetTable } from "./policies.js";
import { get } from "./session.js";
import { day, usagePath } from "./usage.js";

/** @typedef {import("./main.js").Me} Me */

const card = (/** @type {string} */ name, /** @type {import("./dom.js").Child[]} */ ...value) => el("div", { class: "card" }, name, el("b", {}, ...value));

/** The value below which a share of the values is. @param {number[]} values @param {number} share */
function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)];
}
const ms = (/** @type {number[]} */ values, /** @type {number} */ share) =>
  (values.length > 0 ? `${(quantile(values, share) / 1000).toLocaleString(undefined, { maximumSignificantDigits: 3 })} ms` : "–");

/** Upstreams as the last records show them. @param {any[]} records */
function upstreams(records) {
  /** @type {Map<string, {name: string, calls: number, failed: number, last: string, times: number[]}>} */
  const found = new Map();
  for (const record of records) {
    /** @type {any[]} */
    const tries = record.attempts?.length ? record.attempts : record.upstream ? [{ upstream: record.upstream, status: record.upstream_status, duration_us: record.duration_us }] : [];
    for (const attempt of tries) {
      /** @type {{name: string, calls: number, failed: number, last: string, times: number[]}} */
      const row = found.get(attempt.upstream) ?? { name: attempt.upstream, calls: 0, failed: 0, last: record.time, times: [] };
      row.calls += 1;
      if (attempt.error || !attempt.status || attempt.status >= 500) row.failed += 1;
      if (typeof attempt.duration_us === "number") row.times.push(attempt.duration_us);
      found.set(attempt.upstream, row);
    }
  }
  return [...found.values()].sort((a, b) => b.failed - a.failed || b.calls - a.calls);
}

/** @param {any[]} budgets @param {any[]} records @param {any} ready */
function attention(budgets, records, ready) {
  const items = [];
  for (const [name, state] of Object.entries(ready?.dependencies ?? {})) {
    if (state !== "ok") items.push(el("li", {}, `${name} is ${state}.`));
  }
  for (const budget of budgets) {
    const used = (Number(budget.spent_usd) + Number(budget.held_usd)) / (Number(budget.limit_usd) || 1);
    const from = Math.min(...(budget.alert_at?.length ? budget.alert_at : [0.8]));
    if (used >= from || Number(budget.remaining_usd) <= 0) {
      items.push(el("li", {}, el("a", { href: "#/budgets" }, `Budget ${budget.name}`), `: ${usd(budget.remaining_usd)} of ${usd(budget.limit_usd)} left.`));
    }
  }
  for (const row of upstreams(records)) {
    if (row.failed > 0) items.push(el("li", {}, `Upstream ${row.name}: ${row.failed} of the last ${row.calls} tries failed.`));
  }
  const hour = Date.now() - 3_600_000;
  /** @type {Map<string, number>} */
  const refused = new Map();
  for (const record of records) {
    if (record.decision === "refused" && Date.parse(record.time) > hour) {
      const code = String(record.reason ?? "no reason").split(":")[0];
      refused.set(code, (refused.get(code) ?? 0) + 1);
    }
  }
  for (const [code, number] of refused) {
    items.push(el("li", {}, `${count(number)} ${number === 1 ? "call was" : "calls were"} refused in the last hour: `, el("a", { href: "#/requests?decision=refused" }, code), "."));
  }
  return items.length > 0 ? el("ul", { class: "attention" }, items) : el("p", { class: "attention calm" }, "Nothing needs attention.");
}

/** @param {Me} me */
export async function overview(me) {
  const looks = me.role === "admin" || me.role === "auditor";
  const path = usagePath(me);
  const [today, month, now, budgets, page, ready] = await Promise.all([
    get(path, { from: day(0) }), get(path, { from: day(30) }), get("/me"),
    me.role === "user" ? null : all("/admin/budgets"),
    looks ? get("/admin/audit", { limit: 200 }) : { items: [] },
    looks ? get("/readyz").catch((error) => error.problem ?? null) : null,
  ]);
  const sum = (/** @type {any} */ answer) => answer.items[0] ?? { requests: 0, cost_usd: "0" };
  // The gateway's own URLs, this console's among them, are not what callers wait for.
  const calls = page.items.filter((/** @type {any} */ record) => record.upstream);
  const times = calls.map((/** @type {any} */ record) => record.duration_us).filter((/** @type {unknown} */ value) => typeof value === "number");
  const shown = budgets ?? now.budgets;
  const parts = [el("h2", {}, "Needs attention"), attention(shown, page.items, ready),
    el("h2", {}, "Calls"), el("div", { class: "cards" },
      card("Paid calls today", count(sum(today).requests)), card("Cost today", usd(sum(today).cost_usd)),
      card("Paid calls, 30 days", count(sum(month).requests)), card("Cost, 30 days", usd(sum(month).cost_usd)),
      looks && card("Half are served within", ms(times, 0.5)), looks && card("99 of 100 within", ms(times, 0.99)))];
  if (looks) parts.push(el("p", { class: "faint" }, `Times are of the last ${count(times.length)} calls to upstreams among the last ${count(page.items.length)} requests.`));
  parts.push(el("h2", {}, budgets ? "Spend against budgets" : "Your budgets"), budgetTable(shown));
  if (looks && calls.length > 0) {
    parts.push(el("h2", {}, "Upstreams, as the last requests show them"), table("Upstreams", [
      { name: "Upstream", show: (u) => u.name }, { name: "Tries", number: true, show: (u) => count(u.calls) },
      { name: "Failed", number: true, show: (u) => el("span", { class: u.failed ? "bad" : "good" }, count(u.failed)) },
      { name: "p50", number: true, show: (u) => ms(u.times, 0.5) }, { name: "p99", number: true, show: (u) => ms(u.times, 0.99) },
      { name: "Last", show: (u) => time(u.last) },
    ], upstreams(page.items), ""));
  }
  parts.push(el("h2", {}, "Your limits"), table("Your limits", [
    { name: "Limit", show: (l) => l.name }, { name: "Counts", show: (l) => l.unit },
    { name: "Left", number: true, show: (l) => count(l.remaining) },
    { name: "Of", number: true, show: (l) => count(l.limit) },
    { name: "Window", number: true, show: (l) => (l.window_s ? `${count(l.window_s)} s` : "–") },
  ], now.limits, "No limit applies to you."));
  return parts;
}
