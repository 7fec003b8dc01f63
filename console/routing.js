// @ts-check
// Where calls go: upstreams, routes, and names for models. What the configuration file says is shown; what was made here is
// changed here.
import { count, drawer, el, filled, input, table } from "./dom.js";
import { changed, danger, editor, isAdmin, maker } from "./edit.js";
import { draw, given, read } from "./fields.js";
import { MODEL, ROUTE, UPSTREAM } from "./entries.js";
import { all } from "./lists.js";
import { change } from "./session.js";

/** @typedef {import("./main.js").Me} Me */
/** @typedef {import("./dom.js").Column} Column */
/** @typedef {import("./entries.js").Kind} Kind */

/** Where an entry stands; a model's name may have slashes. @param {Kind} kind @param {string} name */
const place = (kind, name) => `/admin/${kind.list}/${name.split("/").map(encodeURIComponent).join("/")}`;

/** A link to an entry of another page. @param {string} page @param {string} name */
const link = (page, name) => el("a", { href: `#/${page}?${new URLSearchParams({ name })}` }, name);

/** Things with commas between. @param {any[]} parts */
const listed = (parts) => (parts.length > 0 ? parts.flatMap((part, index) => (index > 0 ? [", ", part] : [part])) : "–");

/** All that is set of an entry. @param {Kind} kind @param {any} entry */
function look(kind, entry) {
  const { state: _, ...fields } = entry;
  return el("button", { type: "button", class: "plain", "aria-label": `${entry.name}: show all of this ${kind.noun}`,
    onclick: () => drawer(`${kind.noun} ${entry.name}`, [el("pre", { tabindex: 0 }, JSON.stringify(fields, null, 2))]) }, entry.name);
}

/** What can be done to an entry. @param {Kind} kind @param {any} entry */
function acts(kind, entry) {
  if (entry.source !== "api") return "in the file";
  const fields = kind.form.filter((part) => !("name" in part) || part.name !== "name");
  const given = (/** @type {HTMLFormElement} */ form) => {
    const { secret, ...body } = kind.after(read(fields, form));
    return { ...changed(kind.before(entry, true), body), ...(secret && { secret }) };
  };
  return [editor(`${kind.noun} ${entry.name}`, () => draw(fields, kind.before(entry, false)), (form) => change("PATCH", place(kind, entry.name), given(form))),
    danger(`Delete the ${kind.noun} ${entry.name}?`, () => change("DELETE", place(kind, entry.name))),
    entry.has_secret && danger(`Take away the secret of ${entry.name}? Calls then go there without one.`, () => change("PATCH", place(kind, entry.name), { secret: null }), "Remove secret")];
}

/** A field to find an entry by its name. @param {Kind} kind @param {string} name */
function search(kind, name) {
  const submit = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    location.hash = `#/${kind.list}?${new URLSearchParams(filled(/** @type {HTMLFormElement} */ (event.target)))}`;
  };
  return el("form", { class: "row", role: "search", onsubmit: submit }, input("name", `Exact name of the ${kind.noun}`, { type: "search", value: name }),
    el("button", { type: "submit" }, "Search"), name && el("a", { href: `#/${kind.list}` }, "Show all"));
}

/** @param {Kind} kind @param {Me} me @param {URLSearchParams} query @param {any[]} entries @param {Column[]} columns @param {string[]} upstreams What may be chosen as one. */
function page(kind, me, query, entries, columns, upstreams) {
  const name = query.get("name") ?? "";
  const make = (/** @type {HTMLFormElement} */ form) => change("POST", `/admin/${kind.list}`, given(kind.after(read(kind.form, form))));
  const shown = entries.filter((entry) => name === "" || entry.name === name);
  return [
    el("p", { class: "faint" }, kind.about, " Those whose source is the file are read-only here: change them in the configuration file and reload it (SIGHUP)."),
    el("datalist", { id: "upstreams" }, upstreams.map((value) => el("option", { value }))),
    isAdmin(me) && maker(`A new ${kind.noun}`, draw(kind.form, null), make), search(kind, name),
    table(kind.title, [
      { name: "Name", long: true, show: (e) => [look(kind, e), el("div", { class: "faint" }, e.source === "api" ? "made here" : "from the file (read-only)"),
        el("div", {}, el("a", { href: `#/requests?${new URLSearchParams({ [kind.noun]: e.name })}`, "aria-label": `Requests of ${e.name}` }, "requests")),
        e.not_in_force && el("div", { class: "bad" }, `Not in force: ${e.not_in_force}`),
        e.unpriced?.length > 0 && el("div", { class: "bad" }, `Without a price, and so without calls: ${e.unpriced.join(", ")}`)] },
      ...columns,
      ...(isAdmin(me) ? [{ name: "Change", show: (/** @type {any} */ e) => acts(kind, e) }] : []),
    ], shown, name ? `There is no ${kind.noun} of this name.` : kind.empty),
  ].filter(Boolean);
}

/** @param {any[]} entries */
const namesOf = (entries) => entries.map((entry) => entry.name);
const BUILT_IN = ["builtin:echo", "builtin:llm"];
const milliseconds = (/** @type {unknown} */ value) => (typeof value === "number" ? `${count(value)} ms` : "–");

/** What an upstream's health is called, with a word for eyes that see no colour. @param {any} state */
export const health = (state) => (state ? el("span", { class: state.health === "ok" ? "good" : "bad" }, state.health) : el("span", { class: "bad" }, "not in force"));

/** @param {any} state */
export const breaker = (state) => (state?.breaker ? el("span", { class: state.breaker === "closed" ? "good" : "bad" }, state.breaker) : "none");

/** The columns of how an upstream does. @type {Column[]} */
export const STATE = [
  { name: "Health", show: (u) => health(u.state) }, { name: "Breaker", show: (u) => breaker(u.state) },
  { name: "In flight", number: true, show: (u) => (u.state ? `${count(u.state.in_flight)} of ${count(u.state.limit)}` : "–") },
  { name: "p50", number: true, show: (u) => milliseconds(u.state?.latency_ms?.p50) }, { name: "p99", number: true, show: (u) => milliseconds(u.state?.latency_ms?.p99) },
];

/** The names of the upstreams of a route or model. @param {any} entry @returns {string[]} */
const aims = (entry) => (entry.upstream ? [entry.upstream] : namesOf((entry.targets ?? []).map((/** @type {any} */ target) => ({ name: target.upstream }))));

/** @param {Me} me @param {URLSearchParams} query */
export async function upstreams(me, query) {
  const [entries, routes, models] = await Promise.all([all("/admin/upstreams"), all("/admin/routes"), all("/admin/models")]);
  const users = (/** @type {any} */ upstream) => [["routes", routes], ["models", models]].flatMap(([page, list]) =>
    /** @type {any[]} */ (list).filter((entry) => aims(entry).includes(upstream.name)).map((entry) => link(String(page), entry.name)));
  return page(UPSTREAM, me, query, entries, [
    { name: "URL", long: true, show: (u) => [u.url, u.has_secret && el("div", { class: "faint" }, "with a secret")] },
    ...STATE, { name: "Used by", long: true, show: (u) => listed(users(u)) },
  ], namesOf(entries));
}

/** Where calls go, by weight and priority. @param {any} entry */
const goes = (entry) => (entry.upstream ? [link("upstreams", entry.upstream)] : listed((entry.targets ?? []).map((/** @type {any} */ target) =>
  el("span", {}, link("upstreams", target.upstream), target.model && ` as ${target.model}`, ` (weight ${target.weight}${target.priority > 0 ? `, priority ${target.priority}` : ""})`))));

/** @param {any} meter */
const metered = (meter) => (typeof meter === "object" && meter ? `$${meter.fixed_usd} a call` : meter ?? "none");

/** @param {Me} me @param {URLSearchParams} query */
export async function routes(me, query) {
  const [entries, upstreams] = await Promise.all([all("/admin/routes"), all("/admin/upstreams")]);
  return page(ROUTE, me, query, entries, [
    { name: "Path and methods", long: true, show: (r) => [`${r.path}${r.match === "prefix" ? " and below" : ""}`, el("div", { class: "faint" }, r.methods.join(", "))] },
    { name: "Who", long: true, show: (r) => [r.roles.join(", "), r.teams?.length > 0 && `; teams ${r.teams.join(", ")}`, r.users?.length > 0 && `; users ${r.users.join(", ")}`] },
    { name: "Goes to", long: true, show: goes },
    { name: "Meter and cache", show: (r) => [metered(r.meter), r.cache && el("div", { class: "faint" }, `kept ${count(r.cache.ttl_s)} s, per ${r.cache.per}`)] },
  ], [...namesOf(upstreams), ...BUILT_IN]);
}

/** @param {Me} me @param {URLSearchParams} query */
export async function models(me, query) {
  const [entries, upstreams] = await Promise.all([all("/admin/models"), all("/admin/upstreams")]);
  return page(MODEL, me, query, entries, [{ name: "Goes to", long: true, show: goes }], [...namesOf(upstreams), ...BUILT_IN]);
}
