// A vector made from a few typed pairs, by the server.
import { byId, el } from "./dom.js";
import { get, post } from "./server.js";
import { MOST_COLUMNS, changed, pushFor, server, state, steeredColumn } from "./state.js";

const MOST_PAIRS = 32;
const BEGIN = 3;

const pair = () => {
  const text = (name, label) => el("label", { class: "field" }, label, el("textarea", { rows: 2, name, maxlength: 2000 }));
  return el("fieldset", { class: "pair" }, el("legend", { class: "unseen" }, "pair"),
    text("prompt", "Prompt"), text("positive", "Reply that shows it"), text("negative", "Reply that does not"));
};

const addPair = () => {
  byId("pairs").append(pair());
  byId("add-pair").disabled = byId("pairs").children.length >= MOST_PAIRS;
};

// Pairs that were typed; rows that are empty throughout are none.
const typed = () => [...byId("pairs").children]
  .map((row) => Object.fromEntries([...row.querySelectorAll("textarea")].map((one) => [one.name, one.value.trim()])))
  .filter((one) => Object.values(one).some(Boolean));

const make = async () => {
  byId("make-error").textContent = "";
  byId("make").disabled = true;
  try {
    const made = await post("/v1/steering/vectors", { name: byId("make-name").value.trim(), pairs: typed() });
    const vectors = await get("/v1/steering/vectors");
    server.vectors = new Map(vectors.data.map((vector) => [vector.name, vector]));
    if (state.columns.length < MOST_COLUMNS) state.columns.push(steeredColumn([pushFor(server.vectors.get(made.name))]));
    byId("make-dialog").close();
    byId("no-vectors").hidden = true;
    changed("columns");
  } catch (error) {
    byId("make-error").textContent = error.message;
  }
  byId("make").disabled = false;
};

export const wireMaking = (allowed) => {
  byId("open-make").hidden = !allowed;
  for (let row = 0; row < BEGIN; row += 1) addPair();
  byId("add-pair").addEventListener("click", () => {
    addPair();
    byId("pairs").lastElementChild.querySelector("textarea").focus();
  });
  byId("open-make").addEventListener("click", () => byId("make-dialog").showModal());
  byId("make-form").addEventListener("submit", (event) => {
    event.preventDefault();
    make();
  });
};
