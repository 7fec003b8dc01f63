// What administrators make, change and end; and one's own keys and sessions.
import { count, drawer, el, filled, input, say, select, table, time, usd } from "./dom.js";
import { all, danger, maker, paged } from "./lists.js";
import { change, get } from "./session.js";
import { budgetTable } from "./overview.js";

/** @typedef {import("./main.js").Me} Me */

const isAdmin = (/** @type {Me} */ me) => me.role === "admin";
const split = (/** @type {string | undefined} */ text) => (text ?? "*").split(",").map((part) => part.trim()).filter(Boolean);

/** The secret, once. @param {any} made */
function shown(made) {
  const copy = () => navigator.clipboard.writeText(made.key).then(() => say("Copied."), () => say("Select the key and copy it."));
  drawer("The new key", "It is shown this once:", el("pre", {}, made.key), el("button", { type: "button", class: "main", onclick: copy }, "Copy"));
  return true;
}

/** @param {Me} me */
export async function users(me) {
  const teams = new Map((await all("/admin/teams")).map((team) => [team.id, team.name]));
  const set = (/** @type {any} */ user, /** @type {any} */ fields, /** @type {string} */ label) =>
    danger(`${user.username}: ${label.toLowerCase()}?`, () => change("PATCH", `/admin/users/${user.id}`, fields), label);
  const acts = (/** @type {any} */ user) => isAdmin(me) && [
    user.status === "active" ? set(user, { status: "disabled" }, "Disable") : set(user, { status: "active" }, "Enable"),
    danger(`End all sessions of ${user.username}?`, () => change("DELETE", `/admin/users/${user.id}/sessions`), "End sessions"),
    danger(`Delete ${user.username}?`, () => change("DELETE", `/admin/users/${user.id}`)),
  ];
  const team = el("label", {}, "Team", el("select", { name: "team_id" }, el("option", { value: "" }, "none"),
    [...teams].map(([id, name]) => el("option", { value: id }, name))));
  const form = maker("A new user", [input("username", "Name", { required: true, autocomplete: "off" }),
    input("password", "Password (15 characters or more)", { type: "password", minlength: 15, autocomplete: "new-password" }),
    select("role", "Role", ["user", "readonly", "admin"]), team],
  (form) => change("POST", "/admin/users", filled(form)));
  return [isAdmin(me) && form, await paged("/admin/users", {}, [
    { name: "Name", show: (u) => u.username }, { name: "Role", show: (u) => u.role },
    { name: "Team", show: (u) => teams.get(u.team_id) ?? "–" }, { name: "Status", show: (u) => u.status },
    { name: "Made", show: (u) => time(u.created_at) },
    { name: "Requests", show: (u) => el("a", { href: `#/requests?user_id=${u.id}` }, "show") },
    { name: "", show: acts },
  ], { caption: "Users", empty: "There are no users." })].filter(Boolean);
}

/** @param {Me} me */
export async function teams(me) {
  const form = maker("A new team", [input("name", "Name", { required: true })], (form) => change("POST", "/admin/teams", filled(form)));
  return [isAdmin(me) && form, await paged("/admin/teams", {}, [
    { name: "Name", show: (t) => t.name }, { name: "Made", show: (t) => time(t.created_at) },
    { name: "", show: (t) => isAdmin(me) && danger(`Delete the team ${t.name}?`, () => change("DELETE", `/admin/teams/${t.id}`)) },
  ], { caption: "Teams", empty: "There are no teams. A team shares limits and budgets." })].filter(Boolean);
}

export async function keys() {
  const make = async (/** @type {HTMLFormElement} */ form) => {
    const { name, expires } = filled(form);
    return shown(await change("POST", "/me/api-keys", { name, ...(expires && { expires_at: new Date(expires).toISOString() }) }));
  };
  return [maker("A new key", [input("name", "Name", { required: true }), input("expires", "Expires", { type: "date" })], make),
    await paged("/me/api-keys", {}, [
      { name: "Name", show: (k) => k.name }, { name: "Id", show: (k) => el("code", {}, k.id) },
      { name: "Made", show: (k) => time(k.created_at) }, { name: "Expires", show: (k) => time(k.expires_at) },
      { name: "Revoked", show: (k) => time(k.revoked_at) },
      { name: "", show: (k) => !k.revoked_at && danger(`Revoke ${k.name}?`, () => change("DELETE", `/me/api-keys/${k.id}`), "Revoke") },
    ], { caption: "Your API keys", empty: "You have no API keys. A key lets a program call in your name." })];
}

/** @param {Me} me */
export async function budgets(me) {
  const form = maker("A new budget", [input("name", "Name", { required: true }),
    select("scope", "For", ["global", "team", "user", "key"]), input("subject", "Id of one (empty: each one)"),
    input("models", "Models, with commas between", { value: "*" }), input("limit_usd", "Limit in USD", { required: true, inputmode: "decimal" }),
    select("period", "Period", ["month", "week", "day", "total"]), select("mode", "Mode", ["enforce", "shadow"])],
  (form) => { const given = filled(form); return change("POST", "/admin/budgets", { ...given, models: split(given.models) }); });
  const rows = await all("/admin/budgets");
  const ends = isAdmin(me) && rows.length > 0 && table("Change budgets", [
    { name: "Budget", show: (b) => b.name }, { name: "For", show: (b) => b.scope }, { name: "Period", show: (b) => b.period },
    { name: "Mode", show: (b) => b.mode }, { name: "Models", show: (b) => b.models.join(", ") },
    { name: "", show: (b) => danger(`Delete the budget ${b.name}?`, () => change("DELETE", `/admin/budgets/${b.id}`)) },
  ], rows, "");
  return [isAdmin(me) && form, budgetTable(rows), ends].filter(Boolean);
}

/** @param {Me} me */
export async function limits(me) {
  const form = maker("A new limit", [input("name", "Name", { required: true }), input("routes", "Routes, with commas between", { value: "*" }),
    select("per", "For each", ["user", "key", "team", "address", "global"]), select("unit", "Counts", ["requests", "tokens", "concurrent"]),
    input("limit", "Limit", { type: "number", min: 1, required: true }), input("window_s", "Window in seconds (not for concurrent)", { type: "number", min: 1 }),
    select("mode", "Mode", ["shadow", "enforce"])],
  (form) => {
    const { limit, window_s, routes, ...rest } = filled(form);
    const window = window_s && rest.unit !== "concurrent" ? { window_s: Number(window_s) } : {};
    return change("POST", "/admin/limits", { ...rest, routes: split(routes), limit: Number(limit), ...window });
  });
  const turn = (/** @type {any} */ l, /** @type {string} */ mode) =>
    danger(`${l.name}: ${mode}?`, () => change("PATCH", `/admin/limits/${l.id}`, { mode }), mode === "shadow" ? "Only watch" : "Enforce");
  return [isAdmin(me) && form, await paged("/admin/limits", {}, [
    { name: "Name", show: (l) => l.name }, { name: "For each", show: (l) => l.per }, { name: "Routes", show: (l) => l.routes.join(", ") },
    { name: "Limit", number: true, show: (l) => `${count(l.limit)} ${l.unit}` },
    { name: "Window", number: true, show: (l) => (l.window_s ? `${count(l.window_s)} s` : "–") },
    { name: "Burst", number: true, show: (l) => count(l.burst ?? l.limit) }, { name: "Mode", show: (l) => l.mode },
    { name: "", show: (l) => isAdmin(me) && [turn(l, l.mode === "shadow" ? "enforce" : "shadow"),
      danger(`Delete the limit ${l.name}?`, () => change("DELETE", `/admin/limits/${l.id}`))] },
  ], { caption: "Limits", empty: "There are no limits. A new one begins in shadow: it counts and refuses nothing." })].filter(Boolean);
}

export async function prices() {
  const { version, created_at, source } = await get("/admin/prices", { limit: 1 });
  return [el("p", {}, `Version ${version} from ${source}, `, time(created_at), ". USD per million tokens."),
    await paged("/admin/prices", {}, [
      { name: "Model", show: (p) => p.model }, { name: "In", number: true, show: (p) => usd(p.input_usd) },
      { name: "Cached in", number: true, show: (p) => usd(p.cached_input_usd) }, { name: "Out", number: true, show: (p) => usd(p.output_usd) },
      { name: "Longest answer", number: true, show: (p) => count(p.max_output_tokens) },
    ], { caption: "Prices", empty: "There are no prices. tollgate prices import FILE reads a list." })];
}

/** @param {Me} me */
export async function sessions(me) {
  const own = await paged("/me/sessions", {}, [
    { name: "Begun", show: (s) => time(s.created_at) }, { name: "Last refreshed", show: (s) => time(s.refreshed_at) },
    { name: "Ends", show: (s) => time(s.expires_at) }, { name: "", show: (s) => (s.current ? "this one"
      : danger("End this session?", () => change("DELETE", `/me/sessions/${s.id}`), "End")) },
  ], { caption: "Your sessions", empty: "You have no sessions." });
  if (me.role !== "admin" && me.role !== "auditor") return [own];
  const ring = await paged("/admin/signing-keys", {}, [
    { name: "Key", show: (k) => el("code", {}, k.kid) }, { name: "Algorithm", show: (k) => k.algorithm }, { name: "State", show: (k) => k.state },
    { name: "Signs from", show: (k) => time(k.activates_at) }, { name: "Signs until", show: (k) => time(k.retired_at) },
  ], { caption: "Signing keys", empty: "There are no keys." });
  const rotate = isAdmin(me) && danger("Rotate the signing keys? Tokens in use stay good.", () => change("POST", "/admin/signing-keys/rotate"), "Rotate");
  return [own, el("h2", {}, "Signing keys"), ring, rotate && el("p", {}, rotate)].filter(Boolean);
}
