// @ts-check
// The price list: look, change, compare versions, and set many prices from a file after seeing what would change.
import { count, download, drawer, el, filled, input, reload, say, table, time, usd } from "./dom.js";
import { danger, editor, form, isAdmin, maker, wrong } from "./edit.js";
import { draw, given, read } from "./fields.js";
import { all, paged } from "./lists.js";
import { Refused, change, get } from "./session.js";

/** @typedef {import("./main.js").Me} Me */
/** @typedef {{model: string, before: any, after: any}} Difference */

const PATH = "/admin/prices";
const MOST = 20_000;
const money = (/** @type {string} */ name, /** @type {string} */ label, required = false) => ({ name, label, required, hint: required ? "2.50" : "" });
/** @type {(import("./fields.js").Field | import("./fields.js").Section)[]} */
const FIELDS = [
  { name: "model", label: "Model, as requests name it", required: true },
  money("input_usd", "In, USD a million tokens", true), money("output_usd", "Out, USD a million tokens", true),
  { name: "max_output_tokens", label: "Longest answer, in tokens", kind: "number", required: true },
  { title: "Cache, thoughts, sound and images", fields: [
    money("cached_input_usd", "Read from a cache"), money("cache_write_usd", "Written to a cache"), money("long_cache_write_usd", "Written for an hour"),
    money("reasoning_usd", "Thoughts"), money("audio_input_usd", "Sound in"), money("audio_output_usd", "Sound out"),
    money("image_input_usd", "Images in"), money("image_output_usd", "Images out"), money("per_call_usd", "Each call"),
    { name: "max_input_tokens", label: "Longest prompt, in tokens", kind: "number" }] },
];

/** Everything that a price has and the form has no field for. @param {any} price */
const besides = ({ tiers, service_tiers }) => ({ ...(tiers && { tiers }), ...(service_tiers && { service_tiers }) });

/** What is different between two lists. @param {any[]} before @param {any[]} after @param {boolean} isWhole Whether what `after` has not is removed. @returns {Difference[]} */
export function differences(before, after, isWhole) {
  const known = new Map(before.map((price) => [price.model, price]));
  const meant = new Map(after.map((price) => [price.model, price]));
  const found = [...meant].map(([model, price]) => ({ model, before: known.get(model) ?? null, after: price }))
    .filter((one) => fields(one).length > 0);
  const gone = isWhole ? before.filter((price) => !meant.has(price.model)).map((price) => ({ model: price.model, before: price, after: null })) : [];
  return [...found, ...gone].sort((one, other) => (one.model < other.model ? -1 : 1));
}

/** An amount in its shortest form, so that 2.5 and 2.50 are one. @param {unknown} value */
const plain = (value) => {
  const text = typeof value === "object" && value !== null ? JSON.stringify(value) : String(value ?? "");
  return /^\d+\.\d+$/.test(text) ? text.replace(/\.?0+$/, "") : text;
};

/** The fields in which a price differs. @param {Difference} difference */
const fields = ({ before, after }) => [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])]
  .filter((name) => name !== "model" && plain(before?.[name]) !== plain(after?.[name]));

/** @param {string} caption @param {Difference[]} found */
const differenceTable = (caption, found) => table(caption, [
  { name: "Model", show: (d) => d.model },
  { name: "What", show: (d) => el("span", { class: d.after ? (d.before ? "" : "good") : "bad" }, d.after ? (d.before ? "changed" : "added") : "removed") },
  { name: "Prices", long: true, show: (d) => fields(d).map((name) => el("div", {}, el("span", { class: "faint" }, `${name} `), d.before && (plain(d.before[name]) || "none"), d.before && " → ",
    d.after ? plain(d.after[name]) || "none" : "none")) },
], found, "Nothing differs.");

/** The prices of a file that this page saved, or of the body of a PUT. @param {string} text */
function priceFile(text) {
  const how = "tollgate prices import FILE reads it.";
  /** @type {any} */
  let found;
  try { found = JSON.parse(text); } catch (error) { throw new Error(`This is no JSON: ${/** @type {Error} */ (error).message}. If it is a price list in TOML, ${how}`); }
  const items = Array.isArray(found) ? found : found.items;
  if (!Array.isArray(items)) {
    const isLitellm = Object.values(found).some((entry) => entry && typeof entry === "object" && "litellm_provider" in entry);
    throw new Error(isLitellm ? `This is LiteLLM's list: ${how}` : "The file has no list “items” of prices. “Save as a file” shows the form.");
  }
  if (items.some((item) => typeof item?.model !== "string")) throw new Error("Each of the items needs the name of its model.");
  return items;
}

/** The words of a refusal, with the models in the place of their numbers. @param {unknown} error @param {any[]} items */
const spoken = (error, items) => (error instanceof Refused ? [error.detail, ...error.faults.slice(0, 20).map(({ pointer, detail }) => {
  const [, , index, ...rest] = pointer.split("/");
  return `${items[Number(index)]?.model ?? pointer}${rest.length > 0 ? ` ${rest.join("/")}` : ""}: ${detail}`;
})].join("\n") : error instanceof Error ? error.message : String(error));

/** Shows what a file would change, and changes it if that is meant. @param {any[]} before @param {any[]} items @param {boolean} isWhole @param {number} version */
function review(before, items, isWhole, version) {
  const found = differences(before, items, isWhole);
  const set = found.filter((one) => one.after).map((one) => one.after);
  const remove = found.filter((one) => !one.after).map((one) => one.model);
  const problem = el("p", { class: "bad", role: "alert" });
  const put = async () => {
    try {
      const done = await change("PUT", PATH, { items: set, remove, version });
      box.close();
      say(`Version ${done.version}: ${count(done.added)} added, ${count(done.changed)} changed, ${count(done.removed)} removed.`);
      reload();
    } catch (error) {
      problem.textContent = spoken(error, set);
    }
  };
  const label = `Set ${count(set.length)} and remove ${count(remove.length)}`;
  const box = drawer("What the file changes", [differenceTable("What the file changes", found.slice(0, 200)),
    found.length > 200 && el("p", { class: "faint" }, `These are the first 200 of ${count(found.length)}.`),
    found.length > 0 && el("p", { class: "row" }, el("button", { type: "button", class: remove.length > 0 ? "danger" : "main", onclick: put }, label)), problem]);
}

/** @param {number} version */
function importer(version) {
  const node = form([el("label", {}, "File (JSON, as “Save as a file” makes it)", el("input", { type: "file", name: "file", accept: ".json,application/json", required: true })),
    el("label", { class: "check" }, el("input", { type: "checkbox", name: "whole" }), "The file is the whole list: remove the others")], async (given) => {
    const file = /** @type {File} */ (new FormData(given).get("file"));
    const items = priceFile(await file.text());
    review(await all(PATH, MOST), items, new FormData(given).has("whole"), version);
  }, "Show what it changes", () => {});
  return el("details", {}, el("summary", {}, "Prices from a file"), node,
    el("p", { class: "faint" }, "Lists in this project's TOML and LiteLLM's JSON are read by ", el("code", {}, "tollgate prices import FILE"), "."));
}

/** @param {HTMLFormElement} asked @param {any} before */
const price = (asked, before) => ({ ...besides(before ?? {}), ...given(read(FIELDS, asked)) });

/** A choice of version and model, which stand in the address. @param {URLSearchParams} query @param {number} newest */
function look(query, newest) {
  const submit = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    location.hash = `#/prices?${new URLSearchParams(filled(/** @type {HTMLFormElement} */ (event.target)))}`;
  };
  return el("form", { class: "row", role: "search", onsubmit: submit }, input("model", "Exact name of the model", { type: "search", value: query.get("model") ?? "" }),
    input("version", `Version (now ${newest})`, { type: "number", min: 1, max: newest, value: query.get("version") ?? "" }), el("button", { type: "submit" }, "Show"),
    query.size > 0 && el("a", { href: "#/prices" }, "Show the list as it is now"));
}

/** @param {string} version */
const noVersion = (version) => new Refused(404, { title: "Nothing was looked for.", errors: [{ pointer: "?version", detail: `There is no version ${version} of the price list.` }] });

/** @param {Me} me @param {URLSearchParams} query */
export async function prices(me, query) {
  const [model, version] = [query.get("model") ?? "", query.get("version") ?? ""];
  const now = await get(PATH, { limit: 1 });
  const then = version ? await get(PATH, { limit: 1, version }).catch((error) => error) : now;
  // What is wrong with the version stands at its field, and the form stays.
  if (then instanceof Refused && [400, 404].includes(then.status)) return wrong(look(query, now.version), then.status === 400 ? then : noVersion(version));
  if (then instanceof Error) throw then;
  const isNow = then.version === now.version;
  const put = async (/** @type {any} */ item) => change("PUT", PATH, { items: [item], version: now.version });
  const acts = (/** @type {any} */ p) => [
    editor(`Price of ${p.model}`, () => draw(FIELDS.filter((part) => !("name" in part) || part.name !== "model"), p),
      (asked) => put({ ...price(asked, p), model: p.model })),
    danger(`Take the price of ${p.model} away? Metered calls to it are then refused.`, () => change("PUT", PATH, { remove: [p.model], version: now.version }), "Remove"),
  ];
  const save = async () => download(`prices-${then.version}.json`, "application/json",
    `${JSON.stringify({ items: await all(PATH, MOST, version ? { version } : {}) }, null, 2)}\n`);
  const compare = async () => drawer(`From version ${then.version} to ${now.version}`,
    [differenceTable("Differences", differences(await all(PATH, MOST, { version }), await all(PATH, MOST), true))]);
  const mayChange = isAdmin(me) && isNow;
  return [el("p", {}, `Version ${then.version} from ${then.source}, `, time(then.created_at), isNow ? ": in force." : ": no longer in force.", " USD for a million tokens."),
    ...(mayChange ? [maker("A new price", draw(FIELDS, null), (asked) => put(price(asked, null))), importer(now.version)] : []),
    look(query, now.version),
    el("p", { class: "row" }, el("button", { type: "button", onclick: save }, "Save as a file"), !isNow && el("button", { type: "button", onclick: compare }, "Compare with now"),
      then.version > 1 && el("a", { href: `#/prices?${new URLSearchParams({ ...(model && { model }), version: String(then.version - 1) })}` }, "Version before")),
    await paged(PATH, { model, version }, [
      { name: "Model", show: (p) => p.model }, { name: "In", number: true, show: (p) => usd(p.input_usd) },
      { name: "Cached in", number: true, show: (p) => usd(p.cached_input_usd) }, { name: "Cache write", number: true, show: (p) => usd(p.cache_write_usd) },
      { name: "Out", number: true, show: (p) => usd(p.output_usd) }, { name: "A call", number: true, show: (p) => usd(p.per_call_usd) },
      { name: "Longest answer", number: true, show: (p) => count(p.max_output_tokens) },
      { name: "Tiers", show: (p) => [p.tiers?.length > 0 && `${p.tiers.length} by length `, p.service_tiers?.length > 0 && p.service_tiers.map((/** @type {any} */ tier) => tier.service_tier).join(", ")] },
      ...(mayChange ? [{ name: "Change", show: acts }] : []),
    ], { caption: "Prices", empty: model ? "This model has no price: metered calls to it are refused." : "There are no prices, so no metered call is served. Add one above." })];
}
