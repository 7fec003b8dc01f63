// @ts-check
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
  const at = new Date(text);
  const there = at.toISOString();
  const isOtherDay = there.slice(0, 10) !== new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 10);
  return el("time", { datetime: text, title: `${text} (UTC)` }, at.toLocaleString(),
    at.getTimezoneOffset() !== 0 && el("small", { class: "faint" }, ` ${isOtherDay ? `${there.slice(0, 10)} ` : ""}${there.slice(11, 19)} UTC`));
}

/** @param {unknown} value */
export const count = (value) => (typeof value === "number" ? value.toLocaleString() : String(value ?? "–"));

/** @param {unknown} value */
export const usd = (value) => (value === null || value === undefined ? "–" : `$${value}`);

/** The sum of amounts of money, to the last of their twelve places: prices of a token are that small. @param {string[]} amounts */
export function sumUsd(amounts) {
  const pico = (/** @type {string} */ text) => {
    const [whole, part = ""] = text.split(".");
    return BigInt(`${whole}${part.slice(0, 12).padEnd(12, "0")}`);
  };
  const sum = amounts.reduce((all, text) => all + pico(text), 0n);
  const digits = String(sum < 0n ? -sum : sum).padStart(13, "0");
  const part = digits.slice(-12).replace(/0+$/, "");
  return `${sum < 0n ? "-" : ""}${digits.slice(0, -12)}${part && `.${part}`}`;
}

/** An element of a picture. @param {string} tag @param {Record<string, unknown>} props @param {...Child} children @returns {any} */
export function svg(tag, props, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(props)) node.setAttribute(name, String(value));
  for (const child of children) if (child !== null && child !== undefined && child !== false) node.append(child instanceof Node ? child : String(child));
  return node;
}

/** The words of what went wrong. @param {unknown} error */
export const words = (error) => (error instanceof TypeError ? "The gateway cannot be reached. Try again when it is there."
  : error instanceof Error ? error.message : String(error));

/** Shows the page anew, as after a change. */
export const reload = () => dispatchEvent(new HashChangeEvent("hashchange"));

/** Writes what was chosen into the address, without leaving the page. @param {string} page @param {Record<string, string>} query */
export const address = (page, query) => history.replaceState(null, "", `#/${page}?${new URLSearchParams(query)}`);

/**
 * @typedef {{name: string, show: (row: any) => Child | Child[], number?: boolean, long?: boolean, broad?: boolean}} Column
 * @param {string} caption @param {Column[]} columns @param {any[]} rows @param {string} empty What to do where there are none.
 */
export function table(caption, columns, rows, empty) {
  if (rows.length === 0) return el("p", { class: "faint" }, empty);
  const kind = (/** @type {Column} */ column) => (column.number ? "number" : column.broad ? "long broad" : column.long ? "long" : column.name === "Change" ? "acts" : null);
  return el("div", { class: "wide", tabindex: 0, role: "region", "aria-label": caption },
    el("table", {},
      el("thead", {}, el("tr", {}, columns.map((column) => el("th", { scope: "col", class: kind(column) }, column.name)))),
      el("tbody", {}, rows.map((row) =>
        el("tr", {}, columns.map((column) => el("td", { class: kind(column) }, column.show(row))))))));
}

/** @param {string} name @param {string} label @param {Record<string, unknown>} [props] */
export const input = (name, label, props = {}) => el("label", {}, label, el("input", { name, ...props }));

/** Something that is so or not. @param {string} name @param {string} label @param {boolean} [isSo] */
export const check = (name, label, isSo = false) => el("label", { class: "check" }, el("input", { name, type: "checkbox", checked: isSo }), label);

/** What may be chosen, and what is chosen already where that is something else: a form that is saved must not change it.
 * @param {(string | [string, string])[]} options @param {string} [value] @returns {[string, string][]} */
export function choices(options, value) {
  const known = options.map((option) => /** @type {[string, string]} */ (typeof option === "string" ? [option, option || "any"] : option));
  return value === undefined || known.some(([key]) => key === value) ? known : [...known, [value, value || "none"]];
}

/** @param {string} name @param {string} label @param {(string | [string, string])[]} options Values, or values and what they are called. @param {string} [value] */
export function select(name, label, options, value) {
  const list = el("select", { name }, choices(options, value).map(([key, text]) => el("option", { value: key }, text)));
  if (value !== undefined) list.value = value;
  return el("label", {}, label, list);
}

/** What was filled into a form, without empty fields. @param {HTMLFormElement} form @returns {Record<string, string>} */
export const filled = (form) =>
  Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, String(value)]).filter(([, value]) => value !== ""));

let drawers = 0;

/** Shows something over the page; Escape closes it. @param {string} title @param {(Child | Child[])[]} children @param {() => void} [closed] */
export function drawer(title, children, closed) {
  const id = `drawer-${++drawers}`;
  const box = el("dialog", { "aria-labelledby": id },
    el("div", { class: "head" }, el("h2", { id }, title), el("button", { type: "button", onclick: () => box.close() }, "Close")), ...children);
  box.addEventListener("close", () => { box.remove(); closed?.(); });
  document.body.append(box);
  box.showModal();
  return box;
}

/** Puts a text on the clipboard. @param {string} text */
export const copy = (text) => (navigator.clipboard
  ? navigator.clipboard.writeText(text).then(() => say("Copied."), () => say("Select the text and copy it."))
  : say("Select the text and copy it: the browser lets pages copy over https alone."));

/** Hands a file to the reader. @param {string} name @param {string} type @param {string} text */
export function download(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  el("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** Rows as a table of text. A cell that a program would take for a formula begins with an apostrophe. @param {string[]} names @param {any[]} rows */
export function csv(names, rows) {
  const cell = (/** @type {unknown} */ value) => {
    const text = String(value ?? "").replace(/^(?=[=+@\t\r]|-(?![\d.]))/, "'");
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [names, ...rows.map((row) => names.map((name) => row[name]))].map((line) => `${line.map(cell).join(",")}\r\n`).join("");
}
