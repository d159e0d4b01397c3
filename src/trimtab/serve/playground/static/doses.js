// Between strengths and nats: what a run measured, the square law of small pushes between and beyond it.
export const scaleOf = (vector) => vector.recommended?.scale ?? vector.measured?.doses?.[0]?.scale ?? "relative";

const sameLayers = (a, b) => a.length === b.length && a.every((layer, place) => layer === b[place]);

// Points (size of the strength, square root of the nats) of one sign, rising, from (0, 0) on.
const side = (rows, sign) => {
  const points = [[0, 0]];
  const mine = rows.filter((row) => Math.sign(row.strength) === sign);
  for (const row of mine.sort((a, b) => Math.abs(a.strength) - Math.abs(b.strength))) {
    const [size, before] = points.at(-1);
    if (Math.abs(row.strength) <= size) continue;
    points.push([Math.abs(row.strength), Math.max(Math.sqrt(row.kl), before + 1e-4)]);
  }
  return points;
};

const along = (points, value, from, to) => {
  let place = points.findIndex((point) => point[from] >= value);
  if (place === 0) return 0;
  if (place < 0) {
    const last = points.at(-1);
    return last[to] + (value - last[from]) * (last[to] / last[from]);
  }
  const [before, after] = [points[place - 1], points[place]];
  return before[to] + ((value - before[from]) / (after[from] - before[from])) * (after[to] - before[to]);
};

// The doses of a vector at some layers; null where a run measured none there.
export const curveOf = (vector, layers) => {
  const scale = scaleOf(vector);
  const rows = (vector.measured?.doses ?? []).filter((row) => row.scale === scale && sameLayers(row.layers, layers));
  const sides = { 1: side(rows, 1), [-1]: side(rows, -1) };
  const measured = { 1: sides[1].at(-1)[0], [-1]: sides[-1].at(-1)[0] };
  if (!measured[1] && !measured[-1]) return null;
  // A sign that was not measured is taken for the mirror image of the other, and marked as not measured.
  const points = (sign) => (measured[sign] ? sides[sign] : sides[-sign]);
  return {
    measured,
    // Square root of the nats with the sign of the push: equal steps are about equal strengths.
    root: (strength) => Math.sign(strength) * along(points(Math.sign(strength) || 1), Math.abs(strength), 0, 1),
    strength: (root) => Math.sign(root) * along(points(Math.sign(root) || 1), Math.abs(root), 1, 0),
  };
};

export const natsOfRoot = (root) => Math.sign(root) * root * root;
export const rootOfNats = (nats) => Math.sign(nats) * Math.sqrt(Math.abs(nats));

// Up to which strengths replies were coherent, by sign; null where nobody looked.
export const coherenceOf = (vector, layers, sign) =>
  (vector.measured?.coherence ?? []).find((row) => row.direction === sign && sameLayers(row.layers, layers)) ?? null;

// Up to which strength a run has doses or replies on one side, in the scale that it measured in; 0 where it has neither.
export const measuredTo = (vector, push, sign) => {
  if (push.scale !== scaleOf(vector)) return 0;
  return Math.max(curveOf(vector, push.layers)?.measured[sign] ?? 0, coherenceOf(vector, push.layers, sign)?.largest ?? 0);
};

// The strength that each layer gets when the vector is pushed as recommended.
export const recommendedPush = (vector) => {
  const use = vector.recommended;
  if (!use) return null;
  const strength = use.share_strength ? use.strength / use.layers.length : use.strength;
  return { layers: use.layers, strength, vector_layer: use.vector_layer };
};

export const isRecommended = (vector, push) => {
  const use = recommendedPush(vector);
  return !!use && sameLayers(use.layers, push.layers) && Math.abs(use.strength - push.strength) < 1e-9;
};

// Layers that a push can be at: what was measured first, then every single one.
export const layerChoices = (vector) => {
  const seen = new Map();
  const add = (layers, known) => {
    const label = layers.join("+");
    if (!seen.has(label)) seen.set(label, { layers, label, known });
  };
  if (vector.recommended) add(vector.recommended.layers, true);
  for (const row of [...(vector.measured?.doses ?? []), ...(vector.measured?.coherence ?? [])]) add(row.layers, true);
  for (const layer of vector.layers) add([layer], false);
  return [...seen.values()].sort((a, b) => a.layers.length - b.layers.length || a.layers[0] - b.layers[0]);
};

// What is known of a push, in words and as a state for colours.
export const standing = (vector, push) => {
  if (push.strength === 0) return { state: "none", text: "no push" };
  if (isRecommended(vector, push)) return { state: "recommended", text: "the recommended setting" };
  const sign = Math.sign(push.strength);
  const size = Math.abs(push.strength);
  const coherent = coherenceOf(vector, push.layers, sign);
  const within = (end) => size <= end * (1 + 1e-6) + 1e-9;
  if (coherent && !within(coherent.usable) && within(coherent.largest)) {
    return { state: "incoherent", text: `replies fell below a coherence of ${coherent.floor} here` };
  }
  const tried = measuredTo(vector, push, sign);
  if (!tried && !measuredTo(vector, push, -sign)) return { state: "unknown", text: "not measured at this layer" };
  if (!within(tried)) return { state: "unknown", text: "not measured: beyond what the run tried" };
  return { state: "measured", text: "within the measured range" };
};
