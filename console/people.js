// @ts-check
// Users and teams.
import { el, filled, input, select, time } from "./dom.js";
import { changed, danger, editor, isAdmin, maker, split } from "./edit.js";
import { all, paged, search } from "./lists.js";
import { change } from "./session.js";

/** @typedef {import("./main.js").Me} Me */

const ROLES = ["user", "readonly", "auditor", "admin"];
const MODELS = "Models (names with commas between; * is all, gpt-* is each that begins so)";
const modelsOf = (/** @type {any} */ thing) => (thing.models ?? ["*"]).join(", ");

/** @param {Me} me @param {URLSearchParams} query */
export async function users(me, query) {
  /** @type {Map<string, string>} */
  const teams = new Map((await all("/admin/teams")).map((team) => [team.id, team.name]));
  // Of very many teams not all are here; that of the user is.
  const teamsFor = (/** @type {any} */ user) => /** @type {[string, string][]} */ ([["", "none"], ...teams,
    ...(user?.team_id && !teams.has(user.team_id) ? [[user.team_id, user.team_name ?? user.team_id]] : [])]);
  const fields = (/** @type {any} */ user) => [
    input("username", "Name", { required: true, autocomplete: "off", value: user?.username ?? "" }),
    input("password", user ? "New password (empty: it stays)" : "Password (15 characters or more)", { type: "password", minlength: 15, autocomplete: "new-password" }),
    select("role", "Role", ROLES, user?.role ?? "user"),
    select("team_id", "Team", teamsFor(user), user?.team_id ?? ""),
    input("models", MODELS, { value: user ? modelsOf(user) : "*" }),
  ];
  const given = (/** @type {HTMLFormElement} */ form) => {
    const { models, team_id, ...rest } = filled(form);
    return { ...rest, team_id: team_id ?? null, models: split(models) };
  };
  const set = (/** @type {any} */ user, /** @type {any} */ fields, /** @type {string} */ label) =>
    danger(`${label} ${user.username}?`, () => change("PATCH", `/admin/users/${user.id}`, fields), label);
  const acts = (/** @type {any} */ user) => [
    editor(`User ${user.username}`, () => fields(user), (form) => change("PATCH", `/admin/users/${user.id}`, changed(user, given(form)))),
    user.status === "active" ? set(user, { status: "disabled" }, "Disable") : set(user, { status: "active" }, "Enable"),
    danger(`End all sessions of ${user.username}?`, () => change("DELETE", `/admin/users/${user.id}/sessions`), "End sessions"),
    danger(`Delete ${user.username}?`, () => change("DELETE", `/admin/users/${user.id}`)),
  ];
  const columns = [
    { name: "Name", show: (/** @type {any} */ u) => u.username }, { name: "Role", show: (/** @type {any} */ u) => u.role },
    { name: "Team", long: true, show: (/** @type {any} */ u) => u.team_name ?? teams.get(u.team_id) ?? "–" },
    { name: "Models", long: true, show: modelsOf },
    { name: "Status", show: (/** @type {any} */ u) => el("span", { class: u.status === "active" ? "good" : "bad" }, u.status) },
    { name: "Made", show: (/** @type {any} */ u) => time(u.created_at) },
    { name: "See", show: (/** @type {any} */ u) => [el("a", { href: `#/requests?user_id=${u.id}`, "aria-label": `Requests of ${u.username}` }, "requests"), " ",
      el("a", { href: `#/keys?user_id=${u.id}`, "aria-label": `Keys of ${u.username}` }, "keys")] },
    ...(isAdmin(me) ? [{ name: "Change", show: acts }] : []),
  ];
  const asked = { name: query.get("name") ?? "", team_id: query.get("team_id") ?? "" };
  return [isAdmin(me) && maker("A new user", fields(null), (form) => change("POST", "/admin/users", given(form))), search("users", query, "Exact name of the user"),
    await paged("/admin/users", asked, columns, { caption: "Users", empty: "No user is like that. Take a condition away." })].filter(Boolean);
}

/** @param {Me} me @param {URLSearchParams} query */
export async function teams(me, query) {
  const fields = (/** @type {any} */ team) => [input("name", "Name", { required: true, value: team?.name ?? "" }),
    input("models", MODELS, { value: team ? modelsOf(team) : "*" })];
  const given = (/** @type {HTMLFormElement} */ form) => { const { name, models } = filled(form); return { name, models: split(models) }; };
  const acts = (/** @type {any} */ team) => [
    editor(`Team ${team.name}`, () => fields(team), (form) => change("PATCH", `/admin/teams/${team.id}`, changed(team, given(form)))),
    danger(`Delete the team ${team.name}?`, () => change("DELETE", `/admin/teams/${team.id}`)),
  ];
  const columns = [
    { name: "Name", show: (/** @type {any} */ t) => t.name }, { name: "Models", long: true, show: modelsOf },
    { name: "Made", show: (/** @type {any} */ t) => time(t.created_at) },
    { name: "See", show: (/** @type {any} */ t) => el("a", { href: `#/users?team_id=${t.id}`, "aria-label": `Users of ${t.name}` }, "users") },
    ...(isAdmin(me) ? [{ name: "Change", show: acts }] : []),
  ];
  return [isAdmin(me) && maker("A new team", fields(null), (form) => change("POST", "/admin/teams", given(form))), search("teams", query, "Exact name of the team"),
    await paged("/admin/teams", { name: query.get("name") ?? "" }, columns,
      { caption: "Teams", empty: "There are no such teams. A team shares limits and budgets." })].filter(Boolean);
}
