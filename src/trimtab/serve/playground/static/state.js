// Everything that a link holds: settings in columns, and the conversation as a tree of turns.
import { recommendedPush, scaleOf } from "./doses.js";

export const MOST_COLUMNS = 8;

export const state = {
  unit: "nats",
  view: "words",
  temperature: 0.7,
  seed: 1,
  tokens: 80,
  system: "",
  columns: [],
  turns: [],
  leaf: null,
};

// What the server has: model, layers, vectors by name, monitors, limits.
export const server = { model: "", fingerprint: "", layers: 0, vectors: new Map(), monitors: [], limits: {}, scales: [] };

const listeners = [];
export const onChange = (listener) => listeners.push(listener);
export const changed = (what = "") => listeners.forEach((listener) => listener(what));

let counter = 0;
export const freshId = (kind) => {
  const taken = new Set([...state.columns, ...state.turns].map((one) => one.id));
  do counter += 1; while (taken.has(`${kind}${counter}`));
  return `${kind}${counter}`;
};

export const pushFor = (vector) => {
  const use = recommendedPush(vector);
  const layers = use?.layers ?? [vector.layers[Math.floor(vector.layers.length / 2)]];
  return {
    vector: vector.name,
    hash: vector.hash,
    layers,
    strength: use?.strength ?? (scaleOf(vector) === "relative" ? 0.1 : 1),
    scale: scaleOf(vector),
    vector_layer: use?.vector_layer ?? null,
  };
};

export const plainColumn = () => ({ id: freshId("c"), kind: "plain" });
export const steeredColumn = (pushes) => ({ id: freshId("c"), kind: "steered", pushes });
export const askingColumn = (prompt) => ({ id: freshId("c"), kind: "asking", prompt });

export const copyOf = (column) => ({ ...structuredClone(column), id: freshId("c") });

// The tree: children of a turn, the turns from the first to one, and the leaf below one.
export const turnOf = (id) => state.turns.find((turn) => turn.id === id) ?? null;
export const childrenOf = (id) => state.turns.filter((turn) => turn.parent === id);
export const pathTo = (id) => {
  const path = [];
  for (let turn = turnOf(id); turn; turn = turnOf(turn.parent)) path.unshift(turn);
  return path;
};
export const leafBelow = (id) => {
  let last = id;
  for (let next = childrenOf(last); next.length; next = childrenOf(last)) last = next.at(-1).id;
  return last;
};
export const leaves = () => state.turns.filter((turn) => !childrenOf(turn.id).length);

// A setting as it was when a reply was written: sliders move on, replies stay.
export const settingOf = (column) => structuredClone({
  kind: column.kind, pushes: column.pushes, prompt: column.prompt, ...(column.positions ? { positions: column.positions } : {}),
});

// Which tokens a setting pushes: as chosen, else as its first vector recommends.
export const recommendedPositions = (setting) =>
  server.vectors.get(setting.pushes?.[0]?.vector)?.recommended?.positions ?? "all";
export const positionsOf = (setting) => setting.positions ?? recommendedPositions(setting);

// The steering of a request, in its own words; null for none.
export const steeringOf = (setting) => {
  const pushes = (setting.pushes ?? []).filter((push) => push.strength !== 0);
  if (setting.kind !== "steered" || !pushes.length) return null;
  const use = server.vectors.get(pushes[0].vector)?.recommended;
  return {
    pushes: pushes.map((push) => ({
      vector: push.vector,
      layers: push.layers,
      strength: push.strength,
      scale: push.scale,
      ...(push.vector_layer === null || push.vector_layer === undefined ? {} : { vector_layer: push.vector_layer }),
    })),
    positions: positionsOf(setting),
    first_token: use?.first_token ?? false,
  };
};

const systemOf = (setting) =>
  [state.system, setting.kind === "asking" ? setting.prompt : ""].map((text) => text.trim()).filter(Boolean).join("\n\n");

// The conversation of one column up to a turn. A column that was not there yet continues what the first one said.
export const messagesFor = (columnId, setting, turn) => {
  const system = systemOf(setting);
  const messages = system ? [{ role: "system", content: system }] : [];
  for (const before of pathTo(turn.parent)) {
    const said = before.replies[columnId]?.text ?? Object.values(before.replies)[0]?.text ?? "";
    messages.push({ role: "user", content: before.message }, { role: "assistant", content: said });
  }
  messages.push({ role: "user", content: turn.message });
  return messages;
};
