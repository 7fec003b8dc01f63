// @ts-check
// Forms of things that have many fields. Each field is described once; it is drawn and read by its description. Its name is
// where its value stands in the body, parts with `/` between, as a refusal's pointers have them.
import { check, el, input, select } from "./dom.js";
import { split } from "./edit.js";

/**
 * @typedef {object} Field
 * @property {string} name
 * @property {string} label
 * @property {"text" | "number" | "words" | "list" | "numbers" | "choice" | "flag" | "secret" | "pairs" | "rows"} [kind] `words`: a number, or a word in
 *   its place; `pairs`: lines of a name and a value; `rows`: a list of objects. Text unless given.
 * @property {(string | [string, string])[]} [options] Of a choice.
 * @property {Field[]} [row] The fields of each of the rows.
 * @property {unknown} [start] What a new one begins with.
 * @property {boolean} [required]
 * @property {string} [also] Another pointer that is about this field.
 * @property {string} [offers] The id of a list of what may be chosen.
 * @property {string} [hint] How it is written.
 * @typedef {{title: string, fields: Field[]}} Section Fields that are seldom asked for, folded up.
 */

/** What stands at a name. @param {any} thing @param {string} name */
const at = (thing, name) => name.split("/").reduce((part, key) => part?.[key], thing);

/** @param {unknown} value */
const asText = (value) => (value === null || value === undefined ? "" : Array.isArray(value) ? value.join(", ") : String(value));

/** @param {Field} field @param {any} thing What there is; null for a new one. */
function control(field, thing) {
  const value = thing ? at(thing, field.name) : field.start;
  const more = { required: field.required, "data-also": field.also, placeholder: field.hint, list: field.offers, autocomplete: "off" };
  switch (field.kind) {
    case "choice": return select(field.name, field.label, field.options ?? [], asText(value));
    case "flag": return check(field.name, field.label, value === true);
    case "number": return input(field.name, field.label, { ...more, type: "number", min: 0, value: asText(value) });
    case "secret": return input(field.name, field.label, { ...more, type: "password", autocomplete: "new-password" });
    case "pairs": return el("label", {}, field.label, el("textarea", { name: field.name, rows: 3, placeholder: field.hint },
      Object.entries(value ?? {}).map(([name, text]) => `${name} ${text}\n`).join("")));
    case "rows": return rows(field, Array.isArray(value) ? value : [null]);
    default: return input(field.name, field.label, { ...more, value: asText(value) });
  }
}

/** A list whose length the reader decides. @param {Field} field @param {any[]} values */
function rows(field, values) {
  const list = el("div");
  /** Names say the place in the list, whatever was taken out; the last one stays. */
  const number = () => [...list.children].forEach((line, index) => {
    line.querySelectorAll("[data-name]").forEach((/** @type {Element} */ one) => {
      one.setAttribute("name", `${field.name}/${index}/${one.getAttribute("data-name")}`);
      if (index > 0) one.removeAttribute("data-also");
    });
    line.querySelector("button").disabled = list.children.length === 1;
  });
  const line = (/** @type {any} */ value) => {
    const controls = (field.row ?? []).map((part) => control(part, value));
    for (const label of controls) {
      const field = label.querySelector("input, select");
      field.setAttribute("data-name", field.name);
    }
    const drop = () => { row.remove(); number(); add.focus(); };
    const row = el("div", { class: "line" }, controls, el("button", { type: "button", onclick: drop }, "Remove"));
    return row;
  };
  const add = el("button", { type: "button", onclick: () => {
    const row = line(null);
    list.append(row);
    number();
    row.querySelector("input").focus();
  } }, "One more");
  list.append(...values.map(line));
  number();
  return el("fieldset", { name: field.name }, el("legend", {}, field.label), list, add);
}

/** @param {(Field | Section)[]} form @param {any} thing @returns {Node[]} */
export const draw = (form, thing) => form.map((part) => ("fields" in part
  ? el("details", {}, el("summary", {}, part.title), el("div", { class: "inner" }, draw(part.fields, thing))) : control(part, thing)));

/** @param {Field} field @param {FormData} given @param {string} name @returns {unknown} Null where nothing was filled in. */
function value(field, given, name) {
  const text = String(given.get(name) ?? "").trim();
  if (field.kind === "flag") return given.has(name);
  if (field.kind === "rows") return lines(field, given);
  if (text === "") return null;
  switch (field.kind) {
    case "number": return Number(text);
    case "words": return /^\d+$/.test(text) ? Number(text) : text;
    case "list": return split(text);
    case "numbers": return split(text).map(Number);
    case "pairs": return Object.fromEntries(text.split("\n").map((line) => line.trim().split(/[\s=]+/)).map(([key, ...rest]) => [key, rest.join(" ")]));
    default: return text;
  }
}

/** @param {Field} field @param {FormData} given */
function lines(field, given) {
  const found = [];
  for (let index = 0; given.has(`${field.name}/${index}/${field.row?.[0].name}`); index += 1) {
    const line = (field.row ?? []).map((part) => [part.name, value(part, given, `${field.name}/${index}/${part.name}`)]);
    found.push(Object.fromEntries(line.filter(([, part]) => part !== null)));
  }
  return found;
}

/** What was filled in, as the body has it: null for a field that is empty, and for an object all of whose fields are. @param {(Field | Section)[]} form @param {HTMLFormElement} filled */
export function read(form, filled) {
  const given = new FormData(filled);
  /** @type {Record<string, any>} */
  const body = {};
  for (const field of form.flatMap((part) => ("fields" in part ? part.fields : [part]))) {
    const [name, within] = field.name.split("/");
    const found = value(field, given, field.name);
    if (!within) body[name] = found;
    else if (found !== null && !(found === false && !body[name])) body[name] = { ...body[name], [within]: found };
    else body[name] ??= null;
  }
  return body;
}

/** Only what was filled in. @param {Record<string, unknown>} body */
export const given = (body) => Object.fromEntries(Object.entries(body).filter(([, part]) => part !== null));
