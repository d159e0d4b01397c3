// The whole state in the fragment of an address: packed here, and never sent to a server by the browser.
import { server, state } from "./state.js";

const FIELDS = ["unit", "view", "temperature", "seed", "tokens", "system", "columns", "turns", "leaf"];
const KEPT = "trimtab-state";
const MOST_BYTES = 4_000_000;

const throughStream = async (bytes, stream) =>
  new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(stream)).arrayBuffer());

const packed = async (text) => {
  const bytes = await throughStream(new TextEncoder().encode(text), new CompressionStream("deflate-raw"));
  let binary = "";
  for (let start = 0; start < bytes.length; start += 8192) {
    binary += String.fromCharCode(...bytes.subarray(start, start + 8192));
  }
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
};

const unpacked = async (text) => {
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
  // A short fragment can unpack to gigabytes: stop reading where no state is that long.
  const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  const parts = [];
  let size = 0;
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    size += read.value.length;
    if (size > MOST_BYTES) throw new Error("too long");
    parts.push(read.value);
  }
  return new Blob(parts).text();
};

export const snapshot = () => ({
  v: 1,
  model: server.model,
  fingerprint: server.fingerprint,
  ...Object.fromEntries(FIELDS.map((name) => [name, state[name]])),
});

export const linkOf = async () =>
  `${location.origin}${location.pathname}#s=${await packed(JSON.stringify(snapshot()))}`;

// Browsers open far longer addresses, but mail and chat programs cut them off, silently.
export const MOST_LINK = 30_000;
export const tooLong = (link) => link.length <= MOST_LINK ? "" :
  `This page would be a link of ${link.length.toLocaleString("en")} characters; more than ${MOST_LINK.toLocaleString("en")} are cut off in many programs. Begin a new conversation, or retry fewer turns: settings alone fit.`;

export const keep = () => {
  try {
    sessionStorage.setItem(KEPT, JSON.stringify(snapshot()));
  } catch {
    // A conversation that is longer than what a tab may keep is not kept over a reload.
  }
};

// What to begin with: the link's state, else what this tab had before a reload, else null.
export const opened = async () => {
  const match = location.hash.match(/^#s=([\w-]+)$/);
  if (match) {
    const found = JSON.parse(await unpacked(match[1]));
    if (found?.v !== 1) throw new Error("another version");
    return { found, fromLink: true };
  }
  const kept = sessionStorage.getItem(KEPT);
  return kept ? { found: JSON.parse(kept), fromLink: false } : null;
};

const isNumber = (value, low, high) => typeof value === "number" && value >= low && value <= high;
const isText = (value, most = 200_000) => typeof value === "string" && value.length <= most;
const isPush = (push) =>
  isText(push?.vector, 130) && isText(push.hash, 64) && isText(push.scale, 40) && isNumber(push.strength, -1e6, 1e6) &&
  Array.isArray(push.layers) && push.layers.length > 0 && push.layers.every((layer) => isNumber(layer, 0, 10_000));
const isSetting = (one) =>
  ["plain", "steered", "asking"].includes(one?.kind) &&
  (one.kind !== "steered" || (Array.isArray(one.pushes) && one.pushes.every(isPush))) &&
  (one.positions === undefined || isText(one.positions, 200)) &&
  (one.kind !== "asking" || isText(one.prompt));
const isReply = (reply) =>
  isText(reply?.text) && isSetting(reply.setting) &&
  (reply.ids === undefined || (Array.isArray(reply.ids) && reply.ids.length <= 10_000 && reply.ids.every(Number.isInteger)));
const isTurn = (turn) =>
  isText(turn?.id, 20) && (turn.parent === null || isText(turn.parent, 20)) && isText(turn.message) &&
  typeof turn.replies === "object" && turn.replies !== null && Object.values(turn.replies).every(isReply);

// A link is written by others: what is not as this page writes it is refused as a whole.
export const isState = (found) =>
  ["nats", "strength"].includes(found.unit) && isText(found.view, 200) && isNumber(found.temperature, 0, 10) &&
  Number.isInteger(found.seed) && Number.isInteger(found.tokens) && isText(found.system) &&
  Array.isArray(found.columns) && found.columns.length >= 1 && found.columns.length <= 8 &&
  found.columns.every((column) => isText(column?.id, 20) && isSetting(column)) && found.columns[0].kind === "plain" &&
  Array.isArray(found.turns) && found.turns.length <= 2000 && found.turns.every(isTurn) && isTree(found.turns) &&
  (found.leaf === null || found.turns.some((turn) => turn.id === found.leaf));

// Turns come behind the turn that they follow.
const isTree = (turns) => {
  const seen = new Set([null]);
  for (const turn of turns) {
    if (!seen.has(turn.parent) || seen.has(turn.id)) return false;
    seen.add(turn.id);
  }
  return true;
};

export const take = (found) => {
  for (const name of FIELDS) state[name] = found[name];
};

// What another server lacks of a link, in sentences.
export const differences = (found) => {
  const said = [];
  if (found.fingerprint !== server.fingerprint) {
    said.push(`The link is of the model ${found.model}${found.model === server.model ? " with other weights" : ""}; this server has ${server.model}. New replies will differ.`);
  }
  const pushes = found.columns.flatMap((column) => column.pushes ?? []);
  const names = new Map(pushes.map((push) => [push.vector, push]));
  for (const [name, push] of names) {
    const here = server.vectors.get(name);
    if (!here) said.push(`This server has no vector ${name}; its columns cannot be written anew.`);
    else if (here.hash !== push.hash) said.push(`The vector ${name} of this server differs from the one of the link.`);
  }
  return said;
};
