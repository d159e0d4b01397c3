// The setting of a column as code that asks for the same.
import { letterOf, titleOf } from "./cards.js";
import { byId, copied, el } from "./dom.js";
import { post } from "./server.js";
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
  const lines = ["import trimtab", "", `model = trimtab.load(${JSON.stringify(server.model)})`];
  pushes.forEach((push) => lines.push(`${name(push)} = trimtab.SteeringVector.load("${push.vector}.safetensors")`));
  let indent = "";
  for (const push of pushes) {
    lines.push(`${indent}with model.steer(${name(push)}, ${options(push, steering)}):`);
    indent += "    ";
  }
  const drawn = `max_new_tokens=${state.tokens}, temperature=${state.temperature}, seed=${state.seed}`;
  return [...lines.slice(0, 3), `messages = ${python(messages)}`, ...lines.slice(3), `${indent}print(model.generate([messages], ${drawn})[0])`].join("\n");
};
const name = (push) => push.vector.replaceAll(/\W/g, "_").replace(/^(\d)/, "v$1");

const chat = (messages, steering) => {
  const pushes = steering?.pushes ?? [];
  if (pushes.length > 1) return `# trimtab chat pushes one vector; this setting has ${pushes.length}: use curl or Python.`;
  if (!pushes.length) return `trimtab chat --model ${server.model}`;
  const [push] = pushes;
  const layers = push.layers.map((layer) => `--layer ${layer}`).join(" ");
  const first = steering.first_token ? " --first-token" : "";
  return `trimtab chat --model ${server.model} --vectors ${push.vector}.safetensors ${layers} --strength ${push.strength} \\\n` +
    `  --scale ${push.scale} --positions ${steering.positions}${first} --compare`;
};

const WAYS = { curl, "Python, OpenAI's client": openai, "Python, trimtab": trimtab, "trimtab chat": chat };

const show = () => {
  const column = state.columns.find((one) => one.id === byId("code-column").value) ?? state.columns[0];
  const turn = turnOf(state.leaf) ?? { parent: null, message: "How are you?" };
  const setting = settingOf(column);
  const made = WAYS[byId("code-way").value](messagesFor(column.id, setting, turn), steeringOf(setting));
  byId("code").textContent = made;
  byId("losses").replaceChildren();
  byId("gguf").disabled = (steeringOf(setting)?.pushes.length ?? 0) !== 1;
};

// The setting as a file for llama.cpp, with what it loses there.
const download = async () => {
  const column = state.columns.find((one) => one.id === byId("code-column").value);
  const losses = byId("losses");
  losses.replaceChildren();
  try {
    const made = await post("/v1/steering/gguf", { steering: steeringOf(settingOf(column)) });
    const bytes = Uint8Array.from(atob(made.content), (character) => character.charCodeAt(0));
    const link = el("a", { href: URL.createObjectURL(new Blob([bytes])), download: made.name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    losses.replaceChildren(...made.losses.map((text) => el("p", {}, text)));
  } catch (error) {
    losses.replaceChildren(el("p", { class: "error" }, error.message));
  }
};

export const wireCode = () => {
  byId("gguf").addEventListener("click", download);
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
