// @ts-check
// The audit log: search, live tail, and the way to the story of each request.
import { address, copy, count, el, filled, input, reload, say, select, table, time, usd, words } from "./dom.js";
import { wrong } from "./edit.js";
import { moreButton } from "./lists.js";
import { Refused, get } from "./session.js";
import { tell } from "./story.js";

const FIELDS = ["request_id", "decision", "status", "reason", "route", "model", "upstream", "user_id", "user", "username", "team_id", "key_id", "from", "to"];
const EVERY = 3000;
const KEPT = 500;

/** What the audit list is asked for, of what is in the address. @param {Record<string, string>} asked */
async function filters(asked) {
  const { user, ...rest } = asked;
  if (!user) return rest;
  const page = await get("/admin/users", { name: user, limit: 200 });
  const found = page.items.find((/** @type {any} */ item) => item.username === user) ?? page.items[0];
  const detail = "There is no user with this name. Take it as the page Users has it, or look by the name on record.";
  if (!found) throw new Refused(400, { title: "Nothing was looked for.", detail, errors: [{ pointer: "?user", detail }] });
  return { ...rest, user_id: found.id };
}

/** Whose requests an address asks for by an id: where the name is, and what it is called there. @type {Record<string, [string, string, string]>} */
const WHOSE = { user_id: ["user", "/admin/users", "username"], team_id: ["team", "/admin/teams", "name"], key_id: ["API key", "/admin/api-keys", "name"] };

/** A condition that stands by an id in the address, in words, with the way to take it away. @param {Record<string, string>} asked @param {string} field */
async function condition(asked, field) {
  const [kind, path, name] = WHOSE[field];
  const id = asked[field];
  // Who was deleted is known by the records alone, and by the id.
  const thing = await get(`${path}/${encodeURIComponent(id)}`).catch(() => null);
  const rest = Object.entries(asked).filter(([other, value]) => value && other !== field);
  return el("p", { class: "condition" }, `Only of the ${kind} `, thing ? el("strong", { title: id }, thing[name]) : el("code", {}, id), ". ",
    el("a", { href: `#/requests?${new URLSearchParams(rest)}`, "aria-label": `Show requests of others than the ${kind} too` }, "Of all"),
    el("input", { type: "hidden", name: field, value: id }));
}

/** @param {Record<string, string>} asked @param {Node[]} conditions */
function searchForm(asked, conditions) {
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    location.hash = `#/requests?${new URLSearchParams(filled(/** @type {HTMLFormElement} */ (event.target)))}`;
  };
  return el("form", { class: "fields", role: "search", onsubmit: submit },
    select("decision", "Decision", ["", "allowed", "refused", "failed"], asked.decision),
    input("status", "Status", { value: asked.status, pattern: "[1-5]([0-9][0-9]|xx)", title: "three digits such as 429, or a class such as 4xx" }),
    input("reason", "Reason", { value: asked.reason, placeholder: "quota-exceeded" }), input("route", "Route", { value: asked.route }),
    input("model", "Model", { value: asked.model }), input("upstream", "Upstream", { value: asked.upstream }), input("user", "User", { value: asked.user, autocomplete: "off" }),
    input("username", "Name on record (also of deleted users)", { value: asked.username, autocomplete: "off" }),
    input("request_id", "Request id", { value: asked.request_id }),
    input("from", "From (day or time, UTC)", { value: asked.from, placeholder: "2026-11-24" }), input("to", "Before", { value: asked.to, placeholder: "2026-11-25T12:00:00Z" }),
    conditions,
    el("div", { class: "row" }, el("button", { class: "main", type: "submit" }, "Search"), el("a", { href: "#/requests" }, "Clear")));
}

/** The first page of what is asked for, and what the audit list was asked for. @param {Record<string, string>} asked */
async function look(asked) {
  const wanted = await filters(asked);
  return { wanted, first: await get("/admin/audit", { limit: 100, ...wanted }) };
}

/**
 * The live tail: a button that begins and pauses it, and what it says.
 * @param {import("./main.js").Me} me @param {Record<string, string>} wanted @param {Set<string>} seen Ids of what is shown already.
 * @param {() => boolean} isShown @param {(rows: any[]) => void} add
 */
function tail(me, wanted, seen, isShown, add) {
  // What this page itself asks is on record too; the tail leaves it out, or it would show nothing else.
  const isOwn = (/** @type {any} */ row) => row.session_id === me.session?.id && String(row.route).startsWith("/admin/audit");
  const poll = async () => {
    /** @type {any[]} */
    const found = [];
    let cursor;
    for (let pages = 0; pages < 5; pages += 1) {
      const page = await get("/admin/audit", { limit: 100, ...wanted, cursor });
      const unknown = page.items.filter((/** @type {any} */ row) => !seen.has(row.id));
      found.push(...unknown);
      cursor = page.next_cursor;
      if (unknown.length < page.items.length || !cursor) break;
    }
    found.forEach((row) => seen.add(row.id));
    const shown = found.filter((row) => !isOwn(row));
    if (shown.length === 0) return;
    add(shown);
    status.textContent = `${count(shown.length)} new at ${new Date().toLocaleTimeString()}.`;
  };
  const status = el("span", { class: "faint", role: "status" });
  let live = false;
  const tick = async () => {
    if (!live || !isShown()) return;
    if (!document.hidden) await poll().catch((error) => { status.textContent = words(error); });
    setTimeout(tick, EVERY);
  };
  const turn = () => {
    live = !live;
    follow.textContent = live ? "Pause" : "Follow live";
    follow.setAttribute("aria-pressed", String(live));
    status.textContent = live ? "Following: new requests come on top." : "Paused.";
    if (live) tick();
  };
  const follow = el("button", { type: "button", onclick: turn, "aria-pressed": "false" }, "Follow live");
  return [follow, status];
}

/** What came on top of what was shown: the newest of both, and whether older ones are left out. @param {any[]} fresh @param {any[]} rows @param {boolean} wasCut */
export function kept(fresh, rows, wasCut) {
  const all = [...fresh, ...rows];
  return { rows: all.slice(0, KEPT), isCut: wasCut || all.length > KEPT };
}

/** @param {import("./main.js").Me} me @param {URLSearchParams} query */
export async function requests(me, query) {
  const asked = Object.fromEntries(FIELDS.map((name) => [name, query.get(name) ?? ""]));
  const set = Object.fromEntries(Object.entries(asked).filter(([, value]) => value));
  const conditions = Object.keys(WHOSE).filter((field) => asked[field]).map((field) => condition(asked, field));
  const form = searchForm(asked, await Promise.all(conditions));
  const looked = await look(asked).catch((error) => error);
  // What is wrong with a search stands at its field, and the form stays.
  if (looked instanceof Refused && looked.status === 400) return wrong(form, looked);
  if (looked instanceof Error) throw looked;
  const { wanted, first } = looked;
  let rows = first.items;
  let next = first.next_cursor;
  const seen = new Set(rows.map((/** @type {any} */ row) => row.id));
  const fresh = new Set();
  // A list whose end was cut off cannot go on from where it was read to.
  let isCut = false;
  const anew = (/** @type {Event} */ event) => { event.preventDefault(); reload(); };
  const open = (/** @type {string} */ id) => {
    address("requests", { ...set, id });
    const shown = location.hash;
    // A reader who went elsewhere meanwhile stays there.
    const isStill = () => location.hash === shown;
    const leave = () => { if (isStill()) address("requests", set); };
    return tell(id, isStill, leave).catch((error) => { leave(); say(words(error)); });
  };
  const place = el("div");
  const columns = [
    { name: "Time", show: (/** @type {any} */ r) => time(r.time) },
    { name: "Who", show: (/** @type {any} */ r) => r.username ?? r.by?.os_user ?? (r.user_id ? "(erased)" : r.act ? "the gateway" : "nobody") },
    { name: "Request", broad: true, show: (/** @type {any} */ r) => el("button", { type: "button", class: "plain", onclick: () => open(r.id) }, r.act ? r.reason : `${r.method ?? "?"} ${r.path ?? "(erased)"}`) },
    { name: "Route", show: (/** @type {any} */ r) => r.route ?? "–" },
    { name: "Decision", show: (/** @type {any} */ r) => el("span", { class: r.decision === "allowed" ? "good" : "bad" }, r.decision ?? "–") },
    { name: "Status", number: true, show: (/** @type {any} */ r) => r.status ?? "–" },
    { name: "Why", long: true, show: (/** @type {any} */ r) => r.reason ?? "" },
    { name: "Model", show: (/** @type {any} */ r) => r.model ?? "" },
    { name: "Cost", number: true, show: (/** @type {any} */ r) => (r.cost_usd === null ? "" : usd(r.cost_usd)) },
    { name: "ms", number: true, show: (/** @type {any} */ r) => (r.duration_us === null ? "–" : count(Math.round(r.duration_us / 1000))) },
  ];
  const draw = () => {
    const list = table("Requests", columns, rows, "No request is like that. Take a condition away.");
    [...list.querySelectorAll("tbody tr")].forEach((row, index) => { if (fresh.has(rows[index].id)) row.classList.add("fresh"); });
    const more = async () => {
      const page = await get("/admin/audit", { limit: 100, ...wanted, cursor: next });
      rows = rows.concat(page.items.filter((/** @type {any} */ row) => !seen.has(row.id)));
      page.items.forEach((/** @type {any} */ row) => seen.add(row.id));
      next = page.next_cursor;
      draw();
    };
    place.replaceChildren(list, ...(isCut ? [el("p", { class: "faint" }, `Those before the newest ${count(KEPT)} are no longer shown. `, el("a", { href: "#/requests", onclick: anew }, "Search again"), " to see them.")]
      : next ? [moreButton(more)] : []));
  };
  draw();

  const add = (/** @type {any[]} */ shown) => {
    fresh.clear();
    shown.forEach((row) => fresh.add(row.id));
    ({ rows, isCut } = kept(shown, rows, isCut));
    // A reader who is in the table keeps the place; the rows come when they leave it.
    if (!place.contains(document.activeElement) || document.activeElement?.tagName !== "BUTTON") draw();
  };
  const [follow, status] = tail(me, wanted, seen, () => place.isConnected, add);
  const link = el("button", { type: "button", onclick: () => copy(location.href) }, "Copy a link to this view");
  const id = query.get("id");
  if (id) setTimeout(() => open(id));
  return [form, el("p", { class: "row" }, follow, link, status), place];
}
