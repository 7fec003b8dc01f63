// @ts-check
// How the gateway does: what it depends on, its actors, its upstreams and the checkpoints of its log.
import { count, el, reload, table, time } from "./dom.js";
import { STATE } from "./routing.js";
import { get } from "./session.js";

/** What each state means and what to do, where there is something to do. @type {Record<string, string>} */
const ADVICE = {
  "store: unavailable": "The database does not answer. Tokens still verify and records wait on the disk; budgets refuse what costs. Look at the database and at store.url.",
  "store: file replaced": "The SQLite file was moved, deleted or replaced under the gateway, so nothing is stored. Put the right file back, or restart the gateway on the one that lies there.",
  "redis: unavailable": "Redis does not answer. Limits count a share here, or refuse, as their on_error says.",
  "audit: spooling": "Records wait on the disk until the store takes them. Calls go on.",
  "audit: unavailable": "No record can be written, so calls are refused. See that the disk has room and the store answers.",
  "checkpoints: standing still": "No checkpoint can be signed: what is recorded is not vouched for until the store answers.",
  "clock: unavailable": "This machine's clock is too far from the store's: other replicas refuse its tokens. Set the clock.",
  "identity: unavailable": "Users and keys were not read from the store for too long (auth.max_staleness_s).",
};

/** Sentences on what is not well. @param {any} status */
export function troubles(status) {
  const found = [];
  if (status.status === "draining") found.push("This replica is on its way down: it finishes what it has and takes no new calls.");
  for (const [name, state] of Object.entries(status.dependencies ?? {})) {
    if (state !== "ok") found.push(`${name} is ${state}. ${ADVICE[`${name}: ${state}`] ?? "The gateway starts it again by itself; see the log if this stays."}`);
  }
  for (const [name, state] of /** @type {[string, any][]} */ (Object.entries(status.upstreams ?? {}))) {
    if (state.health !== "ok") found.push(`Upstream ${name} fails its health check.`);
    if (state.breaker && state.breaker !== "closed") found.push(`The breaker of upstream ${name} is ${state.breaker}: calls failed there.`);
    if (state.in_flight >= state.limit) found.push(`Upstream ${name} has as many calls in flight as it may (${count(state.limit)}).`);
  }
  return found;
}

/** Seconds in words. @param {number} seconds */
function span(seconds) {
  const [days, hours, minutes] = [Math.floor(seconds / 86_400), Math.floor((seconds % 86_400) / 3600), Math.floor((seconds % 3600) / 60)];
  return days > 0 ? `${days} d ${hours} h` : hours > 0 ? `${hours} h ${minutes} min` : minutes > 0 ? `${minutes} min` : `${Math.floor(seconds)} s`;
}

/** @param {any} status */
function facts(status) {
  const up = (Date.parse(status.time) - Date.parse(status.started_at)) / 1000;
  /** @type {[string, import("./dom.js").Child[]][]} */
  const pairs = [["State", [el("strong", { class: status.status === "ready" ? "good" : "bad" }, status.status)]], ["Version", [status.version]], ["Replica", [el("code", {}, status.replica)]],
    ["Its time", [time(status.time)]], ["Up since", [time(status.started_at), ` (${span(up)})`]],
    ["Clock ahead of the store's by", [`${count(status.clock_ahead_us / 1000)} ms`]], ["Records not yet in the store", [count(status.audit_backlog)]]];
  return el("dl", {}, pairs.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}

export async function healthPage() {
  const [status, log] = await Promise.all([get("/admin/status"), get("/admin/audit/checkpoints", { limit: 5 })]);
  const bad = troubles(status);
  const entries = (/** @type {Record<string, any> | undefined} */ map) => Object.entries(map ?? {}).map(([name, value]) => ({ name, value }));
  // An actor that runs is shown below.
  const dependencies = entries(status.dependencies).filter(({ name, value }) => value !== "ok" || !status.actors?.[name]);
  const upstreams = entries(status.upstreams).map(({ name, value }) => ({ name, state: value }));
  return [el("p", { class: "row" }, el("button", { type: "button", onclick: reload }, "Look again"), el("span", { class: "faint" }, "This is the replica that answered, as it was at ", time(status.time), ".")),
    bad.length > 0 ? el("ul", { class: "attention" }, bad.map((text) => el("li", {}, text))) : el("p", { class: "attention calm" }, "All is well."),
    facts(status),
    el("h2", {}, "What it depends on"), table("What it depends on", [
      { name: "Name", show: (d) => d.name }, { name: "State", show: (d) => el("span", { class: d.value === "ok" ? "good" : "bad" }, d.value) },
    ], dependencies, "Nothing."),
    el("h2", {}, "Actors"), table("Actors", [
      { name: "Actor", show: (a) => a.name },
      { name: "Running", number: true, show: (a) => el("span", { class: a.value.running < a.value.started ? "bad" : "good" }, `${count(a.value.running)} of ${count(a.value.started)}`) },
      { name: "Messages in flight", number: true, show: (a) => count(a.value.in_flight) },
      { name: "Restarts", number: true, show: (a) => el("span", { class: a.value.restarts > 0 ? "bad" : null }, count(a.value.restarts)) },
    ], entries(status.actors), "There are no actors."),
    el("h2", {}, "Upstreams"), table("Upstreams", [{ name: "Upstream", show: (u) => el("a", { href: `#/upstreams?${new URLSearchParams({ name: u.name })}` }, u.name) }, ...STATE], upstreams, "There are no upstreams."),
    el("h2", {}, "Checkpoints of the audit log"), table("Checkpoints", [
      { name: "Chain", show: (c) => el("code", {}, c.chain) }, { name: "Number", number: true, show: (c) => count(c.number) },
      { name: "Vouches for all up to", number: true, show: (c) => count(c.seq) }, { name: "Signed", show: (c) => time(c.time) },
    ], log.items, "None yet: one is signed a minute after there is something to vouch for.")];
}
