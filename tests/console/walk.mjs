// Walks through the console of a gateway in a browser; scripts/console runs it.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import AxeBuilder from "@axe-core/playwright";
import { chromium } from "playwright-core";

const [, , program, browserPath, folder] = process.argv;
const pictures = process.env.SCREENSHOTS;
const PASSWORD = "a-password-for-this-walk-alone";
const ALL = ["overview", "usage", "requests", "users", "teams", "keys", "budgets", "limits", "prices", "sessions", "playground", "connect"];
const PAGES = {
  admin: ALL,
  auditor: ALL.filter((page) => page !== "playground"),
  readonly: ["overview", "usage", "keys", "budgets", "limits", "sessions", "connect"],
  user: ["overview", "usage", "keys", "sessions", "playground", "connect"],
};
const VIEWS = {
  light: { viewport: { width: 1280, height: 900 }, colorScheme: "light" },
  dark: { viewport: { width: 1280, height: 900 }, colorScheme: "dark" },
  phone: { viewport: { width: 390, height: 844 }, colorScheme: "light", hasTouch: true },
};
/** What browsers say of answers that a test wants refused. */
const WANTED = /the server responded with a status of (400|401|403|409)/;
let base = "";
const faults = [];
const fault = (text) => { faults.push(text); console.log(`FAULT ${text}`); };

async function startGateway() {
  mkdirSync(folder);
  const gateway = spawn(program, [], { cwd: folder, stdio: ["ignore", "pipe", "ignore"],
    env: { ...process.env, TOLLGATE__SERVER__PORT: "0", TOLLGATE__OPS__PORT: "0", TOLLGATE_ADMIN_PASSWORD: PASSWORD } });
  base = await new Promise((found, failed) => {
    let out = "";
    gateway.stdout.on("data", (text) => {
      out += text;
      const line = out.match(/serving on (http:\/\/\S+:\d+)/);
      if (line) found(line[1]);
    });
    gateway.on("exit", (code) => failed(new Error(`the gateway ended with ${code}`)));
  });
  return gateway;
}

async function call(method, path, body, token) {
  const answer = await fetch(base + path, { method, body: body && JSON.stringify(body),
    headers: { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) } });
  const text = await answer.text();
  return text && answer.headers.get("content-type")?.includes("json") ? JSON.parse(text) : text;
}
const token = async (username) => (await call("POST", "/auth/login", { username, password: PASSWORD })).access_token;

/** People, money, calls that were served and refused, and texts that would be scripts if they became markup. */
async function fill() {
  const admin = await token("admin");
  const team = await call("POST", "/admin/teams", { name: "<img src=x onerror=window.pwned=1>" }, admin);
  const made = {};
  for (const role of ["user", "readonly", "auditor"]) {
    made[role] = await call("POST", "/admin/users", { username: `a-${role}`, password: PASSWORD, role, ...(team.id && { team_id: team.id }) }, admin);
  }
  await call("POST", "/admin/budgets", { name: "little", scope: "user", subject: made.user.id, limit_usd: "0.0005", period: "month" }, admin);
  await call("POST", "/admin/limits", { name: "watched", routes: ["*"], per: "user", unit: "requests", limit: 1, window_s: 3600, mode: "shadow" }, admin);
  const user = await token("a-user");
  for (let i = 0; i < 6; i += 1) {
    await call("POST", "/v1/chat/completions", { model: "demo", max_tokens: 60, messages: [{ role: "user", content: "Hello" }] }, user);
  }
  await call("POST", "/v1/chat/completions", { model: "<script>window.pwned=1</script>", messages: [{ role: "user", content: "x" }] }, user);
  await call("GET", "/echo/%3Cimg%20src=x%20onerror=window.pwned=1%3E", undefined, user);
  await call("GET", "/admin/users", undefined, user);
  return admin;
}

async function newPage(browser, view) {
  const context = await browser.newContext({ ...VIEWS[view], acceptDownloads: true });
  await context.addInitScript(() => addEventListener("securitypolicyviolation", (event) => console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`)));
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  page.on("console", (message) => { if (["error", "warning"].includes(message.type()) && !WANTED.test(message.text())) fault(`${view}: ${message.text()}`); });
  page.on("pageerror", (error) => fault(`${view}: ${error.stack}`));
  page.on("request", (request) => { if (!request.url().startsWith(base) && !request.url().startsWith("blob:")) fault(`another origin: ${request.url()}`); });
  await page.goto(`${base}/`);
  await page.waitForSelector("form.sign-in");
  return page;
}

/** By the keyboard alone. */
async function signIn(page, username) {
  assert.equal(await page.isVisible("#leave"), false, "nobody is signed in, so nobody signs out");
  await page.keyboard.type(username);
  await page.keyboard.press("Tab");
  await page.keyboard.type(PASSWORD);
  await page.keyboard.press("Enter");
  await page.waitForSelector("#page h1:text('Overview')");
}

async function open(page, name) {
  await page.goto(`${base}/console/#/${name}`);
  await page.waitForFunction((wanted) => document.querySelector(`nav a[href="#/${wanted}"][aria-current]`)
    && document.querySelector("#page h1") && !document.querySelector("#page[aria-busy]"), name.split("?")[0]);
}

async function examine(page, name) {
  const { violations } = await new AxeBuilder({ page }).withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]).analyze();
  for (const { id, nodes } of violations) fault(`${name}: axe ${id}: ${nodes.map((node) => node.html.slice(0, 160)).join(" | ")}`);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  if (wide > 0) fault(`${name}: wider than the window by ${wide}`);
  const problem = await page.$$eval("#page > [role=alert]", (list) => list.map((node) => node.textContent).join(""));
  if (problem) fault(`${name}: ${problem}`);
  if (await page.evaluate(() => window.pwned)) fault(`${name}: a text became a script`);
  if (pictures) await page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });
}

async function everyPage(browser) {
  for (const [role, pages] of Object.entries(PAGES)) {
    for (const view of role === "admin" ? Object.keys(VIEWS) : ["light"]) {
      const page = await newPage(browser, view);
      await examine(page, `${view}-sign-in`);
      await signIn(page, role === "admin" ? "admin" : `a-${role}`);
      const menu = await page.$$eval("nav a", (links) => links.map((link) => link.getAttribute("href").slice(2)));
      assert.deepEqual(menu, pages, `the menu of ${role}`);
      for (const name of pages) {
        await open(page, name);
        await examine(page, `${role}-${view}-${name}`);
        if (role === "auditor") {
          const changing = await page.$$eval("#page button, #page details", (list) => list.map((node) => node.textContent)
            .filter((text) => /New|A new|Change|Delete|Revoke|Rotate|End|Disable|Enforce|Only watch/.test(text)));
          assert.deepEqual(changing, [], `an auditor changes nothing on ${name}`);
        }
      }
      await page.click("#leave");
      await page.waitForSelector("form.sign-in");
      assert.equal(await page.isVisible("#top"), false);
      await page.context().close();
    }
  }
}

async function stories(browser) {
  const page = await newPage(browser, "light");
  await signIn(page, "admin");
  await open(page, "requests");
  await page.fill("input[name=user]", "a-user");
  await page.selectOption("select[name=decision]", "refused");
  await page.click("button:text('Search')");
  await page.waitForFunction(() => location.hash.includes("user=a-user") && location.hash.includes("decision=refused"));
  await page.waitForSelector("tbody tr:has-text('budget-exhausted')");
  await page.click("tbody tr:has-text('budget-exhausted') button");
  await page.waitForSelector("dialog [data-proof=verified]");
  const text = await page.textContent("dialog");
  for (const part of ["a-user", "little", "refused", "SHA-256 of the link before and the line is the entry's hash", "Policies that were asked"]) {
    assert.ok(text.includes(part), `${part} is missing in ${text}`);
  }
  await examine(page, "story-refused");
  const shared = page.url();
  await page.keyboard.press("Escape");
  await page.waitForSelector("dialog", { state: "detached" });
  // Who is given the address sees the same, and what was altered on the way is seen.
  await page.route("**/admin/audit/*-*", async (route) => {
    const answer = await route.fetch();
    const record = await answer.json();
    // The checkpoints are asked for by the same pattern: their query has the name of a chain.
    if (record.entries) record.entries[0].line = record.entries[0].line.replace('"refused"', '"allowed"');
    await route.fulfill({ response: answer, json: record });
  });
  await page.goto("about:blank").catch(() => {});
  await page.goto(shared);
  await page.waitForSelector("dialog [data-proof=wrong]");
  await page.keyboard.press("Escape");
  await page.unroute("**/admin/audit/*-*");

  await open(page, "requests?route=echo");
  await page.click("button:text('Follow live')");
  await call("GET", "/echo/seen-live", undefined, await token("a-user"));
  await page.waitForSelector("tbody tr:has-text('/echo/seen-live')");
  await page.click("button:text('Pause')");
  await page.waitForSelector("button:text('Follow live')");
  await page.context().close();
}

async function changes(browser) {
  const page = await newPage(browser, "light");
  await signIn(page, "admin");
  await open(page, "users");
  await page.click("summary:text('A new user')");
  await page.fill("details input[name=username]", "not a name");
  await page.click("details button[type=submit]");
  await page.waitForSelector("details .bad:has-text('must be')");
  await page.fill("details input[name=username]", "newcomer");
  await page.fill("details input[name=models]", "demo, gpt-*");
  await page.click("details button[type=submit]");
  await page.waitForSelector("tr:has-text('newcomer'):has-text('demo, gpt-*')");
  await page.click("tr:has-text('newcomer') button:text('Change')");
  await page.selectOption("dialog select[name=role]", "auditor");
  await examine(page, "change-user");
  await page.click("dialog button:text('Save')");
  await page.waitForSelector("tr:has-text('newcomer'):has-text('auditor')");
  await page.click("tr:has-text('newcomer') button:text('Delete')");
  await page.click("dialog button.danger");
  await page.waitForSelector("tr:has-text('newcomer')", { state: "detached" });

  await open(page, "keys");
  await page.click("summary:text('A new key')");
  await page.fill("details input[name=name]", "a-key");
  await page.click("details button[type=submit]");
  const first = await page.textContent("dialog pre");
  await page.keyboard.press("Escape");
  await page.click("tr:has-text('a-key') button:text('Rotate')");
  await page.click("dialog form button:text('Rotate')");
  await page.waitForSelector("dialog pre");
  assert.notEqual(await page.textContent("dialog pre"), first);
  await page.keyboard.press("Escape");
  await page.waitForSelector("tr:has-text('its old secret until')");

  await open(page, "usage?by=model&step=hour");
  await page.waitForSelector("svg.chart rect");
  const [file] = await Promise.all([page.waitForEvent("download"), page.click("button:text('Download as CSV')")]);
  assert.match(readFileSync(await file.path(), "utf8"), /^hour,model,requests,input_tokens,cached_tokens,output_tokens,cost_usd\r\n.*,demo,/);

  await open(page, "usage?by=user&step=");
  await page.waitForSelector("td:has-text('a-user')");

  await open(page, "playground");
  await page.click("button:text('Send')");
  await page.waitForSelector("a:text('The record of this call')");
  assert.match(await page.textContent("#page pre"), /You said/);
  await page.context().close();
}

async function ended(browser, admin) {
  const page = await newPage(browser, "light");
  await signIn(page, "a-readonly");
  const { items } = await call("GET", "/admin/users?name=a-readonly", undefined, admin);
  await call("DELETE", `/admin/users/${items[0].id}/sessions`, undefined, admin);
  await new Promise((done) => setTimeout(done, 1_100));
  await page.click("nav a:text('Budgets')");
  await page.waitForSelector("form.sign-in .bad:has-text('Your session has ended. Sign in again.')");
  assert.equal(await page.isVisible("#top"), false);
  await page.fill("input[name=username]", "a-readonly");
  await page.fill("input[name=password]", "not the password");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => /\w/.test(document.querySelector("form.sign-in .bad")?.textContent ?? "") && !document.querySelector("form.sign-in .bad")?.textContent?.includes("ended"));
  await page.context().close();
}

if (pictures) mkdirSync(pictures, { recursive: true });
const gateway = await startGateway();
const browser = await chromium.launch({ executablePath: browserPath, args: ["--no-sandbox"] });
try {
  const admin = await fill();
  for (const [name, step] of Object.entries({ everyPage, stories, changes, ended })) {
    await step(browser, admin);
    console.log(`${name}: done`);
  }
} finally {
  await browser.close();
  gateway.removeAllListeners("exit");
  gateway.kill("SIGTERM");
}
if (faults.length > 0) {
  console.error(`${faults.length} faults`);
  process.exit(1);
}
console.log("The console is well: no fault.");
process.exit(0);
