// What the checks found about a vector, as it stands in its run.
import { el, plain } from "./dom.js";

const PARTS = [
  ["side effects", "What else moves", ["side_effects"]],
  ["random directions", "Would a random push do it", ["side_effects"]],
  ["robustness", "Does it survive", ["robustness"]],
  ["baselines", "Would a prompt do it", ["baselines"]],
  ["pairs", "Are the pairs good", ["diagnosis"]],
];

const effectOf = (measured) => {
  const { change, low, high, unit, measure } = measured.effect;
  const interval = low === null ? "no interval: too few prompts" : `95% interval ${plain(low)} to ${plain(high)}`;
  const held = measured.held_out === false ? " Measured on the prompts that chose the setting, so it is optimistic." : "";
  const prompts = measured.prompts ? `, ${measured.prompts} prompts` : "";
  return el(
    "p", { class: "effect" }, el("strong", {}, `${plain(change)} ${unit}`.trim()), ` by ${measure} (${interval}${prompts}).${held}`,
  );
};

// One line that stands beside the slider, and whether it is good news.
export const headline = (vector) => {
  const measured = vector.measured;
  if (!measured?.effect) {
    return measured?.checked?.length
      ? { state: "care", text: vector.warnings[0] ?? "no setting is shown to work" }
      : { state: "none", text: "not checked: nothing was measured of this vector" };
  }
  const { low, high } = measured.effect;
  const shown = low !== null && (low > 0 || high < 0);
  const cautions = vector.warnings.length;
  const text = shown ? "an effect is shown" : "no effect is shown";
  return {
    state: shown ? "good" : "care",
    text: cautions ? `${text}; ${cautions} ${cautions === 1 ? "caution" : "cautions"}` : text,
  };
};

export const checks = (vector) => {
  const { state, text } = headline(vector);
  const measured = vector.measured;
  const body = [];
  if (measured?.statement) body.push(el("p", { class: "statement" }, measured.statement));
  if (measured?.effect?.change !== undefined) body.push(effectOf(measured));
  const findings = measured?.findings ?? [];
  const cautions = new Set(vector.warnings);
  if (measured?.checked || measured?.effect) {
    for (const [measure, title, made] of PARTS) {
      const mine = findings.filter((one) => one.measure === measure);
      for (const one of mine) cautions.delete(one.text);
      const wasMade = made.some((name) => measured.checked?.includes(name));
      const nothing = wasMade ? "nothing to report" : "not checked";
      if (mine.length) body.push(el("h4", {}, title), el("ul", {}, mine.map((one) => el("li", { class: one.kind }, one.text))));
      else body.push(el("p", { class: "nothing" }, el("strong", {}, title), nothing));
    }
  }
  if (cautions.size) body.push(el("h4", {}, "Warnings"), el("ul", {}, [...cautions].map((one) => el("li", { class: "caution" }, one))));
  const made = [vector.method && `made by ${vector.method}`, vector.pairs && `from ${vector.pairs} pairs`].filter(Boolean);
  body.push(el("p", { class: "none" }, [...made, `hash ${vector.hash}`].join(", ")));
  return el(
    "details", { class: "checks", "data-state": state },
    el("summary", {}, el("span", { class: "dot", "aria-hidden": "true" }), "Checks: ", text),
    el("div", { class: "found", tabindex: 0, role: "group", "aria-label": `what the checks found about ${vector.name}` }, body),
  );
};
