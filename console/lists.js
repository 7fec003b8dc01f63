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

/** An id by its name, where it has one. @param {string | null | undefined} id @param {string | null} [name] */
export function named(id, name) {
  if (!id) return "–";
  return name ? el("span", { title: id }, name) : el("code", {}, id);
}
