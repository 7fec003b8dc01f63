// @ts-check
// Whether a record is what was written: computed here, from what the gateway shows, by the browser's own cryptography.
import { get } from "./session.js";

const bytes = (/** @type {string} */ hex) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
const hex = (/** @type {ArrayBuffer} */ buffer) => [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const text = new TextEncoder();

/** @param {...Uint8Array} parts */
async function sha256(...parts) {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let place = 0;
  for (const part of parts) {
    all.set(part, place);
    place += part.length;
  }
  return hex(await crypto.subtle.digest("SHA-256", all));
}

/**
 * @typedef {{line: string, personal: string | null, change: string | null, prev_hash: string, hash: string}} Entry
 * @typedef {{name: string, good: boolean | null, what: string}} Finding `good` is null where it could not be computed.
 */

/** Browsers compute hashes only for pages that came over https or from this machine. */
export const canProve = () => Boolean(globalThis.crypto?.subtle);

/** SHA-256(prev_hash ‖ line), and what the line commits to. @param {Entry} entry @returns {Promise<Finding[]>} */
export async function prove(entry) {
  const fields = JSON.parse(entry.line);
  const computed = await sha256(bytes(entry.prev_hash), text.encode(entry.line));
  const findings = [{ name: "Hash", good: computed === entry.hash,
    what: computed === entry.hash ? "SHA-256 of the link before and the line is the entry's hash." : `SHA-256 of the link before and the line is ${computed}.` }];
  for (const [field, part, name] of /** @type {[string, string | null, string][]} */ ([
    ["personal_sha256", entry.personal, "Names, addresses, path"], ["change_sha256", entry.change, "The change"]])) {
    if (!fields[field]) continue;
    if (part === null) findings.push({ name, good: true, what: "Erased. The line still holds its hash." });
    else {
      const good = (await sha256(text.encode(part))) === fields[field];
      findings.push({ name, good, what: good ? "As the line has committed to it." : "Not what the line has committed to." });
    }
  }
  return findings;
}

/** @param {any} checkpoint @param {{kid: string, public_key: string}[]} keys */
async function isSigned(checkpoint, keys) {
  const kid = JSON.parse(checkpoint.statement).kid;
  const key = keys.find((known) => known.kid === kid) ?? keys[0];
  try {
    const imported = await crypto.subtle.importKey("raw", bytes(key.public_key), "Ed25519", false, ["verify"]);
    return await crypto.subtle.verify("Ed25519", imported, bytes(checkpoint.signature), text.encode(checkpoint.statement));
  } catch {
    return null;
  }
}

/**
 * The first checkpoint of a chain that vouches for a place. They are numbered without a gap, so it is found by halving;
 * from the newest back, for most who look are after something that was a moment ago.
 * @param {string} chain @param {number} seq
 * @returns {Promise<{checkpoint: any, signed: boolean | null} | null>}
 */
export async function covering(chain, seq) {
  // The list begins with the newest; a cursor is what it goes on below.
  const ask = (/** @type {string | undefined} */ cursor) => get("/admin/audit/checkpoints", { chain, limit: 1, cursor });
  const numbered = async (/** @type {number} */ number) => (await ask(`${number + 1}.${chain}`)).items.find((/** @type {any} */ item) => item.chain === chain);
  const page = await ask(undefined);
  let best = page.items[0];
  if (!best || best.seq < seq) return null;
  let low = 0;
  for (let step = 1; best.number - step > 0; step *= 2) {
    const item = await numbered(best.number - step);
    if (!item || item.seq < seq) {
      low = best.number - step;
      break;
    }
    best = item;
  }
  while (best.number - low > 1) {
    const middle = Math.floor((low + best.number) / 2);
    const item = await numbered(middle);
    if (item && item.seq >= seq) best = item;
    else low = middle;
  }
  return { checkpoint: best, signed: await isSigned(best, page.keys) };
}
