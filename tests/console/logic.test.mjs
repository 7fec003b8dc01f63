// What the console computes without a page.
import assert from "node:assert/strict";
import { test } from "node:test";
import { stamp } from "./console/chart.js";
import { choices, csv, sumUsd } from "./console/dom.js";
import { changed, once, split } from "./console/edit.js";
import { ROUTE } from "./console/entries.js";
import { troubles } from "./console/health.js";
import { firstModel, heard } from "./console/playground.js";
import { differences } from "./console/prices.js";
import { kept } from "./console/requests.js";
import { askedBy } from "./console/story.js";
import { get, onEnd, send, signIn, signOut, subjectOf, whyNot } from "./console/session.js";
import { spanOf } from "./console/traffic.js";
import { pickerOf } from "./console/usage.js";

const price = (model, input_usd, more = {}) => ({ model, input_usd, output_usd: "1", max_output_tokens: 100, ...more });

test("a price that is written otherwise is the same price", () => {
  assert.deepEqual(differences([price("a", "2.5"), price("b", "10")], [price("a", "2.50"), price("b", "10.0")], true), []);
  assert.equal(differences([price("a", "100")], [price("a", "1")], false).length, 1, "zeros before the point count");
});

test("prices differ in each of their fields, those of tiers too", () => {
  const tiers = (output_usd) => ({ tiers: [{ above_input_tokens: 200_000, input_usd: "2", output_usd }] });
  assert.equal(differences([price("a", "1", tiers("3"))], [price("a", "1", tiers("4"))], false).length, 1);
  assert.equal(differences([price("a", "1", tiers("3"))], [price("a", "1")], false).length, 1);
});

test("only a whole list takes prices away", () => {
  const [before, after] = [[price("a", "1"), price("b", "1")], [price("b", "1"), price("c", "1")]];
  const models = (found) => found.map((one) => [one.model, Boolean(one.before), Boolean(one.after)]);
  assert.deepEqual(models(differences(before, after, false)), [["c", false, true]]);
  assert.deepEqual(models(differences(before, after, true)), [["a", true, false], ["c", false, true]]);
});

test("a cell that a spreadsheet would run is text", () => {
  assert.equal(csv(["a", "b"], [{ a: "=1+1", b: "-x" }, { a: -1.5, b: 'say "so", now' }]), `a,b\r\n'=1+1,'-x\r\n-1.5,"say ""so"", now"\r\n`);
});

test("what is the same in another order is not sent", () => {
  const before = { cache: { per: "user", ttl_s: 60, posts: false }, weight: 1, teams: [] };
  assert.deepEqual(changed(before, { cache: { ttl_s: 60, per: "user", posts: false }, weight: 2, teams: [], retry: null }), { weight: 2 });
  assert.deepEqual(split(" a, b ,,c"), ["a", "b", "c"]);
  assert.deepEqual([split(undefined), split(" , ")], [[], []], "a list that was emptied is not the list of all");
});

test("one target without a share of its own is an upstream, and a fixed price is a meter", () => {
  const body = (more) => ROUTE.after({ name: "r", meter: "none", fixed_usd: null, teams: null, users: null, tools: null, targets: [{ upstream: "a", weight: 1, priority: 0 }], ...more });
  assert.deepEqual([body({}).upstream, body({}).targets], ["a", null]);
  const targets = [{ upstream: "a", weight: 2 }];
  assert.deepEqual([body({ targets }).upstream, body({ targets }).targets], [null, targets]);
  assert.deepEqual(body({ meter: "fixed", fixed_usd: "0.002" }).meter, { fixed_usd: "0.002" });
  const shown = ROUTE.before({ name: "r", upstream: "a", meter: { fixed_usd: "1" } }, false);
  assert.deepEqual([shown.meter, shown.fixed_usd, shown.targets], ["fixed", "1", [{ upstream: "a", weight: 1, priority: 0 }]]);
});

test("a time is whole steps that end with the one under way", () => {
  for (const [name, steps] of [["hour", 60], ["day", 48], ["week", 56], ["month", 30]]) {
    const span = spanOf(new URLSearchParams({ time: name }));
    assert.equal(span.times.length, steps);
    assert.ok(span.times.every((at) => at % (span.step_s * 1000) === 0));
    assert.ok(span.times[steps - 1] <= Date.now() && Date.now() < span.times[steps - 1] + span.step_s * 1000 + 1000);
  }
  assert.equal(spanOf(new URLSearchParams({ time: "constructor" })).name, "day");
});

test("a day stands for itself in every zone", () => {
  assert.equal(stamp(Date.parse("2026-11-29T00:00:00Z"), 86_400, 30).tick, "11-29");
});

test("health says what is not well and nothing else", () => {
  const upstreams = { a: { health: "ok", breaker: "closed", in_flight: 0, limit: 4 }, b: { health: "failing", breaker: "open", in_flight: 4, limit: 4 } };
  const found = troubles({ status: "ready", dependencies: { store: "ok", redis: "unavailable" }, upstreams });
  assert.equal(found.length, 4);
  assert.ok(found.every((text) => /redis|upstream b/i.test(text)), found.join("\n"));
  const [replaced] = troubles({ status: "unavailable", dependencies: { store: "file replaced" }, upstreams: {} });
  assert.match(replaced, /Put the right file back/);
});

test("only the gateway's own words say why a sign-in came to nothing", () => {
  const request = "0192a3b4-0000-7000-8000-000000000000";
  assert.match(whyNot(`#/sign-in?failed=no-role&request=${request}`), new RegExp(`^You have no role here.*\\nRequest ${request}$`));
  assert.match(whyNot("#/sign-in?failed=constructor"), /^The sign-in came to nothing/);
  for (const other of ["", "#/usage", "#/sign-in", "#/sign-in?failed=<b>", "#/sign-in?failed=a&request=call-me", "#/sign-in?failed=a b"]) assert.equal(whyNot(other), "", other);
});

test("the playground begins with a model that is served", () => {
  const listed = ["babbage-002", "demo", "fast"];
  assert.equal(firstModel(listed, [], ""), "demo");
  assert.equal(firstModel(listed, ["fast"], "babbage-002"), "babbage-002", "the one that was asked last");
  assert.equal(firstModel(["babbage-002", "fast"], ["fast"], "gone"), "fast", "a name that an administrator made");
  assert.equal(firstModel([], [], ""), "demo");
});

const PROBLEM = "https://tollgate.dev/problems/";

/** A gateway that answers by method and path, and what it was asked with which token. @param {Record<string, (token: string | undefined) => [number, unknown]>} answers */
function gatewayOf(answers) {
  const asked = [];
  // Newer Node.js has one of its own.
  Object.defineProperty(globalThis, "localStorage", { configurable: true, value: { setItem() {}, getItem: () => null, removeItem() {} } });
  globalThis.fetch = async (path, { method = "GET", headers = {} } = {}) => {
    const token = headers.authorization?.replace("Bearer ", "");
    asked.push([`${method} ${path}`, token]);
    const [status, body] = answers[`${method} ${path}`](token);
    return new Response(body === null ? null : JSON.stringify(body), { status });
  };
  return asked;
}

test("a session ends at sign-out though its access token has expired", async () => {
  const asked = gatewayOf({
    "POST /auth/login": () => [200, { access_token: "old" }],
    "POST /auth/logout": (token) => (token ? [401, { type: `${PROBLEM}expired-token`, status: 401 }] : [204, null]),
  });
  await signIn("ann", "secret");
  await signOut();
  assert.deepEqual(asked.slice(1), [["POST /auth/logout", "old"], ["POST /auth/logout", undefined]]);
});

test("a gateway that cannot end a session is no sign-out, and the page forgets its token all the same", async () => {
  const asked = gatewayOf({
    "POST /auth/login": () => [200, { access_token: "good" }],
    "POST /auth/logout": () => [503, { type: `${PROBLEM}draining`, status: 503, detail: "Later." }],
  });
  await signIn("ann", "secret");
  await assert.rejects(signOut(), /Later/);
  await assert.rejects(get("/me"), /Your session has ended/);
  assert.equal(asked.length, 2);
});

test("a 401 of an upstream does not end the session, and one of the gateway is tried again with a new token", async () => {
  let ends = 0;
  onEnd(() => { ends += 1; });
  const asked = gatewayOf({
    "POST /auth/login": () => [200, { access_token: "first" }],
    "POST /auth/refresh": () => [200, { access_token: "second" }],
    "POST /v1/chat/completions": () => [401, { error: { message: "Incorrect API key provided" } }],
    "GET /me": (token) => (token === "second" ? [200, { role: "user" }] : [401, { type: `${PROBLEM}expired-token`, status: 401 }]),
  });
  await signIn("ann", "secret");
  const response = await send("/v1/chat/completions", { method: "POST" });
  assert.deepEqual([response.status, (await response.json()).error.message], [401, "Incorrect API key provided"]);
  assert.equal(asked.length, 2, "neither asked twice nor refreshed");
  assert.deepEqual(await get("/me"), { role: "user" });
  assert.equal(ends, 0);
});

test("a live list says so when older records are left out", () => {
  const rows = (number) => Array.from({ length: number }, (_, id) => ({ id }));
  assert.deepEqual([kept(rows(2), rows(498), false).rows.length, kept(rows(2), rows(498), false).isCut], [500, false]);
  assert.deepEqual([kept(rows(1), rows(600), false).rows.length, kept(rows(1), rows(600), false).isCut], [500, true]);
  assert.equal(kept(rows(1), rows(10), true).isCut, true, "what was left out does not come back");
});

test("a form offers what is chosen already, though it is not among what may be chosen", () => {
  assert.deepEqual(choices(["", ["a", "A"]], "b"), [["", "any"], ["a", "A"], ["b", "b"]]);
  assert.deepEqual(choices(["", ["a", "A"]], "a"), [["", "any"], ["a", "A"]]);
  assert.deepEqual(choices(["a"]), [["a", "a"]]);
});

test("money is added up to its last place", () => {
  assert.equal(sumUsd([]), "0");
  assert.equal(sumUsd(["0.00000004", "0.000000000001"]), "0.000000040001");
  assert.equal(sumUsd(["0.1", "0.2"]), "0.3");
  assert.equal(sumUsd(["9007199254740993.5", "0.5", "-0"]), "9007199254740994");
});

test("a time of an address that is no day stays in its field", () => {
  assert.deepEqual(["", "2026-11-01", "2026-11-01T08:00:00Z", "soon"].map(pickerOf), ["date", "date", "text", "text"]);
});

test("a line of a stream is more of the answer, or says why there is no more", () => {
  const content = (line) => heard(`${line}{"choices":[{"delta":{"content":"hi"}}]}`);
  assert.deepEqual([content("data: "), content("data:"), heard("data: [DONE]\r"), heard(": ping"), heard("")], ["hi", "hi", "", "", ""]);
  assert.throws(() => heard('data: {"error":{"message":"Overloaded"}}'), /broke off: Overloaded/);
});

test("what is pressed twice is done once, and can be done again", async () => {
  let number = 0;
  let end = () => {};
  const act = once(() => { number += 1; return new Promise((resolve) => { end = resolve; }); });
  const first = act();
  await act();
  assert.equal(number, 1);
  end();
  await first;
  const second = act();
  end();
  await second;
  assert.equal(number, 2);
});

/** A token of a user, as far as the console reads it. */
const tokenOf = (sub, jti) => `h.${Buffer.from(JSON.stringify({ sub, jti, note: "?>~" })).toString("base64url")}.s`;

test("what one user began is not done under the name of another who signed in with another tab", async () => {
  let reloads = 0;
  globalThis.location = { hash: "", reload() { reloads += 1; } };
  const [first, other] = [tokenOf("ann", 1), tokenOf("bob", 2)];
  const asked = gatewayOf({
    "POST /auth/login": () => [200, { access_token: first }],
    "POST /auth/refresh": () => [200, { access_token: other }],
    "GET /me": (token) => (token === first ? [401, { type: `${PROBLEM}expired-token`, status: 401 }] : [200, {}]),
  });
  await signIn("ann", "secret");
  await assert.rejects(get("/me"), /Somebody else/);
  assert.equal(reloads, 1);
  assert.ok(asked.every(([, token]) => token !== other), "nothing is asked with the other's token");
  assert.deepEqual([subjectOf(first), subjectOf("first"), subjectOf("a.b.c")], ["ann", null, null]);
});

test("a record's policies are those of its caller, by either name of its model", () => {
  const names = (policies, record) => askedBy(policies, { route: "chat", user_id: "ann", team_id: null, model: null, reason: null, ...record })
    .map(({ name, subject }) => `${name} of ${subject ?? "each"}`);
  const limit = (name, subject = null, more = {}) => ({ name, per: "user", subject, routes: ["*"], ...more });
  const general = limit("rate");
  assert.deepEqual(names([general, limit("rate", "ann"), limit("rate", "bob")], { reason: "quota-exceeded: rate" }), ["rate of ann"]);
  assert.deepEqual(names([general, limit("rate", "bob")], {}), ["rate of each"]);
  assert.deepEqual(names([limit("t", null, { per: "team" }), limit("k", null, { per: "key" }), limit("g", null, { per: "global" }), limit("other", null, { routes: ["echo"] })], {}), ["g of each"]);
  const budget = (name, models) => ({ name, scope: "global", subject: null, models });
  assert.deepEqual(names([budget("a", ["gpt-*"]), budget("b", ["fast"]), budget("c", ["claude"]), budget("d", ["*"])], { model: "fast", served_model: "gpt-4o" }),
    ["a of each", "b of each", "d of each"]);
});
