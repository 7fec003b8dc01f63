// The pages for what is managed, each with one thing that goes well and one that is refused.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { examine, newPage, open, refused, signIn } from "./browser.mjs";
import { MARKUP, PASSWORD, call, everywhere, token } from "./gateway.mjs";

export async function upstreams(browser) {
  const page = await newPage(browser, "light");
  await signIn(page, "admin");
  await open(page, "upstreams");
  const file = page.locator("tr", { hasText: "from the file" });
  for (const row of await file.all()) assert.equal(await row.locator("button:text('Change')").count(), 0, "what the file says is read-only");
  await page.click("summary:text('A new upstream')");
  await page.fill("details [name=name]", "second");
  await page.fill("details [name=url]", "ftp://example.test");
  await refused(page, "#page details", "url");
  await examine(page, "upstream-refused");
  await page.fill("details [name=url]", "http://127.0.0.1:9/base");
  await page.fill("details [name=secret]", "kept-from-all-eyes");
  await page.click("details summary:text('Time-outs')");
  await page.fill('details [name="breaker/failures"]', "3");
  await page.click("#page details button[type=submit]");
  await page.waitForSelector("tr:has-text('second'):has-text('made here'):has-text('with a secret')");
  await page.click("tr:has-text('second') button:text('Change')");
  assert.equal(await page.inputValue("dialog [name=secret]"), "", "a secret is never shown");
  await page.fill("dialog [name=max_in_flight]", "auto");
  await page.click("dialog summary:text('Time-outs')");
  await page.fill("dialog [name=timeout_s]", "30");
  await examine(page, "upstream-change");
  const [sent] = await Promise.all([page.waitForRequest((request) => request.method() === "PATCH"), page.click("dialog button:text('Save')")]);
  assert.deepEqual(sent.postDataJSON(), { max_in_flight: "auto", timeout_s: 30 }, "only what was changed is sent");
  await page.waitForSelector("dialog", { state: "detached" });
  await page.waitForSelector("#page:not([aria-busy])");
  await page.click("tr:has-text('second') button:text-is('second')");
  const all = await page.textContent("dialog pre");
  assert.ok(all.includes('"timeout_s": 30') && all.includes('"failures": 3') && !all.includes("kept-from-all-eyes"), all);
  await page.keyboard.press("Escape");
  await page.click("tr:has-text('gone') button:text('Delete')");
  await page.click("dialog button.danger");
  await page.waitForSelector("dialog .bad:has-text('gone')");
  await examine(page, "upstream-in-use");
  await page.keyboard.press("Escape");
  await page.click("tr:has-text('second') button:text('Delete')");
  await page.click("dialog button.danger");
  await page.waitForSelector("tr:has-text('second')", { state: "detached" });
  await page.context().close();
}

export async function routes(browser) {
  const page = await newPage(browser, "light");
  await signIn(page, "admin");
  await open(page, "routes");
  await page.click("summary:text('A new route')");
  await page.fill("details [name=name]", "two-ways");
  await page.fill("details [name=path]", "/admin/x");
  await page.fill("details [name=methods]", "GET");
  await page.fill('details [name="targets/0/upstream"]', "gone");
  await refused(page, "#page details", "path");
  await page.fill("details [name=path]", "/two-ways");
  await page.fill('details [name="targets/0/upstream"]', "nowhere");
  await refused(page, "#page details", "targets/0/upstream");
  await page.fill('details [name="targets/0/upstream"]', "gone");
  await page.click("details fieldset button:text('One more')");
  await page.fill('details [name="targets/1/upstream"]', "builtin:echo");
  await page.fill('details [name="targets/1/weight"]', "3");
  await examine(page, "route-new");
  await page.click("#page details > form > button[type=submit]");
  await page.waitForSelector("tr:has-text('two-ways'):has-text('weight 3')");
  await page.click("tr:has-text('two-ways') button:text('Change')");
  await page.click("dialog fieldset button:text('Remove') >> nth=0");
  await page.click("dialog summary:text('Cache')");
  await page.fill('dialog [name="cache/ttl_s"]', "60");
  await page.fill('dialog [name="targets/0/weight"]', "1");
  await page.click("dialog button:text('Save')");
  await page.waitForSelector("tr:has-text('two-ways'):has-text('60 s, per user'):has-text('builtin:echo')");
  await everywhere();
  await call("GET", "/two-ways", undefined, await token("a-user"));
  await page.click("tr:has-text('two-ways') a:text('requests')");
  await page.waitForSelector("tbody tr:has-text('/two-ways'):has-text('allowed')");
  await open(page, "routes?name=two-ways");
  assert.equal(await page.locator("tbody tr").count(), 1, "the address has the filter");
  await page.click("tr:has-text('two-ways') button:text('Delete')");
  await page.click("dialog button.danger");
  await page.waitForSelector("#page :text('There is no route of this name.')");
  await page.context().close();
}

export async function models(browser) {
  const page = await newPage(browser, "light");
  await signIn(page, "admin");
  await open(page, "models");
  await page.click("summary:text('A new model')");
  await page.fill("details [name=name]", "team/fast");
  await page.fill('details [name="targets/0/upstream"]', "builtin:llm");
  await page.fill('details [name="targets/0/model"]', "demo");
  await page.click("#page details button[type=submit]");
  await page.waitForSelector("tr:has-text('team/fast'):has-text('as demo')");
  await page.click("tr:has-text('team/fast') button:text('Change')");
  await page.fill('dialog [name="targets/0/upstream"]', "nowhere");
  await refused(page, "dialog form", "targets/0/upstream");
  await page.fill('dialog [name="targets/0/upstream"]', "builtin:llm");
  await page.fill('dialog [name="targets/0/weight"]', "7");
  await page.click("dialog form > button[type=submit]");
  await page.waitForSelector("tr:has-text('team/fast'):has-text('weight 7')");
  await page.click("tr:has-text('team/fast') button:text('Delete')");
  await page.click("dialog button.danger");
  await page.waitForSelector("tr:has-text('team/fast')", { state: "detached" });
  await page.context().close();
}

export async function prices(browser, admin) {
  const page = await newPage(browser, "light");
  await signIn(page, "admin");
  await open(page, "prices?model=demo");
  await page.click("summary:text('A new price')");
  await page.fill("details [name=model]", "by-hand");
  await page.fill("details [name=input_usd]", "cheap");
  await page.fill("details [name=output_usd]", "2.50");
  await page.fill("details [name=max_output_tokens]", "1000");
  await refused(page, "#page details", "input_usd");
  await page.fill("details [name=input_usd]", "1.25");
  await page.click("#page details:has([name=input_usd]) form > button[type=submit]");
  await open(page, "prices?model=by-hand");
  await page.waitForSelector("tr:has-text('by-hand'):has-text('$1.25')");
  await page.click("tr:has-text('by-hand') button:text('Change')");
  await page.fill("dialog [name=output_usd]", "3");
  await page.click("dialog form > button[type=submit]");
  await page.waitForSelector("tr:has-text('by-hand'):has-text('$3')");

  await open(page, "prices");
  const [saved] = await Promise.all([page.waitForEvent("download"), page.click("button:text('Save as a file')")]);
  const list = JSON.parse(readFileSync(await saved.path(), "utf8"));
  const index = list.items.findIndex((price) => price.model === "by-hand");
  list.items[index].output_usd = "4.00";
  list.items.push({ model: "<script>window.pwned=1</script>", input_usd: "1", output_usd: "1", max_output_tokens: 5 });
  const file = (text) => page.setInputFiles("input[type=file]", { name: "prices.json", mimeType: "application/json", buffer: Buffer.from(text) });
  await page.click("summary:text('Prices from a file')");
  await file("[prices]\nmodel = 1");
  await page.click("button:text('Show what it changes')");
  await page.waitForSelector("#page .bad:has-text('tollgate prices import FILE')");
  await file(JSON.stringify({ ...list, items: list.items.filter((price) => price.model !== MARKUP) }));
  await page.check("[name=whole]");
  await page.click("button:text('Show what it changes')");
  await page.waitForSelector("dialog tr:has-text('by-hand'):has-text('output_usd 3 → 4')");
  assert.equal(await page.locator("dialog tbody tr").count(), 3, "what is changed, added and removed, and nothing else");
  await examine(page, "prices-difference");
  // Somebody else is quicker: nothing is overwritten unseen.
  await call("PUT", "/admin/prices", { items: [{ model: "other", input_usd: "1", output_usd: "1", max_output_tokens: 5 }] }, admin);
  await page.click("dialog button:text('Set 2 and remove 1')");
  await page.waitForSelector("dialog .bad:has-text('Look again')");
  await page.keyboard.press("Escape");
  await open(page, "overview");
  await open(page, "prices");
  await page.click("summary:text('Prices from a file')");
  await file(JSON.stringify(list));
  await page.click("button:text('Show what it changes')");
  await page.click("dialog button:text('Set 2 and remove 0')");
  await page.waitForSelector("dialog", { state: "detached" });
  await open(page, "prices?model=by-hand");
  await page.waitForSelector("tr:has-text('by-hand'):has-text('$4')");
  await page.click("a:text('Version before')");
  await page.waitForSelector("tr:has-text('by-hand'):has-text('$3')");
  await page.click("button:text('Compare with now')");
  await page.waitForSelector("dialog tr:has-text('by-hand'):has-text('3 → 4')");
  await page.context().close();
}

export async function own(browser) {
  const page = await newPage(browser, "light");
  const others = await token("a-user");
  await signIn(page, "a-user");
  await open(page, "sessions");
  await page.click("summary:text('Change my password')");
  await page.fill("[name=current_password]", PASSWORD);
  await page.fill("[name=new_password]", "short");
  await refused(page, "#page details", "new_password");
  await page.fill("[name=new_password]", PASSWORD);
  await page.fill("[name=current_password]", "not the password of today");
  await page.click("#page details button[type=submit]");
  await page.waitForSelector("#page details .bad:has-text('password')");
  await page.click("button:text('Sign out everywhere')");
  await examine(page, "sign-out-everywhere");
  await page.click("dialog button.danger");
  await page.waitForSelector("form.sign-in");
  await page.waitForFunction(async (bearer) => (await fetch("/me", { headers: { authorization: `Bearer ${bearer}` } })).status === 401, others);
  await page.context().close();
}

export async function health(browser) {
  const page = await newPage(browser, "light");
  await signIn(page, "admin");
  await open(page, "health");
  for (const name of ["audit_writer", "store", "Checkpoints of the audit log", "Clock ahead", "gone"]) {
    assert.ok((await page.textContent("#page")).toLowerCase().includes(name.toLowerCase()), `${name} is missing`);
  }
  await page.route("**/admin/status", async (route) => {
    const answer = await route.fetch();
    const status = await answer.json();
    status.dependencies.store = "unavailable";
    await route.fulfill({ response: answer, json: status });
  });
  await page.click("button:text('Look again')");
  await page.waitForSelector(".attention:has-text('store is unavailable')");
  await page.context().close();
}

export async function traffic(browser) {
  const page = await newPage(browser, "light");
  await signIn(page, "admin");
  for (const time of ["hour", "day", "week", "month"]) {
    await open(page, `overview?time=${time}`);
    await page.waitForSelector(`.choice a[aria-current][href$="time=${time}"]`);
    await page.waitForSelector("svg.chart rect.s0");
    await page.waitForSelector("svg.chart rect.s2");
    await page.waitForSelector("tr:has-text('budget-exhausted')");
    await page.waitForSelector("tr:has-text('gone'):has-text('100 %')");
  }
  await examine(page, "overview-month");
  await page.click("a:text('budget-exhausted') >> nth=0");
  await page.waitForFunction(() => location.hash.includes("reason=budget-exhausted"));
  await page.waitForSelector("tbody tr:has-text('budget-exhausted')");
  await page.context().close();
}

/** Every view that shows a name which somebody else chose. */
export async function markup(browser, admin) {
  const page = await newPage(browser, "light");
  await signIn(page, "admin");
  const user = (await call("GET", "/admin/users?name=a-user", undefined, admin)).items[0];
  const views = [`keys?user_id=${user.id}`, `users?team_id=${user.team_id}`, "teams", "usage?by=team&step=", "usage?by=key&step=hour", "models",
    `models?name=${encodeURIComponent(MARKUP)}`, `prices?model=${encodeURIComponent(MARKUP)}`];
  for (const view of views) {
    await open(page, view);
    if (!view.startsWith("usage?by=key")) await page.waitForSelector(`#page td:has-text("${MARKUP}")`);
    await examine(page, `markup-${view.split("?")[0]}`);
  }
  await open(page, "models");
  await page.click("td button.plain >> nth=0");
  await examine(page, "markup-model");
  await page.keyboard.press("Escape");
  await open(page, "requests?route=gone");
  await page.click("tbody button.plain >> nth=0");
  await page.waitForSelector("dialog [data-proof=verified]");
  await examine(page, "markup-story");
  await page.keyboard.press("Escape");
  await open(page, "playground");
  await page.fill("[name=model]", MARKUP);
  await page.click("button:text('Send')");
  await page.waitForSelector("a:text('The record of this call')");
  await examine(page, "markup-playground");
  await page.context().close();
}
