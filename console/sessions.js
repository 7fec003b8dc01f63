// @ts-check
// One's sessions and password, and the keys that the gateway signs tokens with.
import { el, filled, input, say, time } from "./dom.js";
import { danger, form, isAdmin } from "./edit.js";
import { all, named, paged } from "./lists.js";
import { change, signOut } from "./session.js";

/** @typedef {import("./main.js").Me} Me */

/** Ends all sessions of the caller: the others, and this one last, so that nothing is left half-way unseen. */
async function leaveEverywhere() {
  const others = (await all("/me/sessions")).filter((session) => !session.current);
  for (const session of others) await change("DELETE", `/me/sessions/${session.id}`);
  await signOut();
}

function password() {
  const fields = [input("current_password", "Password now", { type: "password", required: true, autocomplete: "current-password" }),
    input("new_password", "New password (15 characters or more)", { type: "password", required: true, autocomplete: "new-password" })];
  const node = form(fields, async (given) => {
    await change("POST", "/me/password", filled(given));
    given.reset();
  }, "Change it", () => say("The password is changed."));
  return el("details", {}, el("summary", {}, "Change my password"), node);
}

/** @param {Me} me */
export async function sessions(me) {
  const own = await paged("/me/sessions", {}, [
    { name: "Begun", show: (s) => time(s.created_at) }, { name: "Last refreshed", show: (s) => time(s.refreshed_at) }, { name: "Ends", show: (s) => time(s.expires_at) },
    { name: "By", show: (s) => (s.api_key_id ? ["API key ", named(s.api_key_id, s.key_name)] : "signing in") },
    { name: "End", show: (s) => (s.current ? "this one" : danger("End this session?", () => change("DELETE", `/me/sessions/${s.id}`), "End")) },
  ], { caption: "Your sessions", empty: "You have no sessions." });
  const everywhere = danger("Sign out everywhere? All your sessions end, this one too.", leaveEverywhere, "Sign out everywhere");
  const parts = [el("h2", {}, "Your sessions"), own, el("p", {}, everywhere), password()];
  if (me.role !== "admin" && me.role !== "auditor") return parts;
  const ring = await paged("/admin/signing-keys", {}, [
    { name: "Key", show: (k) => el("code", {}, k.kid) }, { name: "Algorithm", show: (k) => k.algorithm },
    { name: "State", show: (k) => el("span", { class: k.state === "signing" ? "good" : null }, k.state) },
    { name: "Made", show: (k) => time(k.created_at) }, { name: "Signs from", show: (k) => time(k.activates_at) }, { name: "Signs until", show: (k) => time(k.retired_at) },
  ], { caption: "Signing keys", empty: "There are no keys." });
  const rotate = danger("Rotate the signing keys? Tokens in use stay good.", () => change("POST", "/admin/signing-keys/rotate"), "Rotate");
  return [...parts, el("h2", {}, "Signing keys"),
    el("p", { class: "faint" }, "Access tokens are signed with them. A new key is published first and signs a little later; an old one verifies until its last token has expired."),
    ring, ...(isAdmin(me) ? [el("p", {}, rotate)] : [])];
}
