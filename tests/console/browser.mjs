// The browser of the walk: pages that report every fault, and what is asked of each page.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import AxeBuilder from "@axe-core/playwright";
import { PASSWORD, base } from "./gateway.mjs";

const pictures = process.env.SCREENSHOTS;
const files = process.env.CONSOLE_FILES;
export const VIEWS = {
  light: { viewport: { width: 1280, height: 900 }, colorScheme: "light" },
  dark: { viewport: { width: 1280, height: 900 }, colorScheme: "dark", timezoneId: "America/New_York" },
  phone: { viewport: { width: 390, height: 844 }, colorScheme: "light", hasTouch: true, timezoneId: "Asia/Kolkata" },
};
/** What browsers say of answers that a test wants refused. */
const WANTED = /the server responded with a status of (400|401|403|404|409)/;
export const faults = [];
export const fault = (text) => { faults.push(text); console.log(`FAULT ${text}`); };

/** Files of the folder in place of those in the binary, with the headers that the gateway gives: for work on them. */
async function serveFolder(context) {
  await context.route("**/console/*.*", async (route) => {
    const name = new URL(route.request().url()).pathname.split("/").pop();
    if (!existsSync(join(files, name))) return route.continue();
    const like = await fetch(`${base}/console/${name.endsWith(".js") ? "main.js" : name}`);
    const headers = Object.fromEntries([...like.headers].filter(([key]) => !["content-length", "content-encoding", "etag"].includes(key)));
    return route.fulfill({ status: 200, headers, body: readFileSync(join(files, name)) });
  });
}

export async function newPage(browser, view) {
  const context = await browser.newContext({ ...VIEWS[view], acceptDownloads: true });
  if (files) await serveFolder(context);
  await context.addInitScript(() => addEventListener("securitypolicyviolation", (event) => console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`)));
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  page.on("console", (message) => { if (["error", "warning"].includes(message.type()) && !WANTED.test(message.text())) fault(`${view}: ${message.text()}`); });
  page.on("pageerror", (error) => fault(`${view}: ${error.stack}`));
  page.refused = [];
  page.on("response", (response) => { if (response.status() >= 400) page.refused.push(`${response.status()} ${response.url()}`); });
  page.on("request", (request) => { if (!request.url().startsWith(base) && !request.url().startsWith("blob:")) fault(`another origin: ${request.url()}`); });
  await page.goto(`${base}/`);
  await page.waitForSelector("form.sign-in");
  return page;
}

/** By the keyboard alone. */
export async function signIn(page, username) {
  assert.equal(await page.isVisible("#leave"), false, "nobody is signed in, so nobody signs out");
  await page.keyboard.type(username);
  await page.keyboard.press("Tab");
  await page.keyboard.type(PASSWORD);
  await page.keyboard.press("Enter");
  await page.waitForSelector("#page h1:text('Overview')");
}

export async function open(page, name) {
  await page.goto(`${base}/console/#/${name}`);
  await page.waitForFunction((wanted) => document.querySelector(`nav a[href="#/${wanted}"][aria-current]`)
    && document.querySelector("#page h1") && !document.querySelector("#page[aria-busy]"), name.split("?")[0]);
}

/** Sends the form that is open and waits for what is said at a field. */
export async function refused(page, form, field) {
  await page.click(`${form} button[type=submit]`);
  await page.waitForSelector(`${form} [name="${field}"][aria-invalid]`);
  const text = await page.textContent(`${form} :is(label, fieldset):has([name="${field}"][aria-invalid]) .fault`);
  assert.match(text, /\w/, `what is wrong with ${field}`);
  return text;
}

export async function examine(page, name) {
  const { violations } = await new AxeBuilder({ page }).withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]).analyze();
  for (const { id, nodes } of violations) fault(`${name}: axe ${id}: ${nodes.map((node) => node.html.slice(0, 160)).join(" | ")}`);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  if (wide > 0) fault(`${name}: wider than the window by ${wide}`);
  const problem = await page.$$eval("#page > [role=alert]", (list) => list.map((node) => node.textContent).join(""));
  if (problem) fault(`${name}: ${problem}`);
  if (await page.evaluate(() => window.pwned)) fault(`${name}: a text became a script`);
  if (pictures) await page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });
}
