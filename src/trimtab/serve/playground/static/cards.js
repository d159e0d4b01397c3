// One card for each column: what it does to the model, with sliders.
import { checks } from "./checks.js";
import { byId, el, signed } from "./dom.js";
import { isRecommended, layerChoices, recommendedPush, scaleOf, curveOf } from "./doses.js";
import { post } from "./server.js";
import { labelOf, slider } from "./slider.js";
import {
  MOST_COLUMNS, askingColumn, changed, copyOf, plainColumn, positionsOf, pushFor, recommendedPositions, server, state,
  steeredColumn, steeringOf,
} from "./state.js";

const ASKED_FOR = "In all of your replies, show this behavior: ";

export const letterOf = (column) => String.fromCharCode(65 + state.columns.findIndex((one) => one.id === column.id));

// The name of a setting: what stands above its replies, too.
export const titleOf = (setting) => {
  if (setting.kind === "plain") return "Unsteered";
  if (setting.kind === "asking") return "Just asking";
  const named = setting.pushes.map((push) => {
    const vector = server.vectors.get(push.vector);
    const value = vector ? labelOf(vector, push) : `${signed(push.strength)} ${push.scale}`;
    return `${push.vector} ${value}`;
  });
  const where = setting.positions ? ` at ${setting.positions}` : "";
  return named.length ? named.join(", ") + where : "No vector";
};

export const promptFor = (vector) => {
  const text = vector?.measured?.description ?? "";
  return text ? ASKED_FOR + text : "";
};

const remove = (column) => {
  state.columns = state.columns.filter((one) => one !== column);
  changed("columns");
  byId("add-steered").focus();
};

const add = (column, behind = null) => {
  if (state.columns.length >= MOST_COLUMNS) return;
  const place = behind ? state.columns.indexOf(behind) + 1 : state.columns.length;
  state.columns.splice(place, 0, column);
  changed("columns");
  byId(`card-${column.id}`)?.querySelector("input, textarea, select")?.focus();
};

// Another column begins at another place: half of the pushes of the last one.
const weaker = (column) => {
  for (const push of column.pushes) push.strength = Number((push.strength / 2).toPrecision(6));
  return column;
};

const vectorChoice = (column, push) => {
  const names = [...server.vectors.keys()];
  if (!names.includes(push.vector)) names.unshift(push.vector);
  const taken = column.pushes.map((one) => one.vector);
  const choice = el("select", { "aria-label": "vector" }, names.map((name) =>
    el("option", { value: name, selected: name === push.vector, disabled: name !== push.vector && taken.includes(name) },
      server.vectors.has(name) ? name : `${name} (missing)`)));
  choice.addEventListener("change", () => {
    Object.assign(push, pushFor(server.vectors.get(choice.value)));
    changed("columns");
  });
  return choice;
};

const layerChoice = (vector, push) => {
  const label = push.layers.join("+");
  const choice = el("select", { "aria-label": `${vector.name}, layer` }, layerChoices(vector).map((one) =>
    el("option", { value: one.label, selected: one.label === label }, `layer ${one.label}${one.known ? "" : " ·"}`)));
  choice.addEventListener("change", () => {
    const [before, layers] = [curveOf(vector, push.layers), choice.value.split("+").map(Number)];
    const after = curveOf(vector, layers);
    // The same nats at the other layer, where both are known; else the same strength.
    if (state.unit === "nats" && before && after) push.strength = after.strength(before.root(push.strength));
    push.layers = layers;
    const use = recommendedPush(vector);
    push.vector_layer = use && use.layers.join("+") === choice.value ? use.vector_layer : null;
    changed("columns");
  });
  return choice;
};

const pushRow = (column, push, title) => {
  const vector = server.vectors.get(push.vector);
  const several = column.pushes.length > 1;
  const away = several && el("button", {
    type: "button", class: "plain", "aria-label": `take out ${push.vector}`,
    onclick: () => {
      column.pushes = column.pushes.filter((one) => one !== push);
      changed("columns");
    },
  }, "×");
  if (!vector) {
    return el("div", { class: "row missing" }, el("div", { class: "names" }, vectorChoice(column, push), away),
      el("p", { class: "where" }, "This server does not have the vector of the link. Choose another, or take it out."));
  }
  const made = slider(vector, push, () => {
    title();
    if (reset) reset.hidden = isRecommended(vector, push);
    changed("setting");
  });
  const use = recommendedPush(vector);
  const reset = use && el("button", {
    type: "button", class: "plain",
    onclick: () => {
      const there = use.layers.join() === push.layers.join();
      Object.assign(push, { layers: use.layers, vector_layer: use.vector_layer });
      if (there) made.set(use.strength);
      else {
        push.strength = use.strength;
        changed("columns");
      }
    },
  }, "back to recommended");
  if (reset) {
    reset.hidden = isRecommended(vector, push);
    made.box.querySelector(".where").append(reset);
  }
  const unknown = scaleOf(vector) && state.unit === "nats" && !curveOf(vector, push.layers);
  return el(
    "div", { class: "row" },
    el("div", { class: "names" }, vectorChoice(column, push), layerChoice(vector, push), away),
    made.box,
    unknown && el("p", { class: "hint" }, `No dose in nats is known here; the slider is in ${push.scale} strength.`),
    checks(vector),
  );
};

const another = (column) => {
  const free = [...server.vectors.values()].find((one) => !column.pushes.some((push) => push.vector === one.name));
  return free && el("button", {
    type: "button", class: "plain",
    onclick: () => {
      column.pushes.push({ ...pushFor(free), strength: 0 });
      changed("columns");
    },
  }, "add a vector");
};

const asking = (column) => {
  const text = el("textarea", { rows: 4, value: column.prompt, placeholder: "In all of your replies, …" });
  text.addEventListener("input", () => {
    column.prompt = text.value;
    changed("setting");
  });
  return [
    el("label", { class: "field" }, "System prompt instead of a push", text),
    el("p", { class: "hint" }, "The model as it is, asked for the behavior. Would a prompt do as well?"),
  ];
};

// Which tokens a column pushes: named positions to choose from, and those with a number of their own to type.
const positionsChoice = (column, title) => {
  const hint = el("p", { class: "hint", role: "status" });
  const list = `positions-${column.id}`;
  const box = el("input", { value: positionsOf(column), list, autocomplete: "off", spellcheck: "false", size: 14 });
  const head = (text) => text.split(":")[0];
  const say = (refusal = "") => {
    const [, meaning] = Object.entries(server.positions).find(([name]) => head(name) === head(box.value)) ?? [];
    hint.textContent = refusal || meaning || "";
    box.setAttribute("aria-invalid", String(!!refusal));
  };
  say();
  box.addEventListener("change", async () => {
    const typed = box.value = box.value.trim() || recommendedPositions(column);
    if (typed === recommendedPositions(column)) delete column.positions;
    else column.positions = typed;
    say();
    title();
    changed("setting");
    const steering = steeringOf(column);
    if (!steering) return;
    const found = await post("/v1/steering/validate", { steering }).catch(() => ({ valid: true }));
    if (!found.valid && box.value === typed) say(found.reason);
  });
  const named = Object.keys(server.positions).filter((name) => !name.includes(":"));
  return el("div", { class: "positions" }, el("label", { class: "field" }, "Tokens that are pushed", box),
    el("datalist", { id: list }, [...named, "first:20", "after:20"].map((name) => el("option", { value: name }))), hint);
};

const card = (column) => {
  const heading = el("span", {});
  const title = () => { heading.textContent = titleOf(column); };
  title();
  const isFirst = column === state.columns[0];
  const buttons = !isFirst && el(
    "p", { class: "buttons" }, column.kind === "steered" && another(column),
    state.columns.length < MOST_COLUMNS && el("button", {
      type: "button", class: "plain", "aria-label": `duplicate column ${letterOf(column)}`,
      onclick: () => add(copyOf(column), column),
    }, "duplicate"),
    el("button", {
      type: "button", class: "plain", "aria-label": `remove column ${letterOf(column)}`, onclick: () => remove(column),
    }, "remove"),
  );
  const body = column.kind === "steered" ? [
    ...column.pushes.map((push) => pushRow(column, push, title)), column.pushes.length > 0 && positionsChoice(column, title),
  ] : column.kind === "asking" ? asking(column) : [
    el("p", { class: "hint" }, "The model as it is, with the same seed. Every other column is compared with this one."),
  ];
  return el(
    "article", { class: "card", id: `card-${column.id}`, "data-kind": column.kind },
    el("h3", {}, el("span", { class: "letter", "aria-hidden": "true" }, letterOf(column)), heading), body, buttons,
  );
};

export const showCards = () => {
  // What was unfolded stays unfolded, and what had the focus keeps it, by their places.
  const place = byId("cards");
  const open = new Set([...place.querySelectorAll("details[open]")].map(pathOf));
  const focused = place.contains(document.activeElement) ? pathOf(document.activeElement) : "";
  place.replaceChildren(...state.columns.map(card));
  for (const fold of place.querySelectorAll("details")) fold.open = open.has(pathOf(fold));
  if (focused) [...place.querySelectorAll("button, select, input, textarea")].find((one) => pathOf(one) === focused)?.focus();
  const full = state.columns.length >= MOST_COLUMNS;
  byId("add-steered").disabled = full || !server.vectors.size;
  byId("add-asking").disabled = full;
};

const pathOf = (element) => {
  const own = element.closest(".card");
  const alike = [...own.querySelectorAll(element.tagName)];
  return `${own.id}/${element.tagName}/${alike.indexOf(element)}`;
};

// What the page begins with: the model as it is, and the first vector at its recommended setting.
export const firstColumns = () => {
  const first = [...server.vectors.values()].sort((a, b) => !!b.recommended - !!a.recommended)[0];
  state.columns = [];
  state.columns.push(plainColumn());
  if (first) state.columns.push(steeredColumn([pushFor(first)]));
};

export const wireCards = () => {
  byId("add-steered").addEventListener("click", () => {
    const last = state.columns.findLast((column) => column.kind === "steered");
    if (last) return add(weaker(copyOf(last)));
    return add(steeredColumn([pushFor([...server.vectors.values()][0])]));
  });
  byId("add-asking").addEventListener("click", () => {
    const push = state.columns.find((column) => column.kind === "steered")?.pushes[0];
    add(askingColumn(promptFor(server.vectors.get(push?.vector))));
  });
  for (const choice of document.querySelectorAll("[name=unit]")) {
    choice.checked = choice.value === state.unit;
    choice.addEventListener("change", () => {
      state.unit = choice.value;
      changed("columns");
    });
  }
};
