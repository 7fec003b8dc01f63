// @ts-check
// Trying a model through the gateway, and pasting the gateway into other programs.
import { copy, el, usd, words as saying } from "./dom.js";
import { once } from "./edit.js";
import { get, send } from "./session.js";

/** What a line of a stream adds to the answer: more of it, or why there is no more. @param {string} line */
export function heard(line) {
  const data = /^data: ?(\{.*)$/.exec(line.trimEnd())?.[1];
  if (!data) return "";
  const event = JSON.parse(data);
  if (event.error) throw new Error(`The answer broke off: ${event.error.message ?? JSON.stringify(event.error)}`);
  return event.choices?.[0]?.delta?.content ?? "";
}

/** Reads the events of a stream as they come. @param {Response} response @param {(text: string) => void} add */
async function pour(response, add) {
  const reader = /** @type {ReadableStream<any>} */ (response.body).pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    const lines = `${rest}${value ?? ""}`.split("\n");
    // What stands behind the last line break is a line when the stream has ended.
    rest = done ? "" : lines.pop() ?? "";
    for (const line of lines) add(heard(line));
    if (done) return;
  }
}

const isStream = (/** @type {Response} */ response) => (response.headers.get("content-type") ?? "").startsWith("text/event-stream");

/** What a refusal says, and all of it below. @param {Response} response */
async function refusal(response) {
  const text = await response.text();
  try {
    const problem = JSON.parse(text);
    return `${problem.detail ?? problem.title ?? `The gateway answered ${response.status}.`}\n\n${JSON.stringify(problem, null, 2)}`;
  } catch {
    return text;
  }
}

/** What the call cost, once that is on record. @param {string} id */
async function cost(id) {
  const { items } = await get("/admin/audit", { request_id: id });
  const known = items[0]?.cost_usd;
  return known ? `Cost: ${usd(known)}. ` : "";
}

/** The built-in model, which the first start of a gateway serves. */
const BUILT_IN = "demo";

/** The model that was asked last on this page. */
let last = "";

/** The model to begin with: the one asked last, the built-in one, a name that stands for models, or any; of those that are listed.
 * @param {string[]} listed @param {string[]} names @param {string} before */
export const firstModel = (listed, names, before) =>
  [before, BUILT_IN, ...names].find((model) => listed.includes(model)) ?? listed[0] ?? BUILT_IN;

/** @param {import("./main.js").Me} me */
export async function playground(me) {
  const models = await get("/v1/models").then((list) => list.data ?? []).catch(() => []);
  const names = me.role === "admin" ? await get("/admin/models", { limit: 200 }).then((page) => page.items).catch(() => []) : [];
  const [listed, standing] = [models.map((/** @type {any} */ item) => item.id), names.map((/** @type {any} */ item) => item.name)];
  const model = el("input", { name: "model", value: firstModel(listed, standing, last), required: true, list: "models", autocomplete: "off" });
  const offered = el("datalist", { id: "models" }, models.map((/** @type {any} */ item) => el("option", { value: item.id })));
  const words = el("textarea", { name: "prompt", required: true }, "Say hello.");
  const answer = el("pre", { role: "log", "aria-label": "Answer" });
  const about = el("p", { class: "faint" });
  // Two answers would run into each other.
  const ask = once(async () => {
    answer.textContent = "";
    about.replaceChildren();
    last = model.value;
    try {
      const response = await send("/v1/chat/completions", {
        method: "POST", headers: { "content-type": "application/json" },
        body: JSON.stringify({ model: model.value, stream: true, messages: [{ role: "user", content: words.value }] }),
      });
      const id = response.headers.get("x-request-id");
      const told = ["x-tollgate-hold-usd", "ratelimit"].map((name) => [name, response.headers.get(name)]);
      about.append(`Status ${response.status}. `, ...told.map(([name, value]) => (value ? `${name}: ${value}. ` : "")));
      // What came before the answer broke off stays.
      const broken = (/** @type {unknown} */ error) => { answer.textContent += `\n\n${error instanceof TypeError ? "The answer broke off before its end." : saying(error)}`; };
      if (response.ok && isStream(response)) await pour(response, (text) => { answer.textContent += text; }).catch(broken);
      else answer.textContent = await refusal(response);
      if (id && me.role === "admin") about.append(await cost(id), el("a", { href: `#/requests?request_id=${id}` }, "The record of this call"));
    } catch (error) {
      answer.textContent = saying(error);
    }
  });
  const submit = (/** @type {Event} */ event) => { event.preventDefault(); return ask(); };
  return [el("form", { onsubmit: submit }, el("label", {}, "Model", model), offered, el("label", {}, "Prompt", words),
    el("p", {}, el("button", { class: "main", type: "submit" }, "Send"))), about, answer];
}

export async function connect() {
  const base = location.origin;
  /** @type {[string, string][]} */
  const snippets = [
    ["curl", `curl ${base}/v1/chat/completions -H "Authorization: Bearer $TOLLGATE_KEY" \\\n  -H "Content-Type: application/json" \\\n  -d '{"model": "demo", "messages": [{"role": "user", "content": "Hello"}]}'`],
    ["OpenAI (Python)", `import os\nfrom openai import OpenAI\n\nclient = OpenAI(base_url="${base}/v1", api_key=os.environ["TOLLGATE_KEY"])`],
    ["Anthropic (Python)", `import os\nfrom anthropic import Anthropic\n\nclient = Anthropic(base_url="${base}", api_key=os.environ["TOLLGATE_KEY"])`],
    ["LangChain", `import os\nfrom langchain_openai import ChatOpenAI\n\nChatOpenAI(model="demo", base_url="${base}/v1", api_key=os.environ["TOLLGATE_KEY"])`],
    ["Claude Code", `export ANTHROPIC_BASE_URL=${base}\nexport ANTHROPIC_AUTH_TOKEN=$TOLLGATE_KEY`],
    ["Codex", `# ~/.codex/config.toml\nmodel_provider = "tollgate"\n\n[model_providers.tollgate]\nname = "Tollgate"\nbase_url = "${base}/v1"\nenv_key = "TOLLGATE_KEY"\nwire_api = "responses"`],
  ];
  return [el("p", {}, "Make a key on the page ", el("a", { href: "#/keys" }, "API keys"), " and put it into TOLLGATE_KEY."),
    ...snippets.flatMap(([name, text]) => [el("h2", {}, name), el("pre", {}, text),
      el("button", { type: "button", onclick: () => copy(text), "aria-label": `Copy: ${name}` }, "Copy")])];
}
