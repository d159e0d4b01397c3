// The conversation: turns with a reply in each column, retried and edited as branches.
import { letterOf, titleOf } from "./cards.js";
import { announce, byId, el } from "./dom.js";
import { events } from "./server.js";
import {
  changed, childrenOf, freshId, leafBelow, leaves, messagesFor, pathTo, settingOf, state, steeringOf, turnOf,
} from "./state.js";
import { colour, isColoured } from "./tokens.js";
import { differing } from "./words.js";

let running = null;
export const isRunning = () => running !== null;
export const stop = () => running?.abort();

const drawnWith = () => ({ seed: state.seed, temperature: state.temperature, tokens: state.tokens, system: state.system });
const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

const cells = new Map();
const cellOf = (turn, column) => cells.get(`${turn.id}/${column.id}`);

// Write the replies of some columns at a turn, all of them side by side in one stream.
const write = async (turn, columns) => {
  running = new AbortController();
  const settings = columns.map(settingOf);
  columns.forEach((column, place) => {
    turn.replies[column.id] = { text: "", setting: settings[place], running: true };
  });
  changed("turns");
  const body = {
    columns: columns.map((column, place) => {
      const steering = steeringOf(settings[place]);
      return { messages: messagesFor(column.id, settings[place], turn), ...(steering ? { steering } : {}) };
    }),
    seed: turn.drawn.seed, temperature: turn.drawn.temperature, max_tokens: turn.drawn.tokens,
  };
  try {
    for await (const event of events("/v1/steering/replies", body, running.signal)) {
      const column = columns[event.column];
      const reply = turn.replies[column.id];
      if (event.error) Object.assign(reply, { error: event.error.message, running: false });
      else if (event.delta !== undefined) reply.text += event.delta;
      else Object.assign(reply, { text: event.text, finish: event.finish_reason, written: event.tokens, running: false, ...(event.token_ids ? { ids: event.token_ids } : {}) });
      showReply(turn, column);
    }
    announce(`${columns.length} ${columns.length === 1 ? "reply is" : "replies are"} written`);
  } catch (error) {
    const reason = error.name === "AbortError" ? "stopped" : error.message;
    for (const column of columns) {
      const reply = turn.replies[column.id];
      if (reply.running && (reason !== "stopped" || !reply.text)) reply.error = reason;
      if (reply.running) Object.assign(reply, { finish: "stopped", running: false });
    }
  }
  running = null;
  changed("turns");
};

const begin = (parent, message) => {
  const turn = { id: freshId("t"), parent, message, drawn: drawnWith(), replies: {} };
  state.turns.push(turn);
  state.leaf = turn.id;
  return turn;
};

export const send = (message) => write(begin(state.leaf, message), state.columns);

// The same message again as a branch: columns that would say the same keep their replies. Where all would, the seed
// is another one, so that something new is drawn.
const retry = (turn) => {
  const keeps = (column) => {
    const reply = turn.replies[column.id];
    return reply && !reply.error && reply.finish !== "stopped" && same(reply.setting, settingOf(column));
  };
  if (same(turn.drawn, drawnWith()) && state.columns.every(keeps) && state.temperature > 0) {
    state.seed += 1;
    changed("drawing");
  }
  const again = begin(turn.parent, turn.message);
  const kept = same(turn.drawn, again.drawn) ? state.columns.filter(keeps) : [];
  for (const column of kept) again.replies[column.id] = structuredClone(turn.replies[column.id]);
  const rest = state.columns.filter((column) => !kept.includes(column));
  return write(again, rest.length ? rest : state.columns);
};

const fill = (turn) => write(turn, state.columns.filter((column) => !turn.replies[column.id]));

const noteOf = (turn, column, reply) => {
  const ends = { length: `cut at ${turn.drawn.tokens} tokens`, stopped: "stopped" };
  return [ends[reply.finish], same(reply.setting, settingOf(column)) ? "" : "an earlier setting"].filter(Boolean).join(", ");
};

const showReply = (turn, column) => {
  const cell = cellOf(turn, column);
  const reply = turn.replies[column.id];
  if (!cell || !reply) return;
  const { body, note, head } = cell;
  head.textContent = titleOf(reply.setting);
  note.textContent = noteOf(turn, column, reply);
  body.classList.toggle("running", !!reply.running);
  if (reply.error) {
    body.replaceChildren(el("p", { class: "error", role: "alert" }, reply.error));
    return;
  }
  if (reply.running || !reply.text) {
    body.replaceChildren(reply.text || (reply.running ? "" : el("span", { class: "none" }, "an empty reply")));
    return;
  }
  if (isColoured(state.view)) {
    const view = state.view;
    if (!body.childNodes.length) body.replaceChildren(reply.text);
    const current = () => state.view === view && cellOf(turn, column) === cell && turn.replies[column.id] === reply;
    colour(body, note, turn, column.id, reply, view, current);
    return;
  }
  const first = turn.replies[state.columns[0].id];
  const isCompared = state.view === "words" && column !== state.columns[0] && first && !first.running && !first.error;
  const pieces = isCompared ? differing(reply.text, first.text) : null;
  body.replaceChildren(...(pieces
    ? pieces.map((piece) => (piece.differs ? el("mark", {}, piece.text) : piece.text)) : [reply.text]));
};

const cell = (turn, column) => {
  const head = el("span", {}, titleOf(column));
  const body = el("div", { class: "text" });
  const note = el("p", { class: "note" });
  cells.set(`${turn.id}/${column.id}`, { body, note, head });
  const letter = el("span", { class: "letter", "aria-hidden": "true" }, letterOf(column));
  if (!turn.replies[column.id]) {
    body.append(el("span", { class: "none" }, "This column came later. "), el("button", {
      type: "button", class: "plain", disabled: isRunning(), onclick: () => fill(turn),
    }, "write it"));
  }
  return el("article", { class: "reply" }, el("h3", {}, letter, head), body, note);
};

const ways = (turn) => {
  const siblings = childrenOf(turn.parent);
  if (siblings.length < 2) return null;
  const here = siblings.indexOf(turn);
  const go = (step, text, label) => el("button", {
    type: "button", class: "plain", "aria-label": label, disabled: !siblings[here + step] || isRunning(),
    onclick: () => {
      state.leaf = leafBelow(siblings[here + step].id);
      changed("turns");
    },
  }, text);
  return el("span", { class: "ways" }, go(-1, "‹", "previous branch"), `${here + 1} of ${siblings.length}`,
    go(1, "›", "next branch"));
};

const asked = (turn) => {
  const place = el("div", { class: "asked" });
  const edit = () => {
    const text = el("textarea", { rows: 3, value: turn.message, "aria-label": "the message, changed" });
    const again = () => text.value.trim() && write(begin(turn.parent, text.value.trim()), state.columns);
    place.replaceChildren(text, el("span", { class: "tools" },
      el("button", { type: "button", class: "plain", onclick: again }, "send as a branch"),
      el("button", { type: "button", class: "plain", onclick: () => changed("turns") }, "cancel")));
    text.focus();
  };
  place.append(el("p", { class: "message" }, turn.message), el("span", { class: "tools" },
    ways(turn),
    el("button", { type: "button", class: "plain", disabled: isRunning(), onclick: edit }, "edit"),
    el("button", { type: "button", class: "plain", disabled: isRunning(), onclick: () => retry(turn) }, "retry")));
  return place;
};

const branches = () => {
  const ends = leaves();
  byId("branches").hidden = ends.length < 2;
  byId("branches").querySelector("summary").textContent = `${ends.length} branches`;
  byId("branch-list").replaceChildren(...ends.map((turn) => {
    const path = pathTo(turn.id);
    const text = path.map((one) => one.message).join(" › ");
    return el("li", {}, el("button", {
      type: "button", class: "plain", "aria-current": turn.id === state.leaf ? "true" : null, disabled: isRunning(),
      onclick: () => {
        state.leaf = turn.id;
        changed("turns");
      },
    }, text.length > 90 ? `${text.slice(0, 90)}…` : text, ` (seed ${turn.drawn.seed})`));
  }));
};

export const showTurns = () => {
  cells.clear();
  const path = pathTo(state.leaf);
  byId("turns").replaceChildren(...path.map((turn) => el(
    "section", { class: "turn", "aria-label": `turn: ${turn.message.slice(0, 60)}` },
    asked(turn), el("div", { class: "columns" }, state.columns.map((column) => cell(turn, column))),
  )));
  for (const turn of path) for (const column of state.columns) showReply(turn, column);
  byId("hello").hidden = path.length > 0;
  byId("views").hidden = path.length === 0;
  branches();
};

// Settings have moved: what stands above the replies says so.
export const showStanding = () => {
  for (const turn of pathTo(state.leaf)) for (const column of state.columns) {
    const reply = turn.replies[column.id];
    const found = cellOf(turn, column);
    if (!reply || !found || reply.running || isColoured(state.view)) continue;
    found.note.textContent = noteOf(turn, column, reply);
  }
};

export const restart = () => {
  state.leaf = null;
  changed("turns");
};

export const retryLast = () => turnOf(state.leaf) && retry(turnOf(state.leaf));
