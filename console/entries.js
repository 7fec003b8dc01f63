// @ts-check
// What an upstream, a route and a name for models have, as the configuration and the gateway's endpoints have them.

/** @typedef {import("./fields.js").Field} Field */
/** @typedef {import("./fields.js").Section} Section */

/**
 * @typedef {object} Kind
 * @property {"upstreams" | "routes" | "models"} list Its page, and its place under `/admin`.
 * @property {string} title
 * @property {string} noun
 * @property {string} about
 * @property {string} empty What to do where there are none.
 * @property {(Field | Section)[]} form
 * @property {(entry: any, compared: boolean) => any} before An entry as the form has it, or as what the form gives is compared with.
 * @property {(body: any) => any} after What the form has as the body of a request.
 */

const NAME = { name: "name", label: "Name", required: true };

/** @param {...string} values @returns {(string | [string, string])[]} */
const orUsual = (...values) => [["", "as usual"], ...values];

/** @type {Kind} */
export const UPSTREAM = {
  list: "upstreams", title: "Upstreams", noun: "upstream",
  about: "The servers that calls go to, and how each does on this replica.",
  empty: "No upstream was made: routes lead to what is built in. Make one for each server that calls shall go to.",
  form: [
    NAME,
    { name: "url", label: "URL", required: true, hint: "https://api.example.com" },
    { name: "secret", label: "Secret it is sent (never shown; empty: as it is)", kind: "secret" },
    { name: "secret_header", label: "Header of the secret", start: "authorization", required: true },
    { name: "max_in_flight", label: "Most calls at once (a number, or auto)", kind: "words", start: 1000, required: true },
    { title: "Time-outs, health and breaker", fields: [
      { name: "connect_timeout_s", label: "To connect, in seconds", kind: "number", start: 5, required: true },
      { name: "timeout_s", label: "Longest silence, in seconds", kind: "number", start: 600, required: true },
      { name: "health/path", label: "Path of the health check (empty: none)", hint: "/healthz" },
      { name: "health/interval_s", label: "Seconds between checks", kind: "number" },
      { name: "breaker/failures", label: "Breaker opens after failures (0: never)", kind: "number" },
      { name: "breaker/within_s", label: "within seconds", kind: "number" },
      { name: "breaker/open_s", label: "and stays open for seconds", kind: "number" }] },
    { title: "What is written into requests", fields: [
      { name: "output_bound", label: "Output bound is written as", kind: "choice", options: ["max_completion_tokens", "max_tokens", "none"], start: "max_completion_tokens" },
      { name: "stream_usage", label: "Streams are asked for their usage", kind: "flag", start: true },
      { name: "host", label: "Host (empty: that of the URL)" }] },
  ],
  before: (entry) => entry,
  // Empty is a host too: that of the URL.
  after: ({ host, ...body }) => ({ ...body, host: host ?? "" }),
};

const METERS = ["none", "openai-chat", "openai-completions", "openai-responses", "openai-embeddings", "openai-images", "openai-transcriptions", "openai-speech",
  "anthropic-messages", "gemini-generate", "bedrock-converse", "rerank", "count-tokens"];
/** @type {Field[]} */
const SHARE = [{ name: "weight", label: "Weight", kind: "number", start: 1 }, { name: "priority", label: "Turn (0 first)", kind: "number", start: 0 }];
const isOnly = (/** @type {any[]} */ targets) => targets.length === 1 && [undefined, 1].includes(targets[0].weight) && !targets[0].priority;

/** @type {Kind} */
export const ROUTE = {
  list: "routes", title: "Routes", noun: "route",
  about: "Which paths callers may call, who of them, and where the calls go.",
  empty: "There is no route, so nothing can be called. Make the first one.",
  form: [
    NAME,
    { name: "path", label: "Path", required: true, hint: "/v1/chat/completions" },
    { name: "match", label: "Matches", kind: "choice", options: [["exact", "this path"], ["prefix", "this path and all below"]], start: "exact" },
    { name: "methods", label: "Methods, with commas between", kind: "list", start: "GET, POST", required: true },
    { name: "roles", label: "Roles, with commas between", kind: "list", start: "admin, user", required: true },
    { name: "meter", label: "Metered as", kind: "choice", options: [...METERS, ["fixed", "a fixed price a call"]], start: "none" },
    { name: "fixed_usd", label: "Fixed price in USD", hint: "0.002", also: "meter/fixed_usd" },
    { name: "targets", label: "Goes to", kind: "rows", row: [{ name: "upstream", label: "Upstream", required: true, offers: "upstreams", also: "upstream" }, ...SHARE] },
    { title: "Who and what, more closely", fields: [
      { name: "teams", label: "Only these teams (empty: all)", kind: "list" }, { name: "users", label: "Only these users (empty: all)", kind: "list" },
      { name: "models", label: "Models it serves (* is all)", kind: "list", start: "*", required: true },
      { name: "weight", label: "Takes from limits on requests", kind: "number", start: 1, required: true },
      { name: "importance", label: "Importance where there is little room", kind: "choice", options: ["default", "critical", "sheddable"], start: "default" },
      { name: "default_max_tokens", label: "Output bound where a request has none", kind: "number" },
      { name: "tools", label: "Prices of tools of the provider, a line each", kind: "pairs", hint: "web_search 0.01" }] },
    { title: "Cache and further attempts", fields: [
      { name: "cache/ttl_s", label: "Answers are kept, seconds (empty: not)", kind: "number" },
      { name: "cache/per", label: "and shared within", kind: "choice", options: orUsual("user", "key", "team", "global") },
      { name: "cache/posts", label: "POST on routes to models too", kind: "flag" },
      { name: "retry/attempts", label: "Further attempts (empty: as usual)", kind: "number" },
      { name: "retry/within_s", label: "within seconds", kind: "number" },
      { name: "retry/statuses", label: "after these statuses", kind: "numbers", hint: "429, 503" }] },
    { title: "How calls are passed on and recorded", fields: [
      { name: "strip_prefix", label: "Without the route's path", kind: "flag" }, { name: "websocket", label: "May become WebSockets", kind: "flag" },
      { name: "identity", label: "The upstream gets the caller's name", kind: "flag" },
      { name: "audit", label: "Records are", kind: "choice", options: orUsual("committed", "buffered") },
      { name: "bodies", label: "Of bodies is kept", kind: "choice", options: [["", "as usual"], ["none", "nothing"], ["hash", "a hash"], ["full", "the text"]] }] },
  ],
  before: (entry, compared) => (compared ? entry : {
    ...entry, targets: entry.targets ?? [{ upstream: entry.upstream, weight: 1, priority: 0 }],
    ...(typeof entry.meter === "object" && entry.meter && { meter: "fixed", fixed_usd: entry.meter.fixed_usd }),
  }),
  after: ({ targets, meter, fixed_usd, teams, users, tools, ...body }) => ({
    ...body, meter: meter === "fixed" ? { fixed_usd: fixed_usd ?? "" } : meter, teams: teams ?? [], users: users ?? [], tools: tools ?? {},
    ...(isOnly(targets) ? { upstream: targets[0].upstream, targets: null } : { upstream: null, targets }),
  }),
};

/** @type {Kind} */
export const MODEL = {
  list: "models", title: "Models", noun: "model",
  about: "Names that callers use for models, and the models that serve them.",
  empty: "No name was made: callers name models as the upstreams do. A name such as “fast” can lead to several, and be led elsewhere later.",
  form: [
    NAME,
    { name: "targets", label: "Served by", kind: "rows", row: [{ name: "upstream", label: "Upstream", required: true, offers: "upstreams" },
      { name: "model", label: "Its name there", required: true }, ...SHARE] },
  ],
  before: (entry) => entry,
  after: (body) => body,
};
