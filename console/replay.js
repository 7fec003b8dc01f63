// @ts-check
// What a limit or a budget would have refused in the past, and the way to have it watched from now on.
import { bars, stamp, zone } from "./chart.js";
import { address, count, el, filled, input, say, select, table, time, usd, words } from "./dom.js";
import { form, split } from "./edit.js";
import { budgetFields, budgetGiven, limitFields, limitGiven } from "./policies.js";
import { change } from "./session.js";
import { day } from "./usage.js";

/** What is replayed: its fields, and where it would be made. */
const KINDS = {
  limit: { title: "A limit", fields: limitFields, given: limitGiven, path: "/admin/limits", page: "limits" },
  budget: { title: "A budget", fields: budgetFields, given: budgetGiven, path: "/admin/budgets", page: "budgets" },
};
/** @typedef {keyof typeof KINDS} Kind */

/** Why a record could not be replayed. @type {Record<string, string>} */
const NOT_COUNTED = {
  "address-erased": "the address was erased", "address-unknown": "no address is on record", "tokens-unknown": "the tokens are not known",
  "hold-unknown": "what was held is not known", "end-unknown": "when the call ended is not known", "unreadable": "the record could not be read",
};
const MOST_STEPS = 400;
const share = (/** @type {number} */ part, /** @type {number} */ all) => (all > 0 ? ` (${((100 * part) / all).toLocaleString(undefined, { maximumSignificantDigits: 2 })} %)` : "");
const card = (/** @type {string} */ name, /** @type {import("./dom.js").Child} */ value) => el("div", { class: "card" }, name, el("b", {}, value));

/** Every step from the first to the last, those that were left out too. @param {{time: string, requests: number, refused: number}[]} series */
function picture(series) {
  const known = new Map(series.map((step) => [Date.parse(step.time), step]));
  const times = [...known.keys()].sort((one, other) => one - other);
  const gaps = times.slice(1).map((at, index) => at - times[index]);
  const size = gaps.length > 0 ? Math.min(...gaps) : 3_600_000;
  const number = Math.round((times[times.length - 1] - times[0]) / size) + 1;
  const all = number <= MOST_STEPS ? Array.from({ length: number }, (_, index) => times[0] + index * size) : times;
  return bars(`Admitted and refused, ${zone(size / 1000)}`, ["admitted", "refused"], all.map((at) => {
    const step = known.get(at);
    return { ...stamp(at, size / 1000, all.length), values: [(step?.requests ?? 0) - (step?.refused ?? 0), step?.refused ?? 0] };
  }), count);
}

/** Whom it would have hit. @param {any} found @param {string} per */
function subjects(found, per) {
  const hasPeriods = found.subjects.some((/** @type {any} */ subject) => subject.periods);
  const who = (/** @type {any} */ s) => s.name ?? (s.subject === null ? "all together" : s.subject);
  return table("Who would be hit", [
    { name: "Who", long: true, show: (s) => (per === "user" && s.subject ? el("a", { href: `#/requests?${new URLSearchParams({ user_id: s.subject })}` }, who(s)) : who(s)) },
    { name: "Requests", number: true, show: (s) => count(s.requests) },
    { name: "Refused", number: true, show: (s) => el("span", { class: s.refused > 0 ? "bad" : "good" }, `${count(s.refused)}${share(s.refused, s.requests)}`) },
    { name: "First refused", show: (s) => time(s.first_refused_at) },
    ...(hasPeriods ? [{ name: "Spent by period", long: true, show: (/** @type {any} */ s) => (s.periods ?? []).map((/** @type {any} */ period) =>
      el("div", {}, time(period.since), `: ${usd(period.spent_usd)}`, period.exhausted_at && el("span", { class: "bad" }, ", no room from ", time(period.exhausted_at)))) }] : []),
  ], found.subjects, "Nobody called what it is about in this time.");
}

/** @param {Kind} kind @param {any} body @param {any} found */
function told(kind, body, found) {
  const problem = el("p", { class: "bad", role: "alert" });
  const make = async () => {
    problem.textContent = "";
    try {
      await change("POST", KINDS[kind].path, { ...body, mode: "shadow" });
      say("Made in shadow mode.");
      location.hash = `#/${KINDS[kind].page}`;
    } catch (error) {
      problem.textContent = words(error);
    }
  };
  const tight = "tightest_limit" in found && el("p", {}, found.tightest_limit === null ? "No limit of this burst refuses so few." : `The tightest limit that refuses so few is ${count(found.tightest_limit)}.`);
  return [el("h2", {}, "What it would have done"), el("p", {}, time(found.from), " to ", time(found.to), "."),
    el("div", { class: "cards" }, card("Requests that ask it", count(found.requests)), card("Admitted", count(found.admitted)),
      card("Refused", `${count(found.refused)}${share(found.refused, found.requests)}`), card("Refused at the time, by this name", count(found.was_refused)),
      found.spent_usd !== undefined && card("Spent in its periods", usd(found.spent_usd))), tight,
    found.not_yet_made && el("p", {}, "It was made ", time(found.not_yet_made.in_force_since),
      `: ${count(found.not_yet_made.requests)} requests of before asked nothing of it. To count them, ask it of the whole time.`),
    found.series.length > 0 && picture(found.series),
    el("h3", {}, "Who would be hit"), subjects(found, body.per ?? body.scope),
    found.not_counted?.length > 0 && el("h3", {}, "Not counted"), found.not_counted?.length > 0 && table("Not counted", [
      { name: "Why", show: (n) => NOT_COUNTED[n.reason] ?? n.reason }, { name: "Records", number: true, show: (n) => count(n.requests) }], found.not_counted, ""),
    el("p", { class: "row" }, el("button", { type: "button", class: "main", onclick: make }, `Make this ${kind} in shadow mode`),
      el("span", { class: "faint" }, "It then counts and refuses nothing; the records name it where it would have refused.")), problem].filter(Boolean);
}

/** What an address gives of a policy. @param {URLSearchParams} query */
function asked(query) {
  /** @type {Record<string, any>} */
  const found = Object.fromEntries(query);
  for (const name of ["routes", "models"]) if (found[name]) found[name] = split(found[name]);
  return found;
}

/** @param {import("./main.js").Me} _me @param {URLSearchParams} query @returns {Promise<Node[]>} */
export function replay(_me, query) {
  const kind = query.get("kind") === "budget" ? "budget" : "limit";
  const { fields, given } = KINDS[kind];
  const policy = asked(query);
  const result = el("div", { "aria-live": "polite" });
  const run = async (/** @type {HTMLFormElement} */ asked) => {
    const { from, to, "tightest/below": below, what_if: whatIf, ...rest } = filled(asked);
    const body = given(rest, policy);
    // The address has the id, which names one whatever others are called, and the name for its reader.
    const isKnown = body.subject && body.subject !== rest.subject;
    address("replay", { kind, ...filled(asked), ...(isKnown && { subject: body.subject, subject_name: rest.subject }) });
    result.replaceChildren(el("p", { class: "faint" }, "Reading the log …"));
    try {
      const found = await change("POST", "/admin/replay", { [kind]: body, from, ...(to && { to }), ...(whatIf && { what_if: true }), ...(below && { tightest: { below: Number(below) } }) });
      result.replaceChildren(...told(kind, body, found));
    } catch (error) {
      result.replaceChildren();
      throw error;
    }
    return true;
  };
  // The log is asked what a policy would refuse, whatever its mode: what is made of it is in shadow.
  const own = fields(policy).filter((/** @type {HTMLElement} */ field) => !field.querySelector("[name=mode], [name=alert_at]"));
  const times = [input("from", "From (day or time, UTC)", { required: true, value: query.get("from") ?? day(7) }), input("to", "Before (empty: now)", { value: query.get("to") ?? "" })];
  const tight = kind === "limit" ? [select("tightest/below", "The tightest limit that refuses fewer than",
    [["", "is not looked for"], ["0.0001", "1 in 10,000"], ["0.001", "1 in 1,000"], ["0.01", "1 in 100"]], query.get("tightest/below") ?? "")] : [];
  const whole = select("what_if", "If it is in force already",
    [["", "Says what it did, since it was made"], ["true", "Asked of the whole time"]], query.get("what_if") ?? "");
  const node = form([...own, ...times, whole, ...tight], run, "Replay", () => {});
  // Who is given the address of a result sees it.
  if (query.has("from") && query.has("name")) setTimeout(() => node.requestSubmit());
  return Promise.resolve([el("p", { class: "faint" }, "Asks the audit log what this policy would have refused; the rules that decide are those in service, and nothing is changed."),
    el("p", { class: "row choice", role: "group", "aria-label": "What is replayed" }, Object.entries(KINDS).map(([name, { title }]) =>
      el("a", { href: `#/replay?kind=${name}`, "aria-current": name === kind ? "true" : null }, title))), node, result]);
}
