// @ts-check
// The whole story of one request: who, what was decided and why, what was tried, what it cost, and the proof of it.
import { count, drawer, el, table, time, usd } from "./dom.js";
import { all, named } from "./lists.js";
import { budgetTable, whom, windowOf } from "./policies.js";
import { canProve, covering, prove } from "./proof.js";
import { get } from "./session.js";

/** What a reason means and what to do about it. @type {Record<string, string>} */
const WHY = {
  "missing-credential": "The call had no credential.",
  "invalid-credentials": "The name or the password was wrong, or the user may not sign in.",
  "invalid-token": "The access token or API key was not accepted.",
  "expired-token": "The access token's or key's time was over; a client refreshes its token and tries again.",
  "revoked-token": "The session was ended, or the user was changed, disabled or deleted.",
  "forbidden": "The caller's role, key or team may not call this.",
  "model-not-allowed": "The model is not on the list of the user, the team or the key. The pages Users, Teams and API keys show the lists.",
  "quota-exceeded": "A limit was reached: the one that is named.",
  "budget-exhausted": "What the call could cost had no room in the budget that is named.",
  "shadow-quota-exceeded": "It was served. A limit in shadow would have refused it.",
  "shadow-budget-exhausted": "It was served. A budget in shadow would have refused it.",
  "unpriced-model": "The model has no price, so no money could be held for it.",
  "not-found": "There is no such URL, object or model.",
  "invalid-request": "The request was not as the documentation asks for it.",
  "upstream-failed": "The upstream could not be reached or broke off.",
  "upstream-timeout": "The upstream did not answer in time.",
  "loop-detected": "An upstream leads back to this gateway, so that the call went in circles.",
  "temporary-reduced-capacity": "There was too little room for the call, or its limits could not be asked.",
  "ledger-unavailable": "The store was away, so no money could be held.",
  "audit-unavailable": "The record could not be written, so the call was not let in.",
};

/** A reason is parts with `; ` between, each a code and perhaps names. @param {string} reason */
const reasons = (reason) => reason.split("; ").map((part) => {
  const [code, rest] = part.split(": ");
  return { part, code, names: rest ? rest.split(", ") : [] };
});

/** @param {string | null | undefined} text */
const code = (text) => (text ? el("code", {}, text) : "–");

/** What is known, as names and values. @param {[string, any][]} pairs */
const facts = (pairs) => el("dl", {}, pairs.filter(([, value]) => value !== null && value !== undefined && value !== "–" && value !== "")
  .flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));

/** @param {any} record */
function told(record) {
  if (record.act) {
    const why = record.by?.reason ? `, because: ${record.by.reason}` : "";
    return el("p", {}, `${record.by ? `${record.by.os_user}, at the gateway's machine,` : "The gateway, by its configuration,"} did ${record.reason} at `, time(record.time), `${why}.`);
  }
  const who = record.username ?? (record.user_id ? "a user" : "Nobody known");
  const served = record.decision === "allowed" ? "was served" : record.decision === "refused" ? "was refused" : record.decision === "failed" ? "failed" : "is under way";
  const took = typeof record.duration_us === "number" ? ` in ${(record.duration_us / 1000).toLocaleString(undefined, { maximumSignificantDigits: 3 })} ms` : "";
  return el("p", {}, `${who}${record.role ? ` (${record.role})` : ""} called ${record.method ?? "?"} ${record.path ?? "a path that was erased"} at `, time(record.time),
    `. It ${served}${record.status ? ` with status ${record.status}` : ""}${took}.`);
}

/** Whether a name is on a list: it has it, all names, or all that begin so. @param {string[] | null} list @param {string | null | undefined} name */
const isOn = (list, name) => !list || list.some((one) => one === name || one === "*" || (one.endsWith("*") && name?.startsWith(one.slice(0, -1))));

/**
 * Which limits or budgets of those that there are now such a call asks. Of one name the one for the caller alone goes before the general one, and
 * that of another caller has no part in it.
 * @param {any[]} policies @param {any} record
 */
export function askedBy(policies, record) {
  const named = reasons(record.reason ?? "").flatMap((reason) => reason.names);
  const key = record.credential?.kind === "api_key" ? record.credential.id : null;
  /** @type {Record<string, string | null>} */
  const callers = { user: record.user_id, team: record.team_id, key };
  const kind = (/** @type {any} */ policy) => policy.per ?? policy.scope;
  // Of which address a limit is the record does not say, unless it names the limit.
  const isFor = (/** @type {any} */ policy) => (Object.hasOwn(callers, kind(policy))
    ? callers[kind(policy)] && [null, callers[kind(policy)]].includes(policy.subject) : !policy.subject || named.includes(policy.name));
  const isAbout = (/** @type {any} */ policy) => (policy.per ? isOn(policy.routes, record.route)
    : [record.model, record.served_model].some((model) => model && isOn(policy.models, model)));
  const asked = policies.filter((policy) => isFor(policy) && (named.includes(policy.name) || isAbout(policy)));
  return asked.filter((policy) => policy.subject || kind(policy) === "address" || !asked.some((other) => other.subject && other.name === policy.name));
}

/** The limits and budgets that such a call meets, as they stand now. @param {any} record */
async function policies(record) {
  const named = reasons(record.reason ?? "").flatMap((reason) => reason.names);
  const [limits, budgets] = await Promise.all([all("/admin/limits"), record.model ? all("/admin/budgets") : []]);
  const [met, paid] = [askedBy(limits, record), askedBy(budgets, record)];
  const answer = (/** @type {any} */ limit) => (named.includes(limit.name)
    ? el("span", { class: "bad" }, record.decision === "allowed" ? "would have refused" : "refused") : record.decision === "allowed" ? "had room" : "did not refuse");
  return [el("h3", {}, "Policies that were asked"),
    table("Limits", [
      { name: "Limit", show: (l) => l.name }, { name: "For", show: whom }, { name: "Answer", show: answer },
      { name: "Of", number: true, show: (l) => `${count(l.limit)} ${l.unit}${l.window || l.window_s ? ` in ${l.window ? "a " : ""}${windowOf(l)}` : ""}` }, { name: "Mode", show: (l) => l.mode },
    ], met, "No limit that there is now applies to such a call."),
    record.model && budgetTable(paid, [{ name: "For", show: whom }, { name: "Answer", show: answer }]),
    el("p", { class: "faint" }, "The record names the policies that refused. What is left, spent and held is as it stands now, not as it stood then.")];
}

/** @param {any} record */
const attempts = (record) => (record.attempts?.length ? table("Attempts", [
  { name: "Upstream", show: (a) => a.upstream },
  { name: "Result", show: (a) => el("span", { class: a.error || a.status >= 500 ? "bad" : "good" }, a.error ?? `status ${a.status}`) },
  { name: "ms", number: true, show: (a) => (a.duration_us / 1000).toLocaleString(undefined, { maximumSignificantDigits: 3 }) },
], record.attempts, "") : facts([["Upstream", record.upstream], ["Its status", record.upstream_status]]));

/** @param {any} record @param {HTMLElement} place */
async function fillProof(record, place) {
  const entries = record.entries ?? [];
  if (!canProve()) {
    place.replaceChildren(el("p", {}, "This browser computes hashes only for pages that come over https or from this machine. ", code("tollgate audit verify"), " checks the whole log."));
    return;
  }
  const parts = [];
  let good = entries.length > 0;
  for (const entry of entries) {
    const line = JSON.parse(entry.line);
    const findings = await prove(entry);
    good &&= findings.every((finding) => finding.good);
    parts.push(el("h4", {}, `Entry ${line.seq} of chain ${line.chain}: ${line.stage ?? "whole"}`), facts([
      ...findings.map((finding) => /** @type {[string, any]} */ ([finding.name, el("span", { class: finding.good ? "good" : "bad" }, `${finding.good ? "✓" : "✗"} ${finding.what}`)])),
      ["Entry's hash", code(entry.hash)], ["Link before", code(entry.prev_hash)]]),
    el("details", {}, el("summary", {}, "The line that is hashed"), el("pre", {}, entry.line)));
  }
  const last = entries.length > 0 ? JSON.parse(entries[entries.length - 1].line) : record;
  const covered = await covering(last.chain, last.seq);
  const checkpoint = covered
    ? facts([["Checkpoint", el("span", { class: covered.signed === false ? "bad" : covered.signed ? "good" : "" },
      `${covered.signed ? "✓ " : covered.signed === false ? "✗ " : ""}Number ${covered.checkpoint.number} vouches for all up to entry ${covered.checkpoint.seq}; `,
      covered.signed ? "its signature is good" : covered.signed === false ? "its signature is wrong" : "this browser cannot check its signature", ". Signed ", time(covered.checkpoint.time), ".")]])
    : el("p", { class: "faint" }, "No checkpoint vouches for it yet; one is signed every minute.");
  place.replaceChildren(el("p", { class: good ? "good" : "bad", "data-proof": good ? "verified" : "wrong" },
    el("strong", {}, good ? "Verified" : "Not what was written"), good ? ": computed in this browser from the record's own bytes." : ": the bytes do not have the hash that they should have. Run tollgate audit verify."),
  ...parts, checkpoint, el("p", { class: "faint" }, "That no entry between was left out or moved is checked by ", code("tollgate audit verify"), "."));
}

/** What the answer to a refused call said: what was left, what was needed, and where the request was wrong. @param {any} record */
function refusedBy(record) {
  /** @type {[string, string][]} */
  const all = [];
  for (const by of record.refused?.limits ?? []) all.push([by.name, `${count(by.remaining)} of ${count(by.limit)} left, ${count(by.needed)} needed`]);
  for (const by of record.refused?.budgets ?? []) all.push([by.name, `${usd(by.remaining_usd)} of ${usd(by.limit_usd)} left, the call could cost ${usd(by.needed_usd)}`]);
  if (record.fields) all.push(["Wrong", record.fields.join(", ")]);
  return all.length > 0 && facts(all);
}

/** Opens the story of a record. @param {string} id @param {() => boolean} isWanted Asked when all of it is known. @param {() => void} closed */
export async function tell(id, isWanted, closed) {
  const record = await get(`/admin/audit/${encodeURIComponent(id)}`);
  const proof = el("div", { "aria-live": "polite" }, el("p", { class: "faint" }, "Computing …"));
  const asked = record.route && record.user_id && !String(record.route).startsWith("/") ? await policies(record) : [];
  if (!isWanted()) return;
  const body = (/** @type {string} */ name, /** @type {any} */ kept) => kept && el("details", {}, el("summary", {}, name),
    facts([["SHA-256", code(kept.sha256)]]), kept.text && el("pre", {}, kept.text), kept.truncated && el("p", { class: "faint" }, "It was longer."));
  const cost = record.model || record.cost_usd;
  drawer(record.act ? record.reason : `${record.method ?? "?"} ${record.path ?? "(erased)"}`, [told(record),
    ...reasons(record.act ? "" : record.reason ?? "").filter((reason) => reason.part).map((reason) => el("p", { class: reason.code.startsWith("shadow") ? "" : "bad" },
      el("strong", {}, reason.part), `. ${WHY[reason.code] ?? ""}`)),
    refusedBy(record),
    el("h3", {}, "Who"), facts([["User", record.user_id && named(record.user_id, record.username)], ["Role", record.role],
      ["Team", record.team_id && named(record.team_id, record.team_name)],
      ["Credential", record.credential && [`${record.credential.kind.replaceAll("_", " ")} `, named(record.credential.id, record.key_name)]],
      ["Session", record.session_id && code(record.session_id)], ["Address", record.peer], ["Forwarded for", record.forwarded_for], ["Client certificate", record.client_certificate]]),
    ...asked,
    cost && el("h3", {}, "Money"), cost && facts([["Model", record.model], ["Served by", record.served_model], ["Tokens in", record.input_tokens === null ? null : count(record.input_tokens)],
      ["Tokens out", record.output_tokens === null ? null : count(record.output_tokens)],
      ["Cost", record.cost_usd === null ? "none: nothing was billed" : usd(record.cost_usd)],
      ["Hold", record.outcome ? "given back when the call ended, but for the cost" : "held until the call ends"]]),
    (record.upstream || record.attempts) && el("h3", {}, "Upstream"), (record.upstream || record.attempts) && attempts(record),
    record.change && el("h3", {}, "What was changed"), record.change && el("pre", {}, JSON.stringify(record.change, null, 2)),
    record.act && el("h3", {}, "What was done"), record.act && el("pre", {}, JSON.stringify(record.act, null, 2)),
    body("Body of the request", record.request_body), body("Body of the answer", record.response_body),
    el("h3", {}, "Names"), facts([["Request id", code(record.request_id)], ["Trace id", record.trace_id && code(record.trace_id)], ["Record id", code(record.id)], ["Route", record.route],
      ["Outcome", record.outcome], ["Bytes in", record.request_bytes === null ? null : count(record.request_bytes)], ["Bytes out", record.response_bytes === null ? null : count(record.response_bytes)]]),
    el("h3", {}, "Proof"), proof], closed);
  fillProof(record, proof).catch((error) => proof.replaceChildren(el("p", { class: "bad", role: "alert" }, error.message)));
}
