// @ts-check
// Budgets and limits.
import { count, el, filled, input, select, svg, table, time, usd } from "./dom.js";
import { changed, danger, editor, isAdmin, maker, split } from "./edit.js";
import { named, paged, search } from "./lists.js";
import { change } from "./session.js";

/** @typedef {import("./main.js").Me} Me */

/** Spent and held of a budget as a bar; what is empty is left. @param {any} budget */
export function bar(budget) {
  const limit = Number(budget.limit_usd);
  const share = (/** @type {string} */ money) => (limit > 0 ? Math.min(100, (100 * Number(money)) / limit) : 100);
  const [spent, held] = [share(budget.spent_usd), share(budget.held_usd)];
  return svg("svg", { class: "bar", role: "img", "aria-label": `${budget.name}: spent ${usd(budget.spent_usd)}, held ${usd(budget.held_usd)}, of ${usd(budget.limit_usd)}` },
    svg("rect", { class: spent + held >= 80 ? "over" : "spent", width: `${spent}%`, height: "100%" }),
    svg("rect", { class: "held", x: `${spent}%`, width: `${Math.min(held, 100 - spent)}%`, height: "100%" }));
}

/** Whom a limit or a budget is for. @param {any} policy */
export function whom(policy) {
  const kind = policy.per ?? policy.scope;
  return policy.subject ? [`${kind} `, named(policy.subject, policy.subject_name)] : kind === "global" ? "all together" : `each ${kind}`;
}

/** The field for whom a policy is, with the name where there is one. @param {any} policy */
const subjectField = (policy) => input("subject", "One of them, by name or id; a key also as user/key (empty: each one)",
  { value: policy?.subject_name ?? policy?.subject ?? "", autocomplete: "off" });

/** The subject as it was filled in: the id of the name that was there, so that it is the same one whatever others are called. @param {string | undefined} text @param {any} policy */
const subjectGiven = (text, policy) => (text && text === policy?.subject_name ? policy.subject : text ?? null);

const NO_BUDGET = "There is no budget. Without one, nothing bounds what is spent.";

/** @type {import("./dom.js").Column[]} */
const BUDGET = [
  { name: "Budget", show: (b) => [b.name, b.mode === "shadow" && " (shadow)"] },
  { name: "Spent and held", show: bar },
  { name: "Spent", number: true, show: (b) => usd(b.spent_usd) },
  { name: "Held", number: true, show: (b) => usd(b.held_usd) },
  { name: "Left", number: true, show: (b) => usd(b.remaining_usd) },
  { name: "Limit", number: true, show: (b) => usd(b.limit_usd) },
  { name: "Whole again", show: (b) => (b.resets_at ? time(b.resets_at) : "never") },
];

/** @param {any[]} rows @param {import("./dom.js").Column[]} [more] */
export const budgetTable = (rows, more = []) => table("Budgets", [...BUDGET, ...more], rows, NO_BUDGET);

/** What a list that was searched says where there is nothing. @param {string} name @param {string} kind @param {string} empty */
const orNone = (name, kind, empty) => (name ? `There is no ${kind} of this name.` : empty);

/** The fields of a budget. @param {any} b */
export const budgetFields = (b) => [input("name", "Name", { required: true, value: b?.name ?? "" }),
  select("scope", "For", ["global", "team", "user", "key"], b?.scope ?? "global"), subjectField(b),
  input("models", "Models, with commas between (gpt-* is each that begins so)", { value: (b?.models ?? ["*"]).join(", ") }),
  input("limit_usd", "Limit in USD", { required: true, inputmode: "decimal", pattern: "[0-9]+([.][0-9]+)?", title: "such as 12.50", value: b?.limit_usd ?? "" }),
  select("period", "Period", ["month", "week", "day", "total"], b?.period ?? "month"), select("mode", "Mode", ["enforce", "shadow"], b?.mode ?? "enforce"),
  input("alert_at", "Alert at (shares, with commas between)", { value: (b?.alert_at ?? [0.8]).join(", ") })];

/** A budget as its fields have it. @param {Record<string, string>} given @param {any} [before] What the fields were drawn of. */
export function budgetGiven({ models, subject, alert_at, ...rest }, before) {
  return { ...rest, subject: subjectGiven(subject, before), models: split(models), alert_at: alert_at ? split(alert_at).map(Number) : [] };
}

/** The way to the replay of a policy. @param {"limit" | "budget"} kind @param {any} policy @param {string[]} fields */
const replayed = (kind, policy, fields) => el("a", { "aria-label": `Replay ${policy.name}`,
  href: `#/replay?${new URLSearchParams([["kind", kind], ...fields.filter((name) => policy[name] !== null && policy[name] !== undefined).map((name) => [name, String(policy[name])])])}` }, "replay");

/** @param {Me} me @param {URLSearchParams} query */
export async function budgets(me, query) {
  const name = query.get("name") ?? "";
  const more = [
    { name: "For", show: whom },
    { name: "Period", show: (/** @type {any} */ b) => b.period }, { name: "Models", long: true, show: (/** @type {any} */ b) => b.models.join(", ") },
    ...(isAdmin(me) ? [{ name: "Past", show: (/** @type {any} */ b) => replayed("budget", b, ["name", "scope", "subject", "subject_name", "models", "limit_usd", "period"]) },
      { name: "Change", show: (/** @type {any} */ b) => [
      editor(`Budget ${b.name}`, () => budgetFields(b), (form) => change("PATCH", `/admin/budgets/${b.id}`, changed(b, budgetGiven(filled(form), b)))),
      danger(`Delete the budget ${b.name}?`, () => change("DELETE", `/admin/budgets/${b.id}`))] }] : []),
  ];
  return [isAdmin(me) && maker("A new budget", budgetFields(null), (form) => change("POST", "/admin/budgets", budgetGiven(filled(form)))), search("budgets", query, "Exact name of the budget"),
    await paged("/admin/budgets", { name }, [...BUDGET, ...more], { caption: "Budgets", empty: orNone(name, "budget", NO_BUDGET) })].filter(Boolean);
}

/** The fields of a limit. @param {any} l */
export const limitFields = (l) => [input("name", "Name", { required: true, value: l?.name ?? "" }),
  input("routes", "Routes, with commas between", { value: (l?.routes ?? ["*"]).join(", ") }),
  select("per", "For each", ["user", "key", "team", "address", "global"], l?.per ?? "user"), subjectField(l),
  select("unit", "Counts", ["requests", "tokens", "concurrent"], l?.unit ?? "requests"),
  input("limit", "Limit", { type: "number", min: 1, required: true, value: l?.limit ?? "" }),
  select("window", "Window (not for concurrent)", [["", "so many seconds, refilling"], ["day", "calendar day"], ["week", "calendar week"], ["month", "calendar month"]], l?.window ?? ""),
  input("window_s", "Seconds of a refilling window", { type: "number", min: 1, value: l?.window_s ?? "" }),
  input("burst", "Burst of a refilling window (empty: as the limit)", { type: "number", min: 1, value: l?.burst ?? "" }),
  input("time_zone", "Time zone of a calendar window (empty: UTC)", { placeholder: "Europe/Berlin", value: l?.time_zone ?? "" }),
  select("mode", "Mode", ["shadow", "enforce"], l?.mode ?? "shadow"),
  select("on_error", "If counts cannot be shared", [["allow_local_share", "count here, a share"], ["deny", "refuse"]], l?.on_error ?? "allow_local_share")];

/** A limit as its fields have it: of the two kinds of window, only what belongs to the one that was chosen. @param {Record<string, string>} given @param {any} [before] What the fields were drawn of. */
export function limitGiven({ limit, window, window_s, time_zone, burst, routes, subject, ...rest }, before) {
  const refills = !window && rest.unit !== "concurrent";
  const number = (/** @type {string | undefined} */ text) => (refills && text ? Number(text) : null);
  const counted = { window: window ?? null, time_zone: (window && time_zone) || null, window_s: number(window_s), burst: number(burst) };
  return { ...rest, subject: subjectGiven(subject, before), routes: split(routes), limit: Number(limit), ...counted };
}

/** The window of a limit in words. @param {any} l */
export const windowOf = (l) => (l.window ? `${l.window} of ${l.time_zone ?? "UTC"}` : l.window_s ? `${count(l.window_s)} s` : "–");

/** @param {Me} me @param {URLSearchParams} query */
export async function limits(me, query) {
  const name = query.get("name") ?? "";
  const turn = (/** @type {any} */ l, /** @type {string} */ mode) =>
    danger(mode === "shadow" ? `Only watch ${l.name}? It then refuses nothing.` : `Enforce ${l.name}? It then refuses what is beyond it.`,
      () => change("PATCH", `/admin/limits/${l.id}`, { mode }), mode === "shadow" ? "Only watch" : "Enforce");
  const columns = [
    { name: "Name", show: (/** @type {any} */ l) => l.name },
    { name: "For", show: whom },
    { name: "Routes", long: true, show: (/** @type {any} */ l) => l.routes.join(", ") },
    { name: "Limit", number: true, show: (/** @type {any} */ l) => `${count(l.limit)} ${l.unit}` },
    { name: "Window", number: true, show: windowOf },
    { name: "Burst", number: true, show: (/** @type {any} */ l) => (l.window ? "–" : count(l.burst ?? l.limit)) }, { name: "Mode", show: (/** @type {any} */ l) => l.mode },
    ...(isAdmin(me) ? [{ name: "Past", show: (/** @type {any} */ l) => replayed("limit", l, ["name", "routes", "per", "subject", "subject_name", "unit", "limit", "window_s", "window", "time_zone", "burst", "on_error"]) },
      { name: "Change", show: (/** @type {any} */ l) => [
      editor(`Limit ${l.name}`, () => limitFields(l), (form) => change("PATCH", `/admin/limits/${l.id}`, changed(l, limitGiven(filled(form), l)))),
      turn(l, l.mode === "shadow" ? "enforce" : "shadow"),
      danger(`Delete the limit ${l.name}?`, () => change("DELETE", `/admin/limits/${l.id}`))] }] : []),
  ];
  return [isAdmin(me) && maker("A new limit", limitFields(null), (form) => change("POST", "/admin/limits", limitGiven(filled(form)))),
    search("limits", query, "Exact name of the limit"),
    await paged("/admin/limits", { name }, columns, { caption: "Limits", empty: orNone(name, "limit", "There are no limits. A new one begins in shadow: it counts and refuses nothing.") })].filter(Boolean);
}
