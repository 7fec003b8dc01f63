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

/** A refusal in the gateway's own words. */
export class Refused extends Error {
  /** @param {number} status @param {any} problem */
  constructor(status, problem) {
    /** @type {{pointer: string, detail: string}[]} */
    const faults = problem?.errors ?? [];
    const detail = problem?.detail ?? `The gateway answered ${status}.`;
    super([detail, ...faults.map((fault) => `${fault.pointer}: ${fault.detail}`)].join("\n"));
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

/** Takes a session of an earlier visit up again. */
export const resume = async () => (localStorage.getItem(MARK) ? renew() : false);

/** Asks whether the session is still good. @returns {Promise<unknown>} */
export const check = () => (token ? get("/me") : Promise.resolve());

export async function signOut() {
  const headers = token ? { authorization: `Bearer ${token}` } : undefined;
  await fetch("/auth/logout", { method: "POST", headers });
  forget();
}

function forget() {
  token = null;
  localStorage.removeItem(MARK);
}

/**
 * Several calls at once wait for one refresh.
 * @returns {Promise<boolean>} Whether there is a new token. False: the session is over. It throws where that is not known.
 */
function renew() {
  renewing ??= (async () => {
    const response = await fetch("/auth/refresh", { method: "POST" });
    if (response.ok) token = (await response.json()).access_token;
    else if (response.status === 401 || response.status === 403) forget();
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

/** A call with the token, renewed once where it has expired. @param {string} path @param {RequestInit} [init] */
export async function send(path, init = {}) {
  const once = () => fetch(path, { ...init, headers: { ...init.headers, authorization: `Bearer ${token}` } });
  if (!token) return over();
  const used = token;
  let response = await once();
  if (response.status === 401) {
    // Another call may have had a new token meanwhile.
    if (token === used ? await renew() : token) response = await once();
    if (response.status === 401) over();
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
