// Signing in to the console at a real OpenID Connect provider, oidc-provider, in a gateway of its own.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { createServer as createSocket } from "node:net";
import { join } from "node:path";
import Provider from "oidc-provider";
import { examine } from "./browser.mjs";
import { PASSWORD, startGateway } from "./gateway.mjs";

const SECRET = "a secret: of the walk's client";

/** A port that is free now. */
const freePort = () => new Promise((found) => {
  const socket = createSocket().listen(0, "127.0.0.1", () => {
    const { port } = socket.address();
    socket.close(() => found(port));
  });
});

/** A provider at which everybody is who they say, with the role that is their name. */
function startProvider(port, redirect) {
  const issuer = `http://127.0.0.1:${port}`;
  const provider = new Provider(issuer, {
    clients: [{ client_id: "console", client_secret: SECRET, redirect_uris: [redirect], response_types: ["code"], grant_types: ["authorization_code"] }],
    // Claims of the scope stand in what the userinfo endpoint says, and not in the ID token (Core §5.4).
    claims: { openid: ["sub"], profile: ["preferred_username", "role"], email: ["email"] },
    conformIdTokenClaims: true,
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, preferred_username: `${id}@example.com`, role: id }) }),
    pkce: { required: () => true },
    cookies: { keys: ["of the walk"] },
  });
  const server = createServer(provider.callback());
  return new Promise((started) => { server.listen(port, "127.0.0.1", () => started({ issuer, server })); });
}

/** Fills in the provider's own pages, which are its quick start's. */
async function atProvider(page, name) {
  await page.waitForSelector("input[name=login]");
  await page.fill("input[name=login]", name);
  await page.fill("input[name=password]", "any");
  await page.click("button[type=submit]");
  await page.waitForSelector("form:not(:has(input[name=login])) button[type=submit]");
  await page.click("button[type=submit]");
}

async function newPage(browser, base, found) {
  const page = await (await browser.newContext()).newPage();
  page.setDefaultTimeout(10_000);
  await page.addInitScript(() => addEventListener("securitypolicyviolation", (event) => console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`)));
  page.on("console", (message) => {
    if (message.type() === "error" && page.url().startsWith(base) && !/status of (401|403|415)/.test(message.text())) found.push(message.text());
  });
  return page;
}

/** @param {import("playwright-core").Browser} browser @param {string} program @param {string} folder */
export async function providerWalk(browser, program, folder) {
  const [port, own] = [await freePort(), await freePort()];
  const { issuer, server } = await startProvider(port, `http://127.0.0.1:${own}/auth/oidc/callback`);
  process.env.WALK_CLIENT_SECRET = SECRET;
  const { gateway, base } = await startGateway(program, join(folder, "..", "at-provider"), {
    TOLLGATE__SERVER__PORT: String(own), TOLLGATE__AUTH__LOGIN__ISSUER: issuer, TOLLGATE__AUTH__LOGIN__CLIENT_ID: "console",
    TOLLGATE__AUTH__LOGIN__CLIENT_SECRET_ENV: "WALK_CLIENT_SECRET", TOLLGATE__AUTH__LOGIN__LABEL: "Example",
  });
  const found = [];
  try {
    const page = await newPage(browser, base, found);
    await page.goto(`${base}/console/#/sessions`);
    await page.waitForSelector("button.at-provider");
    await examine(page, "sign-in-at-provider");
    // By the keyboard: name, password, "Sign in", and the provider's.
    await page.focus("input[name=username]");
    for (let i = 0; i < 3; i += 1) await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement?.textContent), "Sign in with Example");
    await page.keyboard.press("Enter");
    await atProvider(page, "admin");
    await page.waitForSelector("#page h1:text('Sessions')");
    assert.equal(await page.textContent("#who"), "admin@example.com (admin)");
    assert.equal(new URL(page.url()).hash, "#/sessions", "back at the page that was asked for");
    await page.reload();
    await page.waitForSelector("#page h1:text('Sessions')");
    // The gateway's session ends; the provider's goes on, so that it asks for no password again.
    await page.click("#leave");
    await page.waitForSelector("button.at-provider");
    await page.click("button.at-provider");
    await page.waitForSelector("#page h1:text('Sessions')");
    await page.context().close();

    const other = await newPage(browser, base, found);
    await other.goto(`${base}/console/`);
    await other.click("button.at-provider");
    await atProvider(other, "stranger");
    await other.waitForSelector("form.sign-in .bad:has-text('You have no role here.')");
    await examine(other, "sign-in-without-role");
    await other.reload();
    await other.waitForSelector("form.sign-in");
    assert.equal(await other.textContent("form.sign-in .bad"), "", "it is said once");
    await other.goto(`${base}/auth/oidc/callback?error=access_denied&error_description=%3Cimg%20src=x%20onerror=window.pwned=1%3E&state=x`);
    await other.waitForSelector("form.sign-in .bad:has-text('Sign in again.')");
    await examine(other, "sign-in-failed");
    await other.fill("input[name=username]", "admin");
    await other.fill("input[name=password]", PASSWORD);
    await other.keyboard.press("Enter");
    await other.waitForSelector("#page h1:text('Overview')");
    await other.context().close();
    assert.deepEqual(found, [], "no error on the browser's console");
  } finally {
    gateway.removeAllListeners("exit");
    gateway.kill("SIGTERM");
    server.closeAllConnections();
    server.close();
  }
}
