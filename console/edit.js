// @ts-check
// Making, changing and ending things: forms, and the question before something is destroyed.
import { drawer, el, reload, say, words } from "./dom.js";
import { Refused } from "./session.js";

/** A list as the reader types it: names with commas between. What was emptied has none, which the gateway refuses where it would mean nothing.
 * @param {string | undefined} text */
export const split = (text) => (text ?? "").split(",").map((part) => part.trim()).filter(Boolean);

/** @param {import("./main.js").Me} me */
export const isAdmin = (me) => me.role === "admin";

/** Lets something be done once at a time: who presses twice means it once. @template {any[]} A @param {(...args: A) => Promise<void>} act */
export function once(act) {
  let isBusy = false;
  return async (/** @type {A} */ ...args) => {
    if (isBusy) return;
    isBusy = true;
    try {
      await act(...args);
    } finally {
      isBusy = false;
    }
  };
}

/** Asks before something is destroyed. @param {string} text @param {() => Promise<unknown>} act @param {string} [label] */
export function danger(text, act, label = "Delete") {
  const press = () => {
    const problem = el("p", { class: "bad", role: "alert" });
    const sure = once(async () => {
      try {
        await act();
        box.close();
        reload();
      } catch (error) {
        problem.textContent = words(error);
      }
    });
    const box = drawer(text, [el("p", { class: "row" }, el("button", { type: "button", class: "danger", onclick: sure }, label)), problem]);
  };
  return el("button", { type: "button", class: "danger", onclick: press, "aria-label": `${label}: ${text}` }, label);
}

/** Where in a list of the body the one thing stands that a form is for. */
const OF_ONE = /^\/(items\/0|limit|budget)(?=\/)/;

/** The field that a pointer is about: the one of its name, or the closest that has it within. @param {HTMLFormElement} form @param {string} pointer */
function fieldAt(form, pointer) {
  // Of a parameter of an address it is a question mark and the name.
  const parts = pointer.startsWith("?") ? [pointer.slice(1)] : pointer.replace(OF_ONE, "").split("/").slice(1);
  for (let length = parts.length; length > 0; length -= 1) {
    const name = parts.slice(0, length).join("/");
    const field = [...form.elements].find((one) => one.getAttribute("name") === name || one.getAttribute("data-also") === name);
    if (field) return field;
  }
  return null;
}

/** What the gateway says where a name is taken already; it is about the field of the name. */
const TAKEN = /\bwith this name\b|\bis there already\b/;

/** What a refusal says of single fields. @param {HTMLFormElement} form @param {Refused} error @returns {{pointer: string, detail: string}[]} */
function faultsOf(form, error) {
  const pointer = ["/name", "/username", "/model"].find((known) => fieldAt(form, known));
  return error.status === 409 && TAKEN.test(error.detail) && pointer ? [{ pointer, detail: error.detail }] : error.faults;
}

/** Takes away what was said of the fields. @param {HTMLFormElement} form */
function clear(form) {
  form.querySelectorAll(".fault").forEach((node) => node.remove());
  form.querySelectorAll("[aria-invalid]").forEach((field) => field.removeAttribute("aria-invalid"));
}

/** Says what is wrong at the fields that it is about, and gives back the words for all of it that has no field. @param {HTMLFormElement} form @param {unknown} error */
export function point(form, error) {
  if (!(error instanceof Refused)) return words(error);
  const faults = faultsOf(form, error);
  const rest = faults.length > 0 && error.problem.title ? [error.problem.title] : [error.detail];
  for (const { pointer, detail } of faults) {
    const field = fieldAt(form, pointer);
    const place = field?.tagName === "FIELDSET" ? field : field?.closest("label");
    if (!field || !place) {
      rest.push(`${pointer}: ${detail}`);
      continue;
    }
    field.setAttribute("aria-invalid", "true");
    field.closest("details")?.setAttribute("open", "");
    place.append(el("span", { class: "bad fault" }, detail));
  }
  /** @type {HTMLElement | null} */ (form.querySelector("[aria-invalid]:not(fieldset)"))?.focus();
  return rest.join("\n");
}

/** The form of a search that was refused. @param {HTMLFormElement} form @param {Refused} refused @returns {Node[]} */
export function wrong(form, refused) {
  const problem = el("p", { class: "bad", role: "alert" });
  // When the form is on the page, so that the field can be led to.
  setTimeout(() => { problem.textContent = point(form, refused); });
  return [form, problem];
}

/**
 * @param {Node[]} fields @param {(form: HTMLFormElement) => Promise<unknown>} act @param {string} label @param {() => void} done
 */
export function form(fields, act, label, done) {
  const problem = el("p", { class: "bad", role: "alert" });
  const send = once(async (/** @type {HTMLFormElement} */ asked) => {
    problem.textContent = "";
    clear(asked);
    try {
      // What shows something itself answers true.
      if ((await act(asked)) !== true) done();
    } catch (error) {
      problem.textContent = point(asked, error);
    }
  });
  const submit = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    return send(/** @type {HTMLFormElement} */ (event.target));
  };
  return el("form", { class: "fields", onsubmit: submit }, fields, el("button", { class: "main", type: "submit" }, label), problem);
}

/** A form that makes something. @param {string} title @param {Node[]} fields @param {(form: HTMLFormElement) => Promise<unknown>} act */
export const maker = (title, fields, act) => el("details", {}, el("summary", {}, title), form(fields, act, "Make it", () => { say("Made."); reload(); }));

/**
 * A button that opens a form with what there is.
 * @param {string} title @param {() => Node[]} fields @param {(form: HTMLFormElement) => Promise<unknown>} act @param {string} [label]
 */
export function editor(title, fields, act, label = "Change") {
  const open = () => {
    const box = drawer(title, [form(fields(), async (filled) => {
      const shown = await act(filled);
      if (shown === true) box.close();
      return shown;
    }, label === "Change" ? "Save" : label, () => { box.close(); say("Saved."); reload(); })]);
    box.querySelector("input, select")?.focus();
  };
  return el("button", { type: "button", onclick: open, "aria-label": `${label}: ${title}` }, label);
}

/** A value as text in which the order of names has no part. @param {unknown} value @returns {string} */
const written = (value) => JSON.stringify(value ?? null, (_, part) => (part && typeof part === "object" && !Array.isArray(part)
  ? Object.fromEntries(Object.entries(part).sort(([one], [other]) => (one < other ? -1 : 1))) : part));

/** Only what differs from what there was, so that nothing else is touched. @param {any} before @param {Record<string, unknown>} after */
export const changed = (before, after) =>
  Object.fromEntries(Object.entries(after).filter(([name, value]) => written(before[name]) !== written(value)));
