// Tokens coloured by how far steering moved the model at each, or by a monitor; what stood beside them on a card.
import { byId, el, plain, share } from "./dom.js";
import { post } from "./server.js";
import { messagesFor, server, steeringOf } from "./state.js";

export const KL = "kl";
const MONITOR = "monitor:";
const FULL_NATS = 3;
/* Colour is full at this many nats; a square root, so that small moves show. */

export const monitorOf = (view) => (view.startsWith(MONITOR) ? view.slice(MONITOR.length) : "");
export const isColoured = (view) => view === KL || server.monitors.includes(monitorOf(view));
export const views = () => [
  ["words", "differing words"], ["kl", "nats at each token"],
  ...server.monitors.map((name) => [MONITOR + name, `monitor: ${name}`]), ["plain", "plain"],
];

const read = new WeakMap();
let queue = Promise.resolve();

// What the server reads in a reply; asked once, one reply after the other.
const comparison = (turn, columnId, reply, view) => {
  const known = read.get(reply) ?? new Map();
  read.set(reply, known);
  const monitor = monitorOf(view);
  if (!known.has(monitor)) {
    const messages = messagesFor(columnId, reply.setting, turn);
    const steering = steeringOf(reply.setting);
    const body = {
      messages, reply: reply.text, ...(reply.ids ? { reply_tokens: reply.ids } : {}), top: 5, ...(steering ? { steering } : {}), ...(monitor ? { monitors: [monitor] } : {}),
      ...(reply.setting.kind === "asking" ? { unsteered_messages: messagesFor(columnId, { kind: "plain" }, turn) } : {}),
    };
    const made = queue.then(() => post("/v1/steering/compare", body));
    queue = made.catch(() => {});
    known.set(monitor, made);
    made.catch(() => known.delete(monitor));
  }
  return known.get(monitor);
};

const card = () => byId("token-card");

const listed = (title, tokens, own) => el(
  "div", {}, el("h4", {}, title),
  el("ol", {}, tokens.map((one) => {
    const bar = el("span", { class: "bar" });
    bar.style.width = `${100 * Math.exp(one.logprob)}%`;
    return el("li", { class: one.token === own ? "own" : null }, bar, el("code", {}, shown(one.token)), share(one.logprob));
  })),
);

// Spaces and line breaks at the ends of a token are part of it.
const shown = (token) => token.replaceAll("\n", "↵").replace(/^ /, "␣").replace(/ $/, "␣") || "∅";

const cardFor = (token) => {
  const rows = [];
  if (token.kl !== undefined) {
    rows.push(el("p", {}, el("strong", {}, `${plain(token.kl)} nats`), " from the unsteered model"));
    rows.push(el("p", { class: "other" },
      `this token: ${share(token.logprob_steered)} here, ${share(token.logprob_unsteered)} unsteered`));
    rows.push(el("div", { class: "likely" },
      listed("here", token.top_steered, token.token), listed("unsteered", token.top_unsteered, token.token)));
  } else {
    rows.push(el("p", {}, el("strong", {}, plain(token.probability)), " by the monitor"));
    rows.push(el("p", { class: "other" }, `logit ${plain(token.logit)}`));
  }
  return [el("p", { class: "token" }, el("code", {}, shown(token.token))), ...rows];
};

const hide = () => { card().hidden = true; };

const show = (span, token) => {
  card().replaceChildren(...cardFor(token));
  card().hidden = false;
  placeBeside(span);
};

const placeBeside = (span) => {
  const place = card();
  const box = span.getBoundingClientRect();
  const [width, height] = [place.offsetWidth, place.offsetHeight];
  const left = Math.max(8, Math.min(box.left, document.documentElement.clientWidth - width - 8));
  const below = box.bottom + 6 + height < window.innerHeight;
  place.style.left = `${left}px`;
  place.style.top = `${below ? box.bottom + 6 : Math.max(8, box.top - height - 6)}px`;
};

const heat = (token) => (token.kl === undefined ? token.probability : Math.sqrt(Math.min(1, token.kl / FULL_NATS)));

const named = (token) => token.kl === undefined
  ? `${shown(token.token)}, ${plain(token.probability)}` : `${shown(token.token)}, ${plain(token.kl)} nats`;

// One stop for the tab key; arrows go from token to token.
const spans = (tokens, label) => {
  const made = tokens.map((token, place) => {
    const span = el("span", {
      class: "t", role: "button", tabindex: place ? -1 : 0, "aria-label": named(token), "aria-describedby": "token-card",
    }, token.token);
    span.style.setProperty("--heat", `${(100 * heat(token)).toFixed(0)}%`);
    for (const event of ["mouseenter", "focus", "click"]) span.addEventListener(event, () => show(span, token));
    span.addEventListener("mouseleave", hide);
    span.addEventListener("blur", hide);
    return span;
  });
  const group = el("div", { class: "tokens", role: "group", "aria-label": label }, made);
  group.addEventListener("keydown", (event) => {
    const here = made.indexOf(document.activeElement);
    const steps = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: made.length - 1 };
    if (event.key === "Escape") hide();
    if (!(event.key in steps) || !made[steps[event.key]]) return;
    event.preventDefault();
    made[here].tabIndex = -1;
    made[steps[event.key]].tabIndex = 0;
    made[steps[event.key]].focus();
  });
  return group;
};

const summary = (found, view) => {
  const monitor = monitorOf(view);
  if (monitor) {
    const reading = found.monitors[monitor][0];
    return reading ? `${monitor}: ${plain(reading.probability)} for the whole reply` : "";
  }
  const most = found.tokens.reduce((a, b) => (b.kl > a.kl ? b : a));
  if (most.kl < 0.005) return "0 nats: nothing moves it";
  const anew = found.retokenized_differs ? "; its text alone would be read in other tokens" : "";
  return `mean ${plain(found.mean_kl)} nats a token; most at ${shown(most.token)} (${plain(most.kl)})${anew}`;
};

// Fill a reply's place with coloured tokens; `current` says whether they are still wanted when they come.
export const colour = async (body, note, turn, columnId, reply, view, current) => {
  body.setAttribute("aria-busy", "true");
  try {
    const found = await comparison(turn, columnId, reply, view);
    if (!current()) return;
    const tokens = monitorOf(view) ? found.monitors[monitorOf(view)][0]?.tokens ?? [] : found.tokens;
    body.replaceChildren(spans(tokens, "tokens of the reply; arrow keys go through them"));
    note.textContent = summary(found, view);
  } catch (error) {
    if (current()) note.textContent = `tokens cannot be coloured: ${error.message}`;
  } finally {
    body.removeAttribute("aria-busy");
  }
};

// A token that has the focus keeps its card where the page scrolls.
window.addEventListener("scroll", () => {
  const focused = document.activeElement;
  if (focused?.classList.contains("t") && !card().hidden) placeBeside(focused);
  else hide();
}, { passive: true });
