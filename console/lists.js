// @ts-check
// Lists that the gateway pages: the first page, and a button for the next.
import { el, filled, input, say, table, words } from "./dom.js";
import { once } from "./edit.js";
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
    if (page.next_cursor) place.append(moreButton(() => more(page.next_cursor)));
  };
  await more(undefined);
  return place;
}

/**
 * The button below a list for its next page: asked for once, however often it is pressed. The list is drawn anew, and the keyboard goes on
 * where it was: at the next such button, or else at the list.
 * @param {() => Promise<unknown>} more
 */
export function moreButton(more) {
  const press = once(async () => {
    const place = line.parentElement;
    try {
      await more();
      /** @type {HTMLElement | null | undefined} */ (place?.querySelector("button.more") ?? place?.querySelector("[role=region]"))?.focus();
    } catch (error) {
      say(words(error));
    }
  });
  const line = el("p", {}, el("button", { type: "button", class: "more", onclick: press }, "Show more"));
  return line;
}

/** A field to search a list by an exact name. @param {string} page @param {URLSearchParams} query @param {string} label */
export function search(page, query, label) {
  const submit = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    location.hash = `#/${page}?${new URLSearchParams(filled(/** @type {HTMLFormElement} */ (event.target)))}`;
  };
  return el("form", { class: "row", role: "search", onsubmit: submit },
    input("name", label, { type: "search", value: query.get("name") ?? "" }), el("button", { type: "submit" }, "Search"));
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
