// Limits and budgets, and what they would have refused in the past.
import assert from "node:assert/strict";
import { examine, newPage, open, refused, signIn } from "./browser.mjs";
import { MARKUP, call } from "./gateway.mjs";

/** Of a calendar and of one user, by the form, with what is refused at its field. */
export async function limits(browser, admin) {
  const page = await newPage(browser, "light");
  await signIn(page, "admin");
  await open(page, "limits");
  await page.click("summary:text('A new limit')");
  await page.fill("details [name=name]", "of-the-day");
  await page.fill("details [name=subject]", "nobody-here");
  await page.fill("details [name=limit]", "1000");
  await page.selectOption("details [name=window]", "day");
  await page.fill("details [name=time_zone]", "Europe/Nowhere");
  const said = await refused(page, "#page details", "time_zone");
  assert.match(said, /IANA|time zone/, said);
  await page.fill("details [name=time_zone]", "Europe/Berlin");
  assert.match(await refused(page, "#page details", "subject"), /there is no user with this name or id/);
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute("name")), "subject", "the reader is led to what is wrong");
  await examine(page, "limit-refused");
  await page.fill("details [name=subject]", "a-user");
  await page.click("#page details button[type=submit]");
  await page.waitForSelector("tr:has-text('of-the-day'):has-text('user a-user'):has-text('day of Europe/Berlin')");
  await page.click("tr:has-text('of-the-day') button:text('Change')");
  assert.equal(await page.inputValue("dialog [name=subject]"), "a-user", "by name, not by id");
  for (const [window, zone, shown] of [["week", "America/New_York", "week of America/New_York"], ["month", "", "month of UTC"]]) {
    await page.selectOption("dialog [name=window]", window);
    await page.fill("dialog [name=time_zone]", zone);
    const [sent] = await Promise.all([page.waitForRequest((request) => request.method() === "PATCH"), page.click("dialog button:text('Save')")]);
    assert.deepEqual(sent.postDataJSON(), { window, time_zone: zone || null }, "only what was changed is sent");
    await page.waitForSelector(`tr:has-text('of-the-day'):has-text('${shown}')`);
    await page.click("tr:has-text('of-the-day') button:text('Change')");
  }
  await page.selectOption("dialog [name=window]", "");
  await page.fill("dialog [name=window_s]", "3600");
  await page.click("dialog button:text('Save')");
  await page.waitForSelector("tr:has-text('of-the-day'):has-text('3,600 s')");
  const { items: [made] } = await call("GET", "/admin/limits?name=of-the-day", undefined, admin);
  assert.deepEqual([made.window, made.time_zone, made.window_s, made.subject_name], [null, null, 3600, "a-user"]);
  // To the replay and back with the name, which stands for the id.
  await page.click("a[aria-label='Replay of-the-day']");
  await page.waitForFunction(() => document.querySelector("#page h1")?.textContent === "Replay");
  assert.equal(await page.inputValue("[name=subject]"), "a-user");
  const [replayed] = await Promise.all([page.waitForRequest((request) => request.url().endsWith("/admin/replay")), page.click("#page form button[type=submit]")]);
  assert.equal(replayed.postDataJSON().limit.subject, made.subject);
  await page.waitForSelector("#page h2:text('What it would have done')");
  const address = new URLSearchParams(new URL(page.url()).hash.split("?")[1]);
  assert.deepEqual([address.get("subject"), address.get("subject_name")], [made.subject, "a-user"]);
  await open(page, "limits");
  await page.click("tr:has-text('of-the-day') button:text('Delete')");
  await page.click("dialog button.danger");
  await page.waitForSelector("tr:has-text('of-the-day')", { state: "detached" });
  await page.context().close();
}

/** A budget by the form, and what is refused at its field. */
export async function budgets(browser) {
  const page = await newPage(browser, "light");
  await signIn(page, "admin");
  await open(page, "budgets");
  await page.click("summary:text('A new budget')");
  await page.fill("details [name=name]", "by-form");
  await page.selectOption("details [name=scope]", "team");
  await page.fill("details [name=subject]", "no such team");
  await page.fill("details [name=limit_usd]", "12.50");
  await page.fill("details [name=alert_at]", "0.5, 2");
  assert.match(await refused(page, "#page details", "subject"), /there is no team with this name or id/);
  await page.fill("details [name=subject]", MARKUP);
  await refused(page, "#page details", "alert_at");
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute("name")), "alert_at");
  await examine(page, "budget-refused");
  await page.fill("details [name=alert_at]", "0.5, 0.9");
  await page.click("#page details button[type=submit]");
  await page.waitForSelector(`tr:has-text('by-form'):has-text("team ${MARKUP}")`);
  await page.click("tr:has-text('by-form') button:text('Change')");
  await page.fill("dialog [name=limit_usd]", "20");
  const [sent] = await Promise.all([page.waitForRequest((request) => request.method() === "PATCH"), page.click("dialog button:text('Save')")]);
  assert.deepEqual(sent.postDataJSON(), { limit_usd: "20" });
  await page.waitForSelector("tr:has-text('by-form'):has-text('$20')");
  await page.click("tr:has-text('by-form') button:text('Delete')");
  await page.click("dialog button.danger");
  await page.waitForSelector("tr:has-text('by-form')", { state: "detached" });
  await page.context().close();
}

/** What a policy would have refused, from the form to the policy in shadow mode. */
async function replayed(page, admin) {
  await open(page, "overview");
  await open(page, "replay");
  await page.fill("[name=name]", "one-an-hour");
  await page.fill("[name=routes]", "echo, chat");
  await page.fill("[name=limit]", "1");
  await refused(page, "#page", "window_s");
  await page.fill("[name=window_s]", "3600");
  await page.selectOption("[name='tightest/below']", "0.01");
  await page.click("#page form button[type=submit]");
  await page.waitForSelector("tr:has-text('a-user')");
  await page.waitForSelector("svg.chart rect.s1");
  await page.waitForSelector("#page :text('The tightest limit that refuses so few is')");
  await examine(page, "replay-limit");
  const shared = page.url();
  assert.ok(shared.includes("name=one-an-hour") && shared.includes("window_s=3600"), shared);
  await page.goto("about:blank");
  await page.goto(shared);
  await page.waitForSelector("tr:has-text('a-user')");
  await page.click("button:text('Make this limit in shadow mode')");
  await page.waitForSelector("#page h1:text('Limits')");
  await page.waitForSelector("tr:has-text('one-an-hour'):has-text('shadow')");
  await page.click("a[aria-label='Replay one-an-hour']");
  await page.waitForFunction(() => document.querySelector("#page h1")?.textContent === "Replay");
  assert.equal(await page.inputValue("[name=window_s]"), "3600");

  await page.selectOption("[name=per]", "team");
  await page.click("#page form button[type=submit]");
  await page.waitForSelector(`tr:has-text("${MARKUP}")`);
  await examine(page, "replay-team");

  await open(page, "replay?kind=budget");
  await page.fill("[name=name]", "a-little");
  await page.selectOption("[name=scope]", "user");
  await page.fill("[name=limit_usd]", "0.0001");
  await page.click("#page form button[type=submit]");
  await page.waitForSelector("tr:has-text('a-user'):has-text('no room from')");
  await examine(page, "replay-budget");
  const { items } = await call("GET", "/admin/limits?name=one-an-hour", undefined, admin);
  assert.equal(items[0].mode, "shadow");
}

export async function replay(browser, admin) {
  const page = await newPage(browser, "light");
  await signIn(page, "admin");
  await open(page, "replay");
  await page.fill("[name=name]", "one-an-hour");
  await page.fill("[name=limit]", "1");
  await page.fill("[name=window_s]", "3600");
  // What the gateway says of a replay is shown as it says it, and the form stays.
  await page.route("**/admin/replay", (route) => route.fulfill({ status: 404, contentType: "application/problem+json",
    body: JSON.stringify({ type: "https://tollgate.dev/problems/not-found", title: "Not found", status: 404, detail: "There is nothing at this path." }) }));
  await page.click("#page form button[type=submit]");
  await page.waitForSelector("#page form .bad:text('There is nothing at this path.')");
  await page.unroute("**/admin/replay");
  const { paths } = await call("GET", "/openapi.json");
  if (paths["/admin/replay"]) await replayed(page, admin);
  else console.log("this gateway has no /admin/replay: only its words were looked at");
  await page.context().close();
}
