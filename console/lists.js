// Lists that the gateway pages: the first page, and a button for the next.
import { el, say, table } from "./dom.js";
import { get } from "./session.js";

/** @typedef {import("./dom.js").Column} Column */

/**
 * @param {string} path @param {Record<string, unknown>} query @param {Column[]} columns
 * @param {{caption: string, empty: string}} words
 */
export async function paged(path, query, columns, words) {
  const place = el("div");
  /** @type {any[]} */
  let rows = [];
  const more = async (/** @type {string | undefined} */ cursor) => {
    const page = await get(path, { limit: 100, ...query, cursor });
    rows = rows.concat(page.items);
    place.replaceChildren(table(words.caption, columns, rows, words.empty));
    if (page.next_cursor) {
      const next = () => more(page.next_cursor).catch((error) => say(error.message));
      place.append(el("p", {}, el("button", { type: "button", onclick: next }, "Show more")));
    }
  };
  await more(undefined);
  return place;
}

/** All items of a list, up to a bound. @param {string} path @param {number} [most] @returns {Promise<any[]>} */
export async function all(path, most = 1000) {
  /** @type {any[]} */
  let items = [];
  let cursor;
  do {
    const page = await get(path, { limit: 200, cursor });
    items = items.concat(page.items);
    cursor = page.next_cursor;
  } while (cursor && items.length < most);
  return items;
}

/** Asks before something is destroyed. @param {string} text @param {() => Promise<unknown>} act @param {string} [label] */
export function danger(text, act, label = "Delete") {
  const press = async () => {
    if (!confirm(text)) return;
    try {
      await act();
      dispatchEvent(new HashChangeEvent("hashchange"));
    } catch (error) {
      say(error instanceof Error ? error.message : String(error));
    }
  };
  return el("button", { type: "button", class: "danger", onclick: press, "aria-label": `${label}: ${text}` }, label);
}

/** A form that makes something. @param {string} title @param {Node[]} fields @param {(form: HTMLFormElement) => Promise<unknown>} act */
export function maker(title, fields, act) {
  const problem = el("p", { class: "bad", role: "alert" });
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    problem.textContent = "";
    try {
      const shown = await act(/** @type {HTMLFormElement} */ (event.target));
      if (!shown) dispatchEvent(new HashChangeEvent("hashchange"));
    } catch (error) {
      problem.textContent = error instanceof Error ? error.message : String(error);
    }
  };
  return el("details", {}, el("summary", {}, title),
    el("form", { class: "fields", onsubmit: submit }, fields, el("button", { class: "main", type: "submit" }, "Make it"), problem));
}
