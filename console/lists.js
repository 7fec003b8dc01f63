// @ts-check
// Lists that the gateway pages: the first page, and a button for the next.
import { el, say, table, words } from "./dom.js";
import { get } from "./session.js";

/** @typedef {import("./dom.js").Column} Column */

/**
 * @param {string} path @param {Record<string, unknown>} query @param {Column[]} columns
 * @param {{caption: string, empty: string}} texts
 */
export async function paged(path, query, columns, texts) {
  const place = el("div");
  /** @type {any[]} */
  let rows = [];
  const more = async (/** @type {string | undefined} */ cursor) => {
    const page = await get(path, { limit: 100, ...query, cursor });
    rows = rows.concat(page.items);
    place.replaceChildren(table(texts.caption, columns, rows, texts.empty));
    if (page.next_cursor) {
      const next = () => more(page.next_cursor).catch((error) => say(words(error)));
      place.append(el("p", {}, el("button", { type: "button", onclick: next }, "Show more")));
    }
  };
  await more(undefined);
  return place;
}

/** All items of a list, up to a bound. @param {string} path @param {number} [most] @param {Record<string, unknown>} [query] @returns {Promise<any[]>} */
export async function all(path, most = 1000, query = {}) {
  /** @type {any[]} */
  let items = [];
  let cursor;
  do {
    const page = await get(path, { limit: 200, ...query, cursor });
    items = items.concat(page.items);
    cursor = page.next_cursor;
  } while (cursor && items.length < most);
  return items;
}

/** @type {Map<string, string>} */
const known = new Map();

/** Names of users and teams by their ids, as far as they were asked for. @param {"users" | "teams"} kind */
export async function names(kind) {
  for (const item of await all(`/admin/${kind}`)) known.set(item.id, item.username ?? item.name);
  return known;
}

/** Names of the keys of users, for so many users as one looks at. @param {(string | null | undefined)[]} users Nothing in it: one's own. */
export async function keyNames(users) {
  const paths = users.length > 0 ? [...new Set(users)].filter(Boolean).slice(0, 20).map((id) => `/admin/users/${id}/api-keys`) : ["/me/api-keys"];
  // A user who was deleted has none to show; that is no reason to show nothing.
  const lists = await Promise.all(paths.map((path) => all(path).catch(() => [])));
  for (const key of lists.flat()) known.set(key.id, key.name);
  return known;
}

/** The name of an id, or the id. @param {string | null | undefined} id */
export const nameOf = (id) => (id ? known.get(id) ?? id : "none");

/** An id with its name, where it is known. @param {string | null | undefined} id @param {string | null} [name] */
export function named(id, name) {
  if (!id) return "–";
  const text = name ?? known.get(id);
  return text ? el("span", { title: id }, text) : el("code", {}, id);
}
