// The frame: signing in, the menu, and which page an address shows.
import { el, say } from "./dom.js";
import { get, onEnd, resume, signIn, signOut } from "./session.js";
import { overview, usage } from "./overview.js";
import { requests } from "./requests.js";
import { budgets, keys, limits, prices, sessions, teams, users } from "./manage.js";
import { connect, playground } from "./playground.js";

/** @typedef {{user: {id: string, username: string}, role: string, limits: any[], budgets: any[]}} Me */
/** @typedef {{title: string, roles: string[], show: (me: Me, query: URLSearchParams) => Promise<Node[]>}} PageOf */

const ALL = ["admin", "auditor", "readonly", "user"];
const ADMIN = ["admin", "auditor"];
/** @type {Record<string, PageOf>} */
const PAGES = {
  overview: { title: "Overview", roles: ALL, show: overview },
  usage: { title: "Usage", roles: ALL, show: usage },
  requests: { title: "Requests", roles: ADMIN, show: requests },
  users: { title: "Users", roles: ADMIN, show: users },
  teams: { title: "Teams", roles: ADMIN, show: teams },
  keys: { title: "API keys", roles: ALL, show: keys },
  budgets: { title: "Budgets", roles: [...ADMIN, "readonly"], show: budgets },
  limits: { title: "Limits", roles: [...ADMIN, "readonly"], show: limits },
  prices: { title: "Prices", roles: ADMIN, show: prices },
  sessions: { title: "Sessions", roles: ALL, show: sessions },
  playground: { title: "Playground", roles: ["admin", "user"], show: playground },
  connect: { title: "Connect", roles: ALL, show: connect },
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
  for (const link of at("menu").children) {
    if (link.getAttribute("href") === `#/${key}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${page.title} · Tollgate`;
  /** @type {Node[]} */
  let content;
  try {
    content = await page.show(me, new URLSearchParams(query ?? ""));
  } catch (error) {
    content = [el("p", { class: "bad", role: "alert" }, error instanceof Error ? error.message : String(error))];
  }
  // Another page was asked for meanwhile, or the session ended.
  if (mine !== turn || !me) return;
  at("page").replaceChildren(el("h1", {}, page.title), ...content);
}

async function enter() {
  me = await get("/me");
  const role = me?.role ?? "";
  const links = Object.entries(PAGES).filter(([, page]) => page.roles.includes(role));
  at("menu").replaceChildren(...links.map(([key, page]) => el("a", { href: `#/${key}` }, page.title)));
  at("who").textContent = `${me?.user.username} (${role})`;
  at("top").hidden = false;
  await show();
  at("page").focus();
}

/** @param {string} [why] */
function door(why) {
  me = null;
  turn += 1;
  document.querySelectorAll("dialog").forEach((box) => box.close());
  at("top").hidden = true;
  document.title = "Sign in · Tollgate";
  const problem = el("p", { class: "bad", role: "alert" }, why ?? "");
  const name = el("input", { name: "username", autocomplete: "username", required: true });
  const secret = el("input", { name: "password", type: "password", autocomplete: "current-password", required: true });
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    try {
      await signIn(name.value, secret.value);
      await enter();
    } catch (error) {
      problem.textContent = error instanceof Error ? error.message : String(error);
      secret.focus();
    }
  };
  at("page").replaceChildren(el("form", { class: "fields sign-in", onsubmit: submit }, el("h1", {}, "Sign in to Tollgate"),
    el("label", {}, "User name", name), el("label", {}, "Password", secret),
    el("button", { class: "main", type: "submit" }, "Sign in"), problem));
  name.focus();
}

at("leave").addEventListener("click", async () => {
  await signOut().catch(() => say("The gateway could not be asked to end the session."));
  door();
});
at("skip").addEventListener("click", (event) => { event.preventDefault(); at("page").focus(); });
addEventListener("hashchange", () => { show().then(() => at("page").focus()); });
onEnd(() => door("Your session has ended. Sign in again."));
resume().then((known) => (known ? enter() : door())).catch((error) => door(error.message));
