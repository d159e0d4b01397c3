// The setting of a column as code that asks for the same.
import { letterOf, titleOf } from "./cards.js";
import { byId, copied, el } from "./dom.js";
import { file, post } from "./server.js";
import { messagesFor, server, settingOf, state, steeringOf, turnOf } from "./state.js";

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
// JSON that is Python too: true and null are written otherwise there.
const python = (value, indent = 0) => {
  if (value === true) return "True";
  if (value === false) return "False";
  if (value === null) return "None";
  const pad = "    ".repeat(indent + 1);
  if (Array.isArray(value)) {
    if (value.every((one) => typeof one !== "object")) return `[${value.map((one) => python(one)).join(", ")}]`;
    return `[\n${value.map((one) => `${pad}${python(one, indent + 1)},\n`).join("")}${"    ".repeat(indent)}]`;
  }
  if (typeof value === "object") {
    const items = Object.entries(value).map(([name, one]) => `${JSON.stringify(name)}: ${python(one, indent + 1)}`);
    return `{${items.join(", ")}}`;
  }
  return JSON.stringify(value);
};

// The conditions on the prompt that the server adds where a setting does not say otherwise, each on one line.
const conditionsOf = (steering) => [...new Set((steering?.pushes ?? [])
  .map((push) => [push.vector, server.vectors.get(push.vector)?.recommended?.when])
  .filter(([, when]) => when)
  .map(([vector, when]) => `${vector} is pushed ${when}`.replaceAll(/\s+/g, " ")))];

const bodyOf = (messages, steering) => ({
  model: server.model, messages, temperature: state.temperature, seed: state.seed, max_tokens: state.tokens,
  ...(steering ? { steering } : {}),
});

const KEY_LINE = 'export TRIMTAB_SERVE_KEY=…';

const curl = (messages, steering) => [
  server.needsKey && KEY_LINE,
  `curl ${location.origin}/v1/chat/completions -H "Content-Type: application/json" \\`,
  server.needsKey && '  -H "Authorization: Bearer $TRIMTAB_SERVE_KEY" \\',
  `  -d ${quoted(JSON.stringify(bodyOf(messages, steering)))}`,
].filter(Boolean).join("\n");

const openai = (messages, steering) => [
  "import os", "", "from openai import OpenAI", "",
  `client = OpenAI(base_url="${location.origin}/v1", api_key=os.environ.get("TRIMTAB_SERVE_KEY", "none"))`,
  "reply = client.chat.completions.create(",
  `    model=${JSON.stringify(server.model)},`,
  `    messages=${python(messages, 1)},`,
  `    temperature=${state.temperature}, seed=${state.seed}, max_tokens=${state.tokens},`,
  steering && `    extra_body={"steering": ${python(steering, 1)}},`,
  ")", "print(reply.choices[0].message.content)",
].filter((line) => line !== null && line !== false).join("\n");

const options = (push, steering) => {
  const layer = push.layers.length === 1 ? push.layers[0] : `(${push.layers.join(", ")})`;
  const elsewhere = push.vector_layer === undefined ? "" : `, vector_layer=${push.vector_layer}`;
  const how = `scale=${JSON.stringify(push.scale)}, positions=${JSON.stringify(steering.positions)}`;
  return `layer=${layer}, strength=${push.strength}, ${how}${steering.first_token ? ", first_token=True" : ""}${elsewhere}`;
};

const trimtab = (messages, steering) => {
  const pushes = steering?.pushes ?? [];
  const missing = conditionsOf(steering).map((condition) =>
    `# On this server ${condition}; here always, unless steer has gate=Monitor.load(FILE).prompt_gate(…), from trimtab.monitors`);
  const lines = ["import trimtab", "", `model = trimtab.load(${JSON.stringify(server.model)})`];
  pushes.forEach((push) => lines.push(`${name(push)} = trimtab.SteeringVector.load("${push.vector}.safetensors")`));
  let indent = "";
  for (const push of pushes) {
    lines.push(`${indent}with model.steer(${name(push)}, ${options(push, steering)}):`);
    indent += "    ";
  }
  const drawn = `max_new_tokens=${state.tokens}, temperature=${state.temperature}, seed=${state.seed}`;
  return [...missing, ...lines.slice(0, 3), `messages = ${python(messages)}`, ...lines.slice(3), `${indent}print(model.generate([messages], ${drawn})[0])`].join("\n");
};
const name = (push) => push.vector.replaceAll(/\W/g, "_").replace(/^(\d)/, "v$1");

const chat = (messages, steering) => {
  const pushes = steering?.pushes ?? [];
  if (pushes.length > 1) return `# trimtab chat pushes one vector; this setting has ${pushes.length}: use curl or Python.`;
  if (!pushes.length) return `trimtab chat --model ${server.model}`;
  const [push] = pushes;
  const layers = push.layers.map((layer) => `--layer ${layer}`).join(" ");
  const first = steering.first_token ? " --first-token" : "";
  const missing = conditionsOf(steering).map((condition) =>
    `# On this server ${condition}; here always, unless you add that monitor: --when FILE --when-above … --when-reads …\n`);
  return `${missing.join("")}trimtab chat --model ${server.model} --vectors ${push.vector}.safetensors ${layers} --strength ${push.strength} \\\n` +
    `  --scale ${push.scale} --positions ${steering.positions}${first} --compare`;
};

const WAYS = { curl, "Python, OpenAI's client": openai, "Python, trimtab": trimtab, "trimtab chat": chat };

const show = () => {
  const column = state.columns.find((one) => one.id === byId("code-column").value) ?? state.columns[0];
  const turn = turnOf(state.leaf) ?? { parent: null, message: "How are you?" };
  const setting = settingOf(column);
  const steering = steeringOf(setting);
  const made = WAYS[byId("code-way").value](messagesFor(column.id, setting, turn), steering);
  byId("code").textContent = made;
  const one = steering?.pushes.length === 1;
  const conditions = conditionsOf(steering);
  byId("losses").replaceChildren(...(one ? conditions : []).map((condition) => el(
    "p", {}, `${condition}. A GGUF file and a baked model would push always, so this setting has none.`)));
  for (const button of document.querySelectorAll(".export")) {
    button.disabled = !one || (PUSH_ALWAYS.includes(button.id) && conditions.length > 0);
  }
};

// The setting as a file for llama.cpp, with what it loses there.
const asGguf = async (steering) => {
  const made = await post("/v1/steering/gguf", { steering });
  const bytes = Uint8Array.from(atob(made.content), (character) => character.charCodeAt(0));
  return { name: made.name, content: new Blob([bytes]), losses: made.losses };
};

// As a folder in an archive: for the hub, or a model with the push in its weights.
const asFolder = (form) => async (steering) => ({
  ...await file("/v1/steering/export", { steering, as: form }),
  losses: ["README.md in it says what was measured of it, and what is lost."],
});

const EXPORTS = { gguf: asGguf, "export-folder": asFolder("folder"), "export-model": asFolder("model") };

const PUSH_ALWAYS = ["gguf", "export-model"];

const download = async (id) => {
  const column = state.columns.find((one) => one.id === byId("code-column").value);
  const [losses, button] = [byId("losses"), byId(id)];
  losses.replaceChildren(el("p", {}, "The file is being made…"));
  button.disabled = true;
  try {
    const made = await EXPORTS[id](steeringOf(settingOf(column)));
    const link = el("a", { href: URL.createObjectURL(made.content), download: made.name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    losses.replaceChildren(...made.losses.map((text) => el("p", {}, text)));
  } catch (error) {
    // Where a command does what the server does not, it stands behind the reason, ready to be copied.
    const [reason, command] = error.message.split("\n");
    losses.replaceChildren(el("p", { class: "error" }, reason));
    if (command) byId("code").textContent = command;
  }
  button.disabled = false;
};

export const wireCode = () => {
  for (const id of Object.keys(EXPORTS)) byId(id).addEventListener("click", () => download(id));
  byId("code-way").replaceChildren(...Object.keys(WAYS).map((way) => el("option", { value: way }, way)));
  for (const id of ["code-way", "code-column"]) byId(id).addEventListener("change", show);
  byId("open-code").addEventListener("click", () => {
    const last = state.columns.findLast((column) => column.kind === "steered") ?? state.columns[0];
    byId("code-column").replaceChildren(...state.columns.map((column) => el(
      "option", { value: column.id, selected: column === last }, `${letterOf(column)}: ${titleOf(column)}`)));
    show();
    byId("code-dialog").showModal();
  });
  byId("copy-code").addEventListener("click", () => copied(byId("copy-code"), byId("code").textContent));
};
