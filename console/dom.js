// Building the page. Text is only ever put in as text: nothing here, or anywhere in the console, makes markup of a string.

/** @typedef {Node | string | number | null | undefined | false} Child */

/**
 * @param {string} tag
 * @param {Record<string, unknown>} [props] Attributes; `on…` are listeners, `value` and `checked` are properties.
 * @param {...(Child | Child[])} children
 * @returns {any}
 */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    else if (name === "value" || name === "checked") /** @type {any} */ (node)[name] = value;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined && child !== false) node.append(child instanceof Node ? child : String(child));
  }
  return node;
}

/** @param {string} text */
export function say(text) {
  const news = /** @type {HTMLElement} */ (document.getElementById("news"));
  news.textContent = text;
  setTimeout(() => { if (news.textContent === text) news.textContent = ""; }, 6000);
}

/** A time in the reader's zone, with UTC beside it. @param {string | null | undefined} text */
export function time(text) {
  if (!text) return "–";
  return el("time", { datetime: text, title: `${text} (UTC)` }, new Date(text).toLocaleString());
}

/** @param {unknown} value */
export const count = (value) => (typeof value === "number" ? value.toLocaleString() : String(value ?? "–"));

/** @param {unknown} value */
export const usd = (value) => (value === null || value === undefined ? "–" : `$${value}`);

/**
 * @typedef {{name: string, show: (row: any) => Child | Child[], number?: boolean}} Column
 * @param {string} caption @param {Column[]} columns @param {any[]} rows @param {string} empty What to do where there are none.
 */
export function table(caption, columns, rows, empty) {
  if (rows.length === 0) return el("p", { class: "faint" }, empty);
  const kind = (/** @type {Column} */ column) => (column.number ? "number" : null);
  return el("div", { class: "wide", tabindex: 0, role: "region", "aria-label": caption },
    el("table", {},
      el("thead", {}, el("tr", {}, columns.map((column) => el("th", { scope: "col", class: kind(column) }, column.name)))),
      el("tbody", {}, rows.map((row) =>
        el("tr", {}, columns.map((column) => el("td", { class: kind(column) }, column.show(row))))))));
}

/** @param {string} name @param {string} label @param {Record<string, unknown>} [props] */
export const input = (name, label, props = {}) => el("label", {}, label, el("input", { name, ...props }));

/** @param {string} name @param {string} label @param {string[]} options */
export const select = (name, label, options) =>
  el("label", {}, label, el("select", { name }, options.map((option) => el("option", { value: option }, option))));

/** What was filled into a form, without empty fields. @param {HTMLFormElement} form @returns {Record<string, string>} */
export const filled = (form) =>
  Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, String(value)]).filter(([, value]) => value !== ""));

/** Shows something over the page; Escape closes it. @param {string} title @param {...Child} children */
export function drawer(title, ...children) {
  const box = el("dialog", { "aria-label": title });
  box.append(el("h2", {}, title), ...children.filter(Boolean).map((child) => (child instanceof Node ? child : String(child))),
    el("p", {}, el("button", { type: "button", onclick: () => box.close() }, "Close")));
  box.addEventListener("close", () => box.remove());
  document.body.append(box);
  box.showModal();
}
