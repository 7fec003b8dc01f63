// @ts-check
// API keys: one's own and, for those who may look, those of a user.
import { copy, drawer, el, filled, input, reload, select, time } from "./dom.js";
import { danger, editor, isAdmin, maker, split } from "./edit.js";
import { paged } from "./lists.js";
import { change, get } from "./session.js";

/** The secret, once. @param {any} made */
function shown(made) {
  drawer("The new key", [el("p", {}, "It is shown this once. Keep it where your programs read it."), el("pre", {}, made.key),
    el("p", { class: "row" }, el("button", { type: "button", class: "main", onclick: () => copy(made.key) }, "Copy"))], reload);
  return true;
}

/** A day of a form as the time at its end here. @param {string} day */
const until = (day) => new Date(`${day}T23:59:59`).toISOString();

/** @param {import("./main.js").Me} me @param {URLSearchParams} query */
export async function keys(me, query) {
  const looks = isAdmin(me) || me.role === "auditor";
  const whose = looks ? query.get("user_id") : null;
  const user = whose ? await get(`/admin/users/${encodeURIComponent(whose)}`) : me.user;
  const path = whose ? `/admin/users/${user.id}/api-keys` : "/me/api-keys";
  const one = whose ? "/admin/api-keys" : "/me/api-keys";
  // What is one's own is everybody's to change.
  const mayChange = isAdmin(me) || !whose;
  const make = async (/** @type {HTMLFormElement} */ form) => {
    const { name, expires, role, routes, models } = filled(form);
    return shown(await change("POST", path, { name, routes: split(routes), models: split(models),
      ...(role && { role }), ...(expires && { expires_at: until(expires) }) }));
  };
  const fields = [input("name", "Name", { required: true }), input("expires", "Good until (empty: for ever)", { type: "date", "data-also": "expires_at" }),
    select("role", "Role", [["", "that of the user"], "user", "readonly", "auditor", "admin"]),
    input("routes", "Routes (names with commas between; * is all)", { value: "*" }), input("models", "Models (likewise; gpt-* is each that begins so)", { value: "*" })];
  const rotate = (/** @type {any} */ key) => editor(`Rotate the key ${key.name}`,
    () => [select("overlap_s", "The old secret stays good for", [["0", "no time"], ["3600", "an hour"], ["86400", "a day"], ["604800", "a week"]], "86400")],
    async (form) => shown(await change("POST", `${one}/${key.id}/rotate`, { overlap_s: Number(filled(form).overlap_s) })), "Rotate");
  const state = (/** @type {any} */ key) => (key.revoked_at ? el("span", { class: "bad" }, "revoked ", time(key.revoked_at))
    : key.expires_at && new Date(key.expires_at) < new Date() ? el("span", { class: "bad" }, "expired ", time(key.expires_at))
      : ["good", key.expires_at && [" until ", time(key.expires_at)], key.old_secret_until && ["; its old secret until ", time(key.old_secret_until)]].flat(2));
  const columns = [
    { name: "Name", show: (/** @type {any} */ k) => [k.name, " ", el("code", { class: "faint" }, k.id)] },
    { name: "State", show: state },
    { name: "Last used", show: (/** @type {any} */ k) => (k.last_used_at ? time(k.last_used_at) : "not yet") },
    { name: "Role", show: (/** @type {any} */ k) => k.role ?? "the user's" },
    { name: "Routes", long: true, show: (/** @type {any} */ k) => (k.routes ?? ["*"]).join(", ") },
    { name: "Models", long: true, show: (/** @type {any} */ k) => (k.models ?? ["*"]).join(", ") },
    { name: "Made", show: (/** @type {any} */ k) => time(k.created_at) },
    ...(mayChange ? [{ name: "Change", show: (/** @type {any} */ k) => !k.revoked_at && [rotate(k),
      danger(`Revoke ${k.name}?`, () => change("DELETE", `${one}/${k.id}`), "Revoke")] }] : []),
  ];
  return [whose && el("p", {}, `Keys of ${user.username}. `, el("a", { href: "#/keys" }, "Show my own"), ". ", el("a", { href: "#/users" }, "All users"), "."),
    looks && !whose && el("p", { class: "faint" }, "Your own keys. Those of another are behind “keys” on the page ", el("a", { href: "#/users" }, "Users"), "."),
    mayChange && maker("A new key", fields, make),
    await paged(path, {}, columns, { caption: "API keys", empty: whose ? "This user has no API keys." : "You have no API keys. A key lets a program call in your name." }),
  ].filter((part) => part instanceof Node);
}
