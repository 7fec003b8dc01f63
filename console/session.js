// @ts-check
// Who is signed in, and calls to the gateway. The access token is in this module's memory and nowhere else; the refresh
// token is in a cookie that no script can read.

/** @type {string | null} */
let token = null;
/** @type {Promise<boolean> | null} */
let renewing = null;
/** Called when the session is over. */
let ended = () => {};
let listener = () => {};
const MARK = "tollgate-signed-in";
/** That a tab has left for the provider. No secret either. */
const AWAY = "tollgate-at-provider";

/** A refusal in the gateway's own words. */
export class Refused extends Error {
  /** @param {number} status @param {any} problem */
  constructor(status, problem) {
    /** @type {{pointer: string, detail: string}[]} */
    const faults = problem?.errors ?? [];
    const detail = problem?.detail ?? `The gateway answered ${status}.`;
    // A detail that has the one fault in it says it already.
    const told = faults.map((fault) => `${fault.pointer}: ${fault.detail}`).filter((text) => !String(detail).includes(text));
    super([detail, ...told].join("\n"));
    this.status = status;
    this.problem = problem;
    this.detail = String(detail);
    this.faults = faults;
  }
}

/** @param {() => void} told */
export const onEnd = (told) => { listener = told; ended = told; };

/** @param {string} username @param {string} password */
export async function signIn(username, password) {
  const response = await fetch("/auth/login", {
    method: "POST", headers: { "content-type": "application/json" },
    body: JSON.stringify({ username, password, cookie: true }),
  });
  const body = await read(response);
  token = body.access_token;
  ended = listener;
  // No secret: that a cookie may be there, so that a first visit asks for no refresh.
  localStorage.setItem(MARK, "1");
}

/** The provider at which people can sign in. @returns {Promise<{label: string, url: string} | null>} */
export const provider = async () => (await read(await fetch("/auth/ways"))).provider;

/** Leaves for the provider; the gateway leads back to the page that is asked for now. @param {string} url */
export function leaveFor(url) {
  localStorage.setItem(AWAY, "1");
  const to = location.hash.slice(1);
  location.assign(to.startsWith("/") && !FAILED.test(to) ? `${url}?${new URLSearchParams({ to })}` : url);
}

const FAILED = /^\/sign-in\?failed=([a-z-]+)(?:&request=([0-9a-f-]{36}))?$/;
/** @type {Record<string, string>} */
const WHY = {
  expired: "This sign-in was begun too long ago, in another browser, or used before. Sign in again.",
  denied: "The sign-in was cancelled or refused at the provider.",
  provider: "The provider's answer could not be used. Sign in again; if it happens again, tell an administrator.",
  "provider-unavailable": "The provider does not answer. Try again in a moment.",
  "no-role": "You have no role here. Ask an administrator to give you one at the provider.",
  user: "Your user here is disabled or deleted. Ask an administrator.",
  "last-admin": "The provider gives you the role of an admin no more, and you are the last admin here. Another admin must be made first.",
  throttled: "Too many sign-ins from your network have failed. Wait some minutes.",
  unavailable: "The gateway could not do this. Try again in a moment.",
};

/** Why a sign-in at the provider came to nothing, by the address that the gateway led to; empty where it does not say so. @param {string} hash */
export function whyNot(hash) {
  const [, word, request] = hash.replace(/^#/, "").match(FAILED) ?? [];
  if (!word) return "";
  return [Object.hasOwn(WHY, word) ? WHY[word] : "The sign-in came to nothing. Sign in again.", request && `Request ${request}`].filter(Boolean).join("\n");
}

/** The way back from the provider has ended. @returns {boolean} Whether a tab had left for it. */
export function cameBack() {
  const was = localStorage.getItem(AWAY);
  localStorage.removeItem(AWAY);
  return Boolean(was);
}

/** Takes a session of an earlier visit up again, or the one that was opened at the provider. */
export async function resume() {
  if (!cameBack() && !localStorage.getItem(MARK)) return false;
  const isKnown = await renew();
  if (isKnown) localStorage.setItem(MARK, "1");
  return isKnown;
}

/** Asks whether the session is still good. @returns {Promise<unknown>} */
export const check = () => (token ? get("/me") : Promise.resolve());

/** Ends the session at the gateway. This page forgets it whatever comes of that. */
export async function signOut() {
  const end = (/** @type {Record<string, string>} */ headers) => fetch("/auth/logout", { method: "POST", headers });
  const used = token;
  forget();
  let response = await end(used ? { authorization: `Bearer ${used}` } : {});
  // A token that has expired ends nothing; the cookie names the session too.
  if (used && response.status === 401) response = await end({});
  // 401, 415: there is no session any more, or no cookie of one.
  if (![401, 415].includes(response.status)) await read(response);
}

function forget() {
  token = null;
  localStorage.removeItem(MARK);
}

/** Whom a token is of. It is read here and not believed. @param {string} jwt @returns {string | null} */
export function subjectOf(jwt) {
  try {
    return JSON.parse(atob(jwt.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"))).sub ?? null;
  } catch {
    return null;
  }
}

/** A new token, if it is of the user whom this page is shown to. All tabs have one cookie: where somebody else has signed in with another tab, what
 * was begun here is not done under that name, and the page begins anew. @param {string} fresh */
function ofSameUser(fresh) {
  if (!token || subjectOf(token) === subjectOf(fresh)) return fresh;
  location.reload();
  throw new Error("Somebody else has signed in with this browser. Nothing was done.");
}

/**
 * Several calls at once wait for one refresh.
 * @returns {Promise<boolean>} Whether there is a new token. False: the session is over. It throws where that is not known.
 */
function renew() {
  renewing ??= (async () => {
    const response = await fetch("/auth/refresh", { method: "POST" });
    if (response.ok) token = ofSameUser((await response.json()).access_token);
    // 415: there is no cookie, as after a sign-in at the provider that came to nothing.
    else if ([401, 403, 415].includes(response.status)) forget();
    // A gateway that is out of breath does not end the session.
    else await read(response);
    return response.ok;
  })().finally(() => { renewing = null; });
  return renewing;
}

/** @param {Response} response */
async function read(response) {
  const text = await response.text();
  let body = null;
  try { body = text ? JSON.parse(text) : null; } catch { body = null; }
  if (!response.ok) throw new Refused(response.status, body);
  return body;
}

/** Whether the gateway itself does not take the token. An upstream that does not take the gateway's secret answers 401 too: that
 * is no matter of this session. @param {Response} response */
async function isOurs(response) {
  if (response.status !== 401) return false;
  const problem = await response.clone().json().catch(() => null);
  return /^https:\/\/tollgate\.dev\/problems\/[a-z]+-(credential|credentials|token)$/.test(problem?.type ?? "");
}

/** A call with the token, renewed once where it has expired. @param {string} path @param {RequestInit} [init] */
export async function send(path, init = {}) {
  const once = () => fetch(path, { ...init, headers: { ...init.headers, authorization: `Bearer ${token}` } });
  if (!token) return over();
  const used = token;
  let response = await once();
  if (await isOurs(response)) {
    // Another call may have had a new token meanwhile.
    if (token === used ? await renew() : token) response = await once();
    if (!token || await isOurs(response)) over();
  }
  return response;
}

/** The session has ended: once, whichever call learns of it. @returns {never} */
function over() {
  forget();
  const tell = ended;
  ended = () => {};
  tell();
  throw new Error("Your session has ended.");
}

/** @param {string} path @param {Record<string, unknown>} [query] @returns {Promise<any>} */
export async function get(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return read(await send(text ? `${path}?${text}` : path));
}

/** @param {string} method @param {string} path @param {unknown} [body] @returns {Promise<any>} */
export async function change(method, path, body) {
  const init = body === undefined ? { method } : {
    method, body: JSON.stringify(body), headers: { "content-type": "application/json" },
  };
  return read(await send(path, init));
}
