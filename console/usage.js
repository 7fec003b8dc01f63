// @ts-check
// What was used and what it cost.
import { chart } from "./chart.js";
import { count, csv, download, el, input, select, table, usd } from "./dom.js";
import { wrong } from "./edit.js";
import { named } from "./lists.js";
import { Refused, get } from "./session.js";

export const day = (/** @type {number} */ ago) => new Date(Date.now() - ago * 86_400_000).toISOString().slice(0, 10);
/** The day before one. @param {string} text */
const before = (text) => new Date(Date.parse(text) - 86_400_000).toISOString().slice(0, 10);
/** Where usage is asked for. @param {import("./main.js").Me} me */
export const usagePath = (me) => (me.role === "user" ? "/me/usage" : "/admin/usage");

const GROUPS = ["model", "served_model", "route", "upstream", "user", "team", "key"];
const STEPS = [["", "one sum"], ["day", "day"], ["hour", "hour"]];
/** @type {Record<string, [string, (item: any) => number, (value: number) => string]>} */
const MEASURES = {
  cost: ["Cost", (item) => Number(item.cost_usd), (value) => `$${Number(value.toPrecision(3))}`],
  requests: ["Paid calls", (item) => item.requests, count],
  tokens: ["Tokens in and out", (item) => item.input_tokens + item.output_tokens, count],
};

const PEOPLE = ["user", "team", "key"];

/** How a time is chosen: of what is no day, as an address may have it, a picker of days would show nothing. @param {string} text */
export const pickerOf = (text) => (/^(\d{4}-\d\d-\d\d)?$/.test(text) ? "date" : "text");

/** @param {import("./main.js").Me} me @param {URLSearchParams} query */
export async function usage(me, query) {
  const by = query.has("by") ? (query.get("by") ?? "") : "model";
  const step = query.has("step") ? (query.get("step") ?? "") : "day";
  const measure = MEASURES[query.get("show") ?? ""] ? (query.get("show") ?? "cost") : "cost";
  const asked = { group_by: [by, step].filter(Boolean).join(","), from: query.get("from") ?? day(30), to: query.get("to") ?? "" };
  const groups = [step, by].filter(Boolean);
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.currentTarget);
    // Empty choices stay in the address: they mean something here.
    location.hash = `#/usage?${new URLSearchParams(/** @type {any} */ (new FormData(form)))}`;
  };
  const options = GROUPS.filter((name) => me.role !== "user" || !["user", "team"].includes(name));
  const form = el("form", { class: "fields", onsubmit: submit },
    select("by", "By", [["", "all together"], ...options.map((name) => /** @type {[string, string]} */ ([name, name.replace("_", " ")]))], by),
    select("step", "For each", /** @type {[string, string][]} */ (STEPS), step),
    select("show", "Picture of", Object.entries(MEASURES).map(([key, [name]]) => [key, name]), measure),
    input("from", "From", { type: pickerOf(asked.from), value: asked.from }), input("to", "Before", { type: pickerOf(asked.to), value: asked.to }),
    el("button", { class: "main", type: "submit" }, "Show"));
  const looked = await get(usagePath(me), asked).catch((error) => error);
  // What is wrong with the question stands at its field, and the form stays.
  if (looked instanceof Refused && looked.status === 400) return wrong(form, looked);
  if (looked instanceof Error) throw looked;
  const { items } = looked;
  const [name, value, say] = MEASURES[measure];
  const label = (/** @type {any} */ item) => (by ? String(item[`${by}_name`] ?? item[by] ?? "none") : "all");
  const points = items.map((/** @type {any} */ item) => ({ label: label(item), time: step ? item[step] : null, value: value(item) }));
  const isNamed = PEOPLE.includes(by);
  const fields = [...groups, ...(isNamed ? [`${by}_name`] : []), "requests", "input_tokens", "cached_tokens", "output_tokens", "cost_usd"];
  const save = () => download(`usage-${asked.from}.csv`, "text/csv", csv(fields, isNamed ? items.map((/** @type {any} */ item) => ({ ...item, [`${by}_name`]: label(item) })) : items));
  const picture = by || step ? chart(points, [name, by && `by ${by.replace("_", " ")}`, step && `for each ${step}`].filter(Boolean).join(" "), say, [asked.from, asked.to ? before(asked.to) : day(0)]) : null;
  return [form, ...(picture ? [picture] : []),
    ...(items.length > 0 ? [el("p", { class: "row" }, el("button", { type: "button", onclick: save }, "Download as CSV"))] : []),
    table("Usage", [
      ...groups.map((group) => ({ name: group.replace("_", " "), show: (/** @type {any} */ item) => (group === by && isNamed ? named(item[by], item[`${by}_name`]) : item[group] ?? "–") })),
      { name: "Calls", number: true, show: (item) => count(item.requests) },
      { name: "Tokens in", number: true, show: (item) => count(item.input_tokens) },
      { name: "of them cached", number: true, show: (item) => count(item.cached_tokens) },
      { name: "Tokens out", number: true, show: (item) => count(item.output_tokens) },
      { name: "Cost", number: true, show: (item) => usd(item.cost_usd) },
    ], items, "Nothing was used in this time. The playground makes a first call.")];
}
