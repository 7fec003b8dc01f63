// @ts-check
// What needs attention, what is left, and how calls go.
import { count, el, table, usd, words } from "./dom.js";
import { troubles } from "./health.js";
import { all } from "./lists.js";
import { budgetTable, whom, windowOf } from "./policies.js";
import { get } from "./session.js";
import { lastHour, spanOf, traffic } from "./traffic.js";
import { day, usagePath } from "./usage.js";

/** @typedef {import("./main.js").Me} Me */

const card = (/** @type {string} */ name, /** @type {import("./dom.js").Child[]} */ ...value) => el("div", { class: "card" }, name, el("b", {}, ...value));

/** @param {any[]} budgets @param {any} status @param {Node[]} others */
function attention(budgets, status, others) {
  const items = troubles(status ?? {}).map((text) => el("li", {}, text, " ", el("a", { href: "#/health" }, "Health"), "."));
  for (const budget of budgets) {
    const used = (Number(budget.spent_usd) + Number(budget.held_usd)) / (Number(budget.limit_usd) || 1);
    const from = Math.min(...(budget.alert_at?.length ? budget.alert_at : [0.8]));
    if (used >= from || Number(budget.remaining_usd) <= 0) {
      items.push(el("li", {}, el("a", { href: "#/budgets" }, `Budget ${budget.name}`), `: ${usd(budget.remaining_usd)} of ${usd(budget.limit_usd)} left.`));
    }
  }
  items.push(...others);
  return items.length > 0 ? el("ul", { class: "attention" }, items) : el("p", { class: "attention calm" }, "Nothing needs attention.");
}

/** What is wrong with one part does not take the others away. @param {Promise<Node[]>} part */
const orWords = (part) => part.catch((error) => [el("p", { class: "bad", role: "alert" }, words(error))]);

/** @param {Me} me @param {URLSearchParams} query */
export async function overview(me, query) {
  const looks = me.role === "admin" || me.role === "auditor";
  const path = usagePath(me);
  const [today, month, now, budgets, status, hour, calls] = await Promise.all([
    get(path, { from: day(0) }), get(path, { from: day(29) }), get("/me"),
    me.role === "user" ? null : all("/admin/budgets"),
    looks ? get("/admin/status") : null, looks ? orWords(lastHour()) : [], looks ? orWords(traffic(spanOf(query))) : [],
  ]);
  const sum = (/** @type {any} */ answer) => answer.items[0] ?? { requests: 0, cost_usd: "0" };
  const shown = budgets ?? now.budgets;
  return [el("h2", {}, "Needs attention"), attention(shown, status, hour),
    el("h2", {}, "Spend"), el("div", { class: "cards" },
      card("Paid calls today", count(sum(today).requests)), card("Cost today", usd(sum(today).cost_usd)),
      card("Paid calls, 30 days", count(sum(month).requests)), card("Cost, 30 days", usd(sum(month).cost_usd))),
    ...calls,
    el("h2", {}, budgets ? "Spend against budgets" : "Your budgets"), budgetTable(shown, budgets ? [{ name: "For", show: whom }] : []),
    el("h2", {}, "Your limits"), table("Your limits", [
      { name: "Limit", show: (l) => l.name }, { name: "Counts", show: (l) => l.unit },
      { name: "Left", number: true, show: (l) => count(l.remaining) },
      { name: "Of", number: true, show: (l) => count(l.limit) },
      { name: "Window", number: true, show: windowOf },
    ], now.limits, "No limit applies to you.")];
}
