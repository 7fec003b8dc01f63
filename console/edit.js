// @ts-check
// Making, changing and ending things: forms, and the question before something is destroyed.
import { drawer, el, reload, say, words } from "./dom.js";

/** A list as the reader types it: names with commas between. @param {string | undefined} text */
export const split = (text) => (text ?? "*").split(",").map((part) => part.trim()).filter(Boolean);

/** @param {import("./main.js").Me} me */
export const isAdmin = (me) => me.role === "admin";

/** Asks before something is destroyed. @param {string} text @param {() => Promise<unknown>} act @param {string} [label] */
export function danger(text, act, label = "Delete") {
  const press = () => {
    const problem = el("p", { class: "bad", role: "alert" });
    const sure = async () => {
      try {
        await act();
        box.close();
        reload();
      } catch (error) {
        problem.textContent = words(error);
      }
    };
    const box = drawer(text, [el("p", { class: "row" }, el("button", { type: "button", class: "danger", onclick: sure }, label)), problem]);
  };
  return el("button", { type: "button", class: "danger", onclick: press, "aria-label": `${label}: ${text}` }, label);
}

/**
 * @param {Node[]} fields @param {(form: HTMLFormElement) => Promise<unknown>} act @param {string} label @param {() => void} done
 */
function form(fields, act, label, done) {
  const problem = el("p", { class: "bad", role: "alert" });
  const submit = async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    problem.textContent = "";
    try {
      // What shows something itself answers true.
      if ((await act(/** @type {HTMLFormElement} */ (event.target))) !== true) done();
    } catch (error) {
      problem.textContent = words(error);
    }
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

/** Only what differs from what there was, so that nothing else is touched. @param {any} before @param {Record<string, unknown>} after */
export const changed = (before, after) =>
  Object.fromEntries(Object.entries(after).filter(([name, value]) => JSON.stringify(before[name] ?? null) !== JSON.stringify(value ?? null)));
