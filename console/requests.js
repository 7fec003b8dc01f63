// The audit log: search, and the whole story of one request.
import { count, drawer, el, filled, input, select, time, usd } from "./dom.js";
import { paged } from "./lists.js";

const FIELDS = ["request_id", "decision", "status", "route", "user_id", "from", "to"];

/** What a reason means and what to do about it. @type {Record<string, string>} */
const WHY = {
  "missing-credential": "The call had no credential.",
  "invalid-credentials": "The name or the password was wrong, or the user may not sign in.",
  "expired-token": "The access token's time was over; a client refreshes it and tries again.",
  "revoked-token": "The session was ended, or the user was changed, disabled or deleted.",
  "forbidden": "The caller's role may not call this.",
  "quota-exceeded": "A limit was reached. The page Limits shows which there are.",
  "budget-exhausted": "What the call could cost had no room in a budget. The page Budgets shows what is left.",
  "unpriced-model": "The model has no price. The page Prices sets one.",
  "not-found": "There is no such URL or object.",
  "upstream-failed": "The upstream could not be reached or broke off.",
  "upstream-timeout": "The upstream did not answer in time.",
};

/** @param {any} record */
function story(record) {
  const { reason } = record;
  const why = reason ? Object.entries(WHY).find(([code]) => String(reason).startsWith(code))?.[1] : undefined;
  const shown = Object.entries(record).filter(([, value]) => value !== null && value !== false);
  const text = (/** @type {unknown} */ value) => (typeof value === "object" ? JSON.stringify(value, null, 2) : String(value));
  drawer(`${record.method ?? "?"} ${record.path ?? "?"}`,
    reason && el("p", { class: "bad" }, `Not served: ${reason}. ${why ?? ""}`),
    el("p", {}, `Entry ${record.seq} of chain ${record.chain}. Its hash covers the entry and the one before it; `,
      el("code", {}, "tollgate audit verify"), " checks the chain and its signed checkpoints."),
    el("dl", {}, shown.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, text(value))])));
}

/** @param {import("./main.js").Me} _me @param {URLSearchParams} query */
export async function requests(_me, query) {
  const asked = Object.fromEntries(FIELDS.map((name) => [name, query.get(name) ?? ""]));
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    location.hash = `#/requests?${new URLSearchParams(filled(/** @type {HTMLFormElement} */ (event.target)))}`;
  };
  const decision = select("decision", "Decision", ["", "allowed", "refused", "failed"]);
  decision.querySelector("select").value = asked.decision;
  const form = el("form", { class: "fields", onsubmit: submit }, decision,
    input("status", "Status", { value: asked.status, pattern: "[1-5][0-9][0-9]", title: "three digits, such as 429" }),
    input("route", "Route", { value: asked.route }), input("user_id", "User id", { value: asked.user_id }),
    input("request_id", "Request id", { value: asked.request_id }),
    input("from", "From (day or time, UTC)", { value: asked.from }), input("to", "Before", { value: asked.to }),
    el("button", { class: "main", type: "submit" }, "Search"));
  const list = await paged("/admin/audit", asked, [
    { name: "Time", show: (r) => time(r.time) },
    { name: "Who", show: (r) => r.username ?? "nobody" },
    { name: "Request", show: (r) => el("button", { type: "button", onclick: () => story(r) }, `${r.method ?? "?"} ${r.path ?? "?"}`) },
    { name: "Route", show: (r) => r.route ?? "–" },
    { name: "Decision", show: (r) => el("span", { class: r.decision === "allowed" ? "good" : "bad" }, r.decision ?? "–") },
    { name: "Status", number: true, show: (r) => r.status ?? "–" },
    { name: "Why", show: (r) => r.reason ?? "" },
    { name: "Model", show: (r) => r.model ?? "" },
    { name: "Cost", number: true, show: (r) => usd(r.cost_usd) },
    { name: "ms", number: true, show: (r) => (r.duration_us === null ? "–" : count(Math.round(r.duration_us / 1000))) },
  ], { caption: "Requests", empty: "No request is like that. Take a condition away." });
  return [form, list];
}
