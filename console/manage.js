// @ts-check
// Prices, sessions and signing keys.
import { count, el, time, usd } from "./dom.js";
import { danger, isAdmin } from "./edit.js";
import { paged } from "./lists.js";
import { change, get } from "./session.js";

/** @typedef {import("./main.js").Me} Me */

export async function prices() {
  const { version, created_at, source } = await get("/admin/prices", { limit: 1 });
  return [el("p", {}, `Version ${version} from ${source}, `, time(created_at), ". USD per million tokens."),
    await paged("/admin/prices", {}, [
      { name: "Model", show: (p) => p.model }, { name: "In", number: true, show: (p) => usd(p.input_usd) },
      { name: "Cached in", number: true, show: (p) => usd(p.cached_input_usd) }, { name: "Out", number: true, show: (p) => usd(p.output_usd) },
      { name: "Longest answer", number: true, show: (p) => count(p.max_output_tokens) },
    ], { caption: "Prices", empty: "There are no prices. tollgate prices import FILE reads a list." })];
}

/** @param {Me} me */
export async function sessions(me) {
  const own = await paged("/me/sessions", {}, [
    { name: "Begun", show: (s) => time(s.created_at) }, { name: "Last refreshed", show: (s) => time(s.refreshed_at) },
    { name: "Ends", show: (s) => time(s.expires_at) }, { name: "End", show: (s) => (s.current ? "this one"
      : me.role === "auditor" ? "–" : danger("End this session?", () => change("DELETE", `/me/sessions/${s.id}`), "End")) },
  ], { caption: "Your sessions", empty: "You have no sessions." });
  if (me.role !== "admin" && me.role !== "auditor") return [own];
  const ring = await paged("/admin/signing-keys", {}, [
    { name: "Key", show: (k) => el("code", {}, k.kid) }, { name: "Algorithm", show: (k) => k.algorithm }, { name: "State", show: (k) => k.state },
    { name: "Signs from", show: (k) => time(k.activates_at) }, { name: "Signs until", show: (k) => time(k.retired_at) },
  ], { caption: "Signing keys", empty: "There are no keys." });
  const rotate = isAdmin(me) && danger("Rotate the signing keys? Tokens in use stay good.", () => change("POST", "/admin/signing-keys/rotate"), "Rotate");
  return [own, el("h2", {}, "Signing keys"), ring, rotate && el("p", {}, rotate)].filter(Boolean);
}
