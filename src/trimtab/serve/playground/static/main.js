// The page: what the server has, what the link holds, and which part is drawn again when something changes.
import { firstColumns, showCards, wireCards } from "./cards.js";
import { announce, byId, copied, el } from "./dom.js";
import { differences, isState, keep, linkOf, opened, take, tooLong } from "./link.js";
import { wireMaking } from "./making.js";
import { Refused, get, setKey } from "./server.js";
import { wireCode } from "./snippets.js";
import { changed, onChange, server, state } from "./state.js";
import { isRunning, restart, retryLast, send, showStanding, showTurns, stop } from "./turns.js";
import { views } from "./tokens.js";

const notice = (sentences) => {
  byId("notice").hidden = !sentences.length;
  byId("notice").replaceChildren(...sentences.map((text) => el("p", {}, text)));
};

const load = async () => {
  const [about, vectors] = await Promise.all([get("/v1/steering"), get("/v1/steering/vectors")]);
  Object.assign(server, {
    model: about.model, fingerprint: about.fingerprint, layers: about.layers, monitors: about.monitors, limits: about.limits,
    scales: about.scales, positions: about.positions, makes: about.make_vectors, vectors: new Map(vectors.data.map((vector) => [vector.name, vector])),
  });
};

// The key is asked for where the server wants one; it stays in this tab and in no link.
const loadWithKey = async () => {
  for (;;) {
    try {
      await load();
      return;
    } catch (error) {
      if (!(error instanceof Refused) || error.status !== 401) throw error;
      server.needsKey = true;
      const dialog = byId("key-dialog");
      dialog.showModal();
      await new Promise((done) => dialog.addEventListener("close", done, { once: true }));
      setKey(byId("key").value.trim());
    }
  }
};

const restore = async () => {
  try {
    const found = await opened();
    if (!found) return firstColumns();
    if (!isState(found.found)) throw new Error("not a state of this page");
    take(found.found);
    return found.fromLink ? notice(differences(found.found)) : notice([]);
  } catch (error) {
    firstColumns();
    return notice([`The link cannot be read (${error.message}); the page begins anew.`]);
  }
};

const drawing = () => {
  for (const name of ["temperature", "seed", "tokens", "system"]) byId(name).value = state[name];
};

const wireDrawing = () => {
  byId("tokens").max = server.limits.max_tokens;
  state.tokens = Math.min(state.tokens, server.limits.max_tokens);
  drawing();
  for (const name of ["temperature", "seed", "tokens"]) {
    byId(name).addEventListener("input", () => {
      const input = byId(name);
      const value = Number(input.value);
      if (input.value === "" || !input.checkValidity()) return;
      state[name] = value;
      changed("setting");
    });
    byId(name).addEventListener("change", drawing);
  }
  byId("system").addEventListener("input", () => {
    state.system = byId("system").value;
    changed("setting");
  });
  byId("new-seed").addEventListener("click", () => {
    state.seed = Math.floor(Math.random() * 10_000);
    drawing();
    changed("setting");
  });
};

const wireComposer = () => {
  const box = byId("message");
  const ask = () => {
    const message = box.value.trim();
    if (!message || isRunning()) return;
    box.value = "";
    send(message);
    byId("turns").lastElementChild?.scrollIntoView({ block: "nearest" });
  };
  byId("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    ask();
  });
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      ask();
    }
  });
  byId("stop").addEventListener("click", stop);
  byId("again").addEventListener("click", retryLast);
  for (const button of document.querySelectorAll("#hello button")) {
    button.addEventListener("click", () => !isRunning() && send(button.textContent));
  }
};

const wireViews = () => {
  byId("view").replaceChildren(...views().map(([name, text]) => el("option", { value: name, selected: name === state.view }, text)));
  if (!byId("view").value) state.view = byId("view").value = "words";
  byId("view").addEventListener("change", () => {
    state.view = byId("view").value;
    changed("turns");
  });
};

const wireHeader = () => {
  byId("copy-link").addEventListener("click", async () => {
    const link = await linkOf();
    const reason = tooLong(link);
    if (reason) return notice([reason]);
    notice([]);
    history.replaceState(null, "", link);
    await copied(byId("copy-link"), link);
    return announce("the link holds this page as it is");
  });
  byId("new").addEventListener("click", restart);
  for (const button of document.querySelectorAll("dialog .close")) {
    button.addEventListener("click", () => button.closest("dialog").close());
  }
};

const buttons = () => {
  byId("send").hidden = isRunning();
  byId("stop").hidden = !isRunning();
  byId("again").disabled = isRunning() || state.leaf === null;
  document.documentElement.dataset.running = isRunning() ? "yes" : "no";
};

const begin = async () => {
  try {
    await loadWithKey();
  } catch (error) {
    notice([error.message]);
    return;
  }
  document.title = `${server.model} · trimtab`;
  byId("model").textContent = server.model;
  await restore();
  byId("no-vectors").hidden = server.vectors.size > 0;
  wireCards();
  wireDrawing();
  wireComposer();
  wireViews();
  wireHeader();
  wireCode();
  wireMaking(server.makes);
  onChange((what) => {
    if (what === "columns") showCards();
    if (what === "drawing") drawing();
    if (what === "setting") showStanding();
    else if (what !== "drawing") showTurns();
    buttons();
    if (!isRunning()) keep();
  });
  changed("columns");
  document.documentElement.dataset.ready = "yes";
};

begin();
