// A gateway for the walk through its console, or two of them that share a PostgreSQL, with people, money and calls, and texts that would be
// scripts if they became markup.
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { Agent, createServer, request } from "node:http";

export const PASSWORD = "a-password-for-this-walk-alone";
export const MARKUP = "<img src=x onerror=window.pwned=1>";
export let base = "";

/** Starts a gateway in a folder of its own, and gives it and its address. */
export async function startGateway(program, folder, configured = {}) {
  mkdirSync(folder);
  const gateway = spawn(program, [], { cwd: folder, stdio: ["ignore", "pipe", "ignore"],
    env: { ...process.env, TOLLGATE__SERVER__PORT: "0", TOLLGATE__OPS__PORT: "0", TOLLGATE_ADMIN_PASSWORD: PASSWORD, ...configured } });
  const address = await new Promise((found, failed) => {
    let out = "";
    gateway.stdout.on("data", (text) => {
      out += text;
      const line = out.match(/serving on (http:\/\/\S+:\d+)/);
      if (line) found(line[1]);
    });
    gateway.on("exit", (code) => failed(new Error(`the gateway ended with ${code}`)));
  });
  return { gateway, base: address };
}

/** How many gateways answer. */
let replicas = 1;

/** Takes each request to the next of these gateways, so that no two that follow each other come to the same one. */
function alternating(addresses) {
  const agent = new Agent({ keepAlive: true });
  let turn = 0;
  const server = createServer((asked, answered) => {
    const { hostname, port } = new URL(addresses[turn = (turn + 1) % addresses.length]);
    const { method, url: path, rawHeaders: headers } = asked;
    const passed = request({ hostname, port, method, path, headers, agent }, (answer) => {
      answered.writeHead(answer.statusCode, answer.statusMessage, answer.rawHeaders);
      answer.pipe(answered);
    });
    // The walk sees that a connection was cut, as a browser does.
    passed.on("error", () => answered.destroy());
    answered.on("close", () => passed.destroy());
    asked.pipe(passed);
  });
  return new Promise((started) => { server.listen(0, "127.0.0.1", () => started(`http://127.0.0.1:${server.address().port}`)); });
}

/** Starts two gateways on one PostgreSQL, and gives them and the address of a proxy that goes to both in turn. */
export async function startReplicas(program, folder, store) {
  mkdirSync(folder);
  const shared = { TOLLGATE__STORE__URL: store, TOLLGATE_MASTER_KEY: randomBytes(32).toString("base64"), TOLLGATE__EDGE__REQUESTS_PER_S: "10000", TOLLGATE__EDGE__BURST: "10000" };
  const started = [];
  // One after the other: the first makes the administrator.
  for (const name of ["one", "other"]) started.push(await startGateway(program, `${folder}/${name}`, shared));
  replicas = started.length;
  return { gateways: started.map(({ gateway }) => gateway), base: await alternating(started.map((one) => one.base)) };
}

/** Waits until a change that one replica has made is in force on all, which takes a second at most. */
export const everywhere = () => (replicas > 1 ? new Promise((done) => setTimeout(done, 1_200)) : Promise.resolve());

/** Whom `call` asks. */
export function ask(address) { base = address; }

export async function call(method, path, body, token) {
  const answer = await fetch(base + path, { method, body: body && JSON.stringify(body),
    headers: { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) } });
  const text = await answer.text();
  return text && answer.headers.get("content-type")?.includes("json") ? JSON.parse(text) : text;
}
export const token = async (username) => (await call("POST", "/auth/login", { username, password: PASSWORD })).access_token;

/** A call that must go well. */
async function must(...asked) {
  const answer = await call(...asked);
  if (answer.status >= 400) throw new Error(`${asked[0]} ${asked[1]}: ${JSON.stringify(answer)}`);
  return answer;
}

/** People, money, calls that were served and refused, and texts that would be scripts if they became markup. */
export async function fill() {
  const admin = await token("admin");
  const team = await must("POST", "/admin/teams", { name: MARKUP }, admin);
  const made = {};
  for (const role of ["user", "readonly", "auditor"]) {
    made[role] = await must("POST", "/admin/users", { username: `a-${role}`, password: PASSWORD, role, ...(team.id && { team_id: team.id }) }, admin);
  }
  await must("POST", "/admin/budgets", { name: "little", scope: "user", subject: made.user.id, limit_usd: "0.0005", period: "month" }, admin);
  await must("POST", "/admin/limits", { name: "watched", routes: ["*"], per: "user", unit: "requests", limit: 1, window_s: 3600, mode: "shadow" }, admin);
  await everywhere();
  const user = await token("a-user");
  for (let i = 0; i < 6; i += 1) {
    await call("POST", "/v1/chat/completions", { model: "demo", max_tokens: 60, messages: [{ role: "user", content: "Hello" }] }, user);
  }
  await call("POST", "/v1/chat/completions", { model: "<script>window.pwned=1</script>", messages: [{ role: "user", content: "x" }] }, user);
  await call("GET", "/echo/%3Cimg%20src=x%20onerror=window.pwned=1%3E", undefined, user);
  await call("GET", "/admin/users", undefined, user);
  await must("POST", "/me/api-keys", { name: MARKUP }, user);
  // A model and a price of such names, in this order: a model that has a price is no name for another one.
  await must("POST", "/admin/models", { name: MARKUP, targets: [{ upstream: "builtin:llm", model: "demo" }] }, admin);
  await must("PUT", "/admin/prices", { items: [{ model: MARKUP, input_usd: "1", output_usd: "2", max_output_tokens: 100 }] }, admin);
  await must("POST", "/admin/upstreams", { name: "gone", url: "http://127.0.0.1:9", secret: "a-secret-that-is-never-shown" }, admin);
  await must("POST", "/admin/routes", { name: "gone", path: "/gone", match: "prefix", methods: ["GET"], roles: ["admin", "user"], upstream: "gone" }, admin);
  await everywhere();
  await call("GET", "/gone/%3Csvg%20onload=window.pwned=1%3E", undefined, user);
  return admin;
}
