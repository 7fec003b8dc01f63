// What is left and what was used.
import { count, el, filled, input, table, time, usd } from "./dom.js";
import { get } from "./session.js";

/** @typedef {import("./main.js").Me} Me */

const day = (/** @type {number} */ ago) => new Date(Date.now() - ago * 86_400_000).toISOString().slice(0, 10);
const mayAsk = (/** @type {Me} */ me) => me.role !== "user";
const card = (/** @type {string} */ name, /** @type {string} */ value) => el("div", { class: "card" }, name, el("b", {}, value));

/** Spent and held of a budget as a bar. @param {any} budget */
export function bar(budget) {
  const used = Number(budget.spent_usd) + Number(budget.held_usd);
  return el("meter", { min: 0, max: Number(budget.limit_usd) || 1, high: 0.8 * Number(budget.limit_usd), value: used,
    "aria-label": `${budget.name}: ${usd(used)} of ${usd(budget.limit_usd)}` });
}

/** @param {any[]} rows */
export const budgetTable = (rows) => table("Budgets", [
  { name: "Budget", show: (b) => b.name },
  { name: "Used", show: bar },
  { name: "Spent", number: true, show: (b) => usd(b.spent_usd) },
  { name: "Held", number: true, show: (b) => usd(b.held_usd) },
  { name: "Left", number: true, show: (b) => usd(b.remaining_usd) },
  { name: "Limit", number: true, show: (b) => usd(b.limit_usd) },
  { name: "Whole again", show: (b) => time(b.resets_at) },
], rows, "No budget applies.");

/** @param {Me} me */
export async function overview(me) {
  const path = mayAsk(me) ? "/admin/usage" : "/me/usage";
  const [today, month, now] = await Promise.all([
    get(path, { from: day(0) }), get(path, { from: day(30) }), get("/me"),
  ]);
  const sum = (/** @type {any} */ answer) => answer.items[0] ?? { requests: 0, cost_usd: "0" };
  const parts = [el("div", { class: "cards" },
    card("Paid calls today", count(sum(today).requests)), card("Cost today", usd(sum(today).cost_usd)),
    card("Paid calls, 30 days", count(sum(month).requests)), card("Cost, 30 days", usd(sum(month).cost_usd))),
  el("h2", {}, "Your limits"), table("Your limits", [
    { name: "Limit", show: (l) => l.name }, { name: "Counts", show: (l) => l.unit },
    { name: "Left", number: true, show: (l) => count(l.remaining) },
    { name: "Of", number: true, show: (l) => count(l.limit) },
    { name: "Window", number: true, show: (l) => (l.window_s ? `${count(l.window_s)} s` : "–") },
  ], now.limits, "No limit applies to you."),
  el("h2", {}, "Your budgets"), budgetTable(now.budgets)];
  if (me.role === "admin" || me.role === "auditor") {
    const refused = await get("/admin/audit", { decision: "refused", limit: 10 });
    parts.push(el("h2", {}, "The last refusals"), table("The last refusals", [
      { name: "Time", show: (r) => time(r.time) }, { name: "Who", show: (r) => r.username ?? "nobody" },
      { name: "What", show: (r) => el("a", { href: `#/requests?request_id=${r.request_id}` }, `${r.method ?? "?"} ${r.path ?? "?"}`) },
      { name: "Status", number: true, show: (r) => r.status ?? "–" }, { name: "Why", show: (r) => r.reason ?? "–" },
    ], refused.items, "Nothing was refused."));
  }
  return parts;
}

/** @param {Me} me @param {URLSearchParams} query */
export async function usage(me, query) {
  const asked = { group_by: query.get("group_by") ?? "model", from: query.get("from") ?? day(30), to: query.get("to") ?? "" };
  const { items } = await get(mayAsk(me) ? "/admin/usage" : "/me/usage", asked);
  const groups = asked.group_by.split(",").filter(Boolean);
  const most = Math.max(...items.map((/** @type {any} */ item) => Number(item.cost_usd)), 0) || 1;
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    location.hash = `#/usage?${new URLSearchParams(filled(/** @type {HTMLFormElement} */ (event.target)))}`;
  };
  const form = el("form", { class: "fields", onsubmit: submit },
    input("group_by", "By (user, team, key, model, route, day)", { value: asked.group_by }),
    input("from", "From", { type: "date", value: asked.from }), input("to", "Before", { type: "date", value: asked.to }),
    el("button", { class: "main", type: "submit" }, "Show"));
  return [form, table("Usage", [
    ...groups.map((name) => ({ name, show: (/** @type {any} */ item) => item[name] ?? "–" })),
    { name: "Share", show: (item) => el("meter", { min: 0, max: most, value: Number(item.cost_usd), "aria-label": usd(item.cost_usd) }) },
    { name: "Calls", number: true, show: (item) => count(item.requests) },
    { name: "Tokens in", number: true, show: (item) => count(item.input_tokens) },
    { name: "of them cached", number: true, show: (item) => count(item.cached_tokens) },
    { name: "Tokens out", number: true, show: (item) => count(item.output_tokens) },
    { name: "Cost", number: true, show: (item) => usd(item.cost_usd) },
  ], items, "Nothing was used in this time. The playground makes a first call.")];
}
