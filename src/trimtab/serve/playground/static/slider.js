// A slider for one push: in nats where doses are known, so that equal places are equal pushes, else in its own unit.
import { el, plain, signed } from "./dom.js";
import { coherenceOf, curveOf, measuredTo, natsOfRoot, recommendedPush, rootOfNats, standing } from "./doses.js";
import { server, state } from "./state.js";

const STEPS = 200;
const LEAST_NATS = 1;
const MOST_NATS = 9;

// One range for all sliders in nats: a third beyond the largest dose that any vector was measured at.
const rangeInNats = () => {
  const doses = [...server.vectors.values()].flatMap((vector) => (vector.measured?.doses ?? []).map((row) => row.kl));
  const most = Math.min(MOST_NATS, Math.max(LEAST_NATS, ...doses) * 1.3);
  return Math.sqrt(most);
};

const rangeOfStrength = (vector, push) => {
  const sizes = (vector.measured?.doses ?? []).map((row) => Math.abs(row.strength));
  const usual = server.scales.find((scale) => scale.name === push.scale)?.usual_range?.[1];
  const recommended = recommendedPush(vector)?.strength ?? 0;
  return Math.max(1.3 * Math.max(0, ...sizes), 2 * Math.abs(recommended), 2 * (usual ?? 0), usual ? 0 : 4);
};

const inNats = (vector, push) => state.unit === "nats" && curveOf(vector, push.layers) !== null;

export const unitOf = (vector, push) => (inNats(vector, push) ? "nats" : push.scale);

export const valueOf = (vector, push) =>
  inNats(vector, push) ? natsOfRoot(curveOf(vector, push.layers).root(push.strength)) : push.strength;

export const labelOf = (vector, push) => `${signed(valueOf(vector, push))} ${unitOf(vector, push)}`;

export const slider = (vector, push, moved) => {
  const nats = inNats(vector, push);
  const curve = curveOf(vector, push.layers);
  const most = nats ? rangeInNats() : rangeOfStrength(vector, push);
  const toPlace = (strength) => (nats ? curve.root(strength) : strength);
  const toStrength = (place) => (nats ? curve.strength(place) : place);
  const step = most / STEPS;
  const percent = (strength) => 50 + 50 * Math.max(-1, Math.min(1, toPlace(strength) / most));

  const span = (name, from, to) => {
    const bar = el("span", { class: name });
    const [low, high] = [percent(from), percent(to)].sort((a, b) => a - b);
    bar.style.left = `${low}%`;
    bar.style.width = `${high - low}%`;
    return bar;
  };
  const tick = (name, strength, text) => {
    const mark = el("span", { class: name, title: text });
    mark.style.left = `${percent(strength)}%`;
    return mark;
  };
  const track = el("div", { class: "track", "aria-hidden": "true" });
  const tried = (sign) => measuredTo(vector, push, sign);
  if (tried(1) || tried(-1)) track.append(span("measured", -tried(-1), tried(1)));
  for (const sign of [1, -1]) {
    const coherent = coherenceOf(vector, push.layers, sign);
    if (coherent && coherent.usable < coherent.largest) {
      track.append(span("incoherent", sign * coherent.usable, sign * coherent.largest));
      track.append(tick("floor", sign * coherent.usable, `coherence below ${coherent.floor} beyond`));
    }
  }
  track.append(tick("zero", 0, "no push"));
  const use = recommendedPush(vector);
  if (use && use.layers.join() === push.layers.join()) track.append(tick("recommended", use.strength, "recommended"));

  const input = el("input", {
    type: "range", min: -most, max: most, step, value: toPlace(push.strength),
    "aria-label": `${vector.name}, ${nats ? "push in nats" : `strength, ${push.scale}`}`,
  });
  const digits = nats || most < 10 ? 2 : 1;
  const number = el("input", {
    type: "number", class: "number", step: nats ? 0.05 : Number((10 * step).toPrecision(1)),
    "aria-label": `${vector.name}, ${nats ? "nats, minus pushes against" : `strength, ${push.scale}`}`,
  });
  const where = el("span", { class: "state" });
  const unit = el("span", { class: "unit" });

  const show = () => {
    const known = standing(vector, push);
    const value = nats ? natsOfRoot(curve.root(push.strength)) : push.strength;
    input.setAttribute("aria-valuetext", `${signed(value, digits)} ${nats ? "nats" : push.scale}, ${known.text}`);
    box.dataset.state = known.state;
    where.textContent = known.text;
    const own = push.scale === "relative" ? "" : ` ${push.scale}`;
    const dose = curve ? ` · ${plain(Math.abs(natsOfRoot(curve.root(push.strength))))} nats` : "";
    unit.textContent = nats ? `nats · α ${signed(push.strength, 3)}${own}` : `${push.scale}${dose}`;
    return value;
  };
  const set = (strength, from) => {
    push.strength = Math.abs(strength) < 1e-9 ? 0 : Number(strength.toPrecision(6));
    const value = show();
    if (from !== input) input.value = toPlace(push.strength);
    if (from !== number) number.value = Number(value.toFixed(digits + 1));
    if (from) moved();
  };
  input.addEventListener("input", () => {
    const place = Number(input.value);
    // The middle is easy to hit: there the push is exactly none.
    set(Math.abs(place) < step ? 0 : toStrength(place), input);
  });
  number.addEventListener("input", () => {
    const value = Number(number.value);
    if (number.value !== "" && Number.isFinite(value)) set(toStrength(nats ? rootOfNats(value) : value), number);
  });
  const box = el(
    "div", { class: "push" },
    el("div", { class: "rail" }, track, input),
    el("p", { class: "where" }, where, el("label", { class: "value" }, number, unit)),
  );
  set(push.strength, null);
  return { box, set: (strength) => set(strength, box) };
};
