// @ts-check
// The frame: signing in, the menu, and which page an address shows.
import { el, say, words } from "./dom.js";
import { cameBack, check, get, leaveFor, onEnd, provider, resume, signIn, signOut, whyNot } from "./session.js";
import { healthPage } from "./health.js";
import { keys } from "./keys.js";
import { overview } from "./overview.js";
import { teams, users } from "./people.js";
import { connect, playground } from "./playground.js";
import { budgets, limits } from "./policies.js";
import { prices } from "./prices.js";
import { replay } from "./replay.js";
import { requests } from "./requests.js";
import { models, routes, upstreams } from "./routing.js";
import { sessions } from "./sessions.js";
import { usage } from "./usage.js";

/** @typedef {{user: {id: string, username: string}, role: string, session: {id: string} | null, limits: any[], budgets: any[]}} Me */
/** @typedef {{group: string, title: string, roles: string[], show: (me: Me, query: URLSearchParams) => Promise<Node[]>}} PageOf */

const ALL = ["admin", "auditor", "readonly", "user"];
const ADMIN = ["admin", "auditor"];
/** @type {Record<string, PageOf>} */
const PAGES = {
  overview: { group: "See", title: "Overview", roles: ALL, show: overview },
  usage: { group: "See", title: "Usage", roles: ALL, show: usage },
  requests: { group: "See", title: "Requests", roles: ADMIN, show: requests },
  health: { group: "See", title: "Health", roles: ADMIN, show: healthPage },
  users: { group: "Who may call", title: "Users", roles: ADMIN, show: users },
  teams: { group: "Who may call", title: "Teams", roles: ADMIN, show: teams },
  keys: { group: "Who may call", title: "API keys", roles: ALL, show: keys },
  sessions: { group: "Who may call", title: "Sessions", roles: ALL, show: sessions },
  budgets: { group: "How much", title: "Budgets", roles: [...ADMIN, "readonly"], show: budgets },
  limits: { group: "How much", title: "Limits", roles: [...ADMIN, "readonly"], show: limits },
  replay: { group: "How much", title: "Replay", roles: ["admin"], show: replay },
  prices: { group: "How much", title: "Prices", roles: ADMIN, show: prices },
  models: { group: "Where calls go", title: "Models", roles: ADMIN, show: models },
  routes: { group: "Where calls go", title: "Routes", roles: ADMIN, show: routes },
  upstreams: { group: "Where calls go", title: "Upstreams", roles: ADMIN, show: upstreams },
  playground: { group: "Try", title: "Playground", roles: ["admin", "user"], show: playground },
  connect: { group: "Try", title: "Connect", roles: ALL, show: connect },
};
const at = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
/** @type {Me | null} */
let me = null;
let turn = 0;

async function show() {
  if (!me) return;
  const [name, query] = location.hash.replace(/^#\/?/, "").split("?");
  const key = PAGES[name]?.roles.includes(me.role) ? name : "overview";
  const page = PAGES[key];
  const mine = ++turn;
  for (const link of at("menu").querySelectorAll("a")) {
    if (link.getAttribute("href") === `#/${key}`) {
      link.setAttribute("aria-current", "page");
      link.scrollIntoView({ block: "nearest", inline: "center" });
    } else link.removeAttribute("aria-current");
  }
  document.title = `${page.title} · Tollgate`;
  at("page").setAttribute("aria-busy", "true");
  /** @type {Node[]} */
  let content;
  try {
    content = await page.show(me, new URLSearchParams(query ?? ""));
  } catch (error) {
    content = [el("p", { class: "bad", role: "alert" }, words(error)),
      el("p", {}, el("button", { type: "button", onclick: show }, "Try again"))];
  }
  // Another page was asked for meanwhile, or the session ended.
  if (mine !== turn || !me) return;
  at("page").removeAttribute("aria-busy");
  at("page").replaceChildren(el("h1", {}, page.title), ...content);
}

async function enter() {
  me = await get("/me");
  const role = me?.role ?? "";
  const links = Object.entries(PAGES).filter(([, page]) => page.roles.includes(role));
  const groups = [...new Set(links.map(([, page]) => page.group))];
  at("menu").replaceChildren(...groups.map((group) => el("div", { role: "group", "aria-label": group }, el("span", { "aria-hidden": "true" }, group),
    links.filter(([, page]) => page.group === group).map(([key, page]) => el("a", { href: `#/${key}` }, page.title)))));
  at("who").textContent = `${me?.user.username} (${role})`;
  at("top").hidden = false;
  await show();
  begin();
}

/** Keyboard and screen reader begin at the page, which is shown from its top. */
function begin() {
  if (document.querySelector("dialog[open]") || document.querySelector("form.sign-in")) return;
  at("page").focus({ preventScroll: true });
  scrollTo(0, 0);
}

/** @param {string} [why] */
function door(why) {
  me = null;
  turn += 1;
  document.querySelectorAll("dialog").forEach((box) => box.close());
  at("page").removeAttribute("aria-busy");
  at("top").hidden = true;
  document.title = "Sign in · Tollgate";
  const problem = el("p", { class: "bad", role: "alert" }, why ?? "");
  const name = el("input", { name: "username", autocomplete: "username", required: true });
  const secret = el("input", { name: "password", type: "password", autocomplete: "current-password", required: true });
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    problem.textContent = "";
    try {
      await signIn(name.value, secret.value);
      await enter();
    } catch (error) {
      problem.textContent = words(error);
      secret.select();
      secret.focus();
    }
  };
  at("page").replaceChildren(el("form", { class: "fields sign-in", onsubmit: submit }, el("h1", {}, "Sign in to Tollgate"),
    el("label", {}, "User name", name), el("label", {}, "Password", secret),
    el("button", { class: "main", type: "submit" }, "Sign in"), problem));
  name.focus();
  offer();
}

/** The way in at the provider, where there is one; the door does not wait for it. */
async function offer() {
  const way = await provider().catch(() => null);
  const form = document.querySelector("form.sign-in");
  if (!way || !form || form.querySelector(".at-provider")) return;
  form.append(el("button", { class: "at-provider", type: "button", onclick: () => leaveFor(way.url) }, `Sign in with ${way.label}`));
}

/** Where the reader comes back to the page, a session that was ended elsewhere is not kept on the screen. */
let asked = Date.now();
function look() {
  if (!me || document.hidden || Date.now() - asked < 10_000) return;
  asked = Date.now();
  check().catch(() => {});
}
addEventListener("focus", look);
document.addEventListener("visibilitychange", look);
setInterval(look, 60_000);

at("leave").addEventListener("click", async () => {
  await signOut().catch(() => say("The gateway could not be asked to end the session."));
  door();
});
at("skip").addEventListener("click", (event) => { event.preventDefault(); at("page").focus(); });
addEventListener("hashchange", (event) => {
  // What the reader had open over a page is not for another one; a page that is shown anew after a change has nothing open.
  if (event.isTrusted) document.querySelectorAll("dialog").forEach((box) => box.close());
  show().then(begin);
});
onEnd(() => door("Your session has ended. Sign in again."));
const failed = whyNot(location.hash);
if (failed) {
  cameBack();
  history.replaceState(null, "", location.pathname);
  door(failed);
} else resume().then((known) => (known ? enter() : door())).catch((error) => door(words(error)));
