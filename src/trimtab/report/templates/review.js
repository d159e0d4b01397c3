// Pairs are a model's words: they enter the page as text, never as markup.
(() => {
  const { file, cards } = JSON.parse(document.getElementById("data").textContent);
  const place = document.getElementById("pairs");
  const status = document.querySelector("[role=status]");
  const show = document.querySelector("[name=show]");
  const known = new Set(cards.map((card) => card.key));
  const memory = `trimtab review of ${file}`;
  const element = (name, text, kind) => {
    const made = document.createElement(name);
    made.textContent = text ?? "";
    if (kind) made.className = kind;
    return made;
  };
  // Storage can be off or full; the page then forgets strikes when it is closed.
  const remembered = () => {
    try {
      const found = JSON.parse(localStorage.getItem(memory) ?? "[]");
      return Array.isArray(found) ? found.filter((key) => known.has(key)) : [];
    } catch {
      return [];
    }
  };
  const remember = () => {
    try {
      localStorage.setItem(memory, JSON.stringify([...struck]));
    } catch {}
  };
  const struck = new Set(remembered());

  const asked = (prompt) =>
    typeof prompt === "string" ? prompt : prompt.map(({ role, content }) => `${role}: ${content}`).join("\n\n");
  const side = (heading, text, options, kind) => {
    const box = element("div");
    const letter = options && options.includes(text) ? ` (${"AB"[options.indexOf(text)]})` : "";
    box.append(element("h4", heading + letter), element("blockquote", text, kind));
    return box;
  };
  const made = cards.map(({ key, row, flags }) => {
    const box = element("article", "", "pair");
    box.tabIndex = 0;
    const top = element("div", "", "top");
    const button = element("button");
    button.type = "button";
    button.addEventListener("click", () => strike(box));
    top.append(element("h3", asked(row.prompt)), button);
    const beside = element("div", "", "beside two");
    const options = row.listed === false ? undefined : row.choices;
    beside.append(
      side("positive", row.positive, options, "positive"),
      side("negative", row.negative, options, "negative"),
    );
    const list = element("ul", "", "flags");
    list.append(...flags.map((flag) => element("li", flag)));
    box.append(top, list, beside, element("p", row.id, "note"));
    box.card = { key, flags };
    return box;
  });
  const draw = (box) => {
    const out = struck.has(box.card.key);
    box.classList.toggle("struck", out);
    const button = box.querySelector("button");
    button.textContent = out ? "Take back" : "Strike out";
    button.setAttribute("aria-pressed", String(out));
  };
  const count = () => {
    const flagged = cards.filter((card) => card.flags.length).length;
    status.textContent = `${cards.length} pairs, ${flagged} flagged, ${struck.size} struck out`;
  };
  const visible = () => made.filter((box) => !box.hidden);
  const filter = () => {
    for (const box of made) {
      const { key, flags } = box.card;
      box.hidden = (show.value === "flagged" && !flags.length) || (show.value === "struck" && !struck.has(key));
    }
  };
  const strike = (box) => {
    const { key } = box.card;
    if (!struck.delete(key)) struck.add(key);
    // Equal pairs have one key: a decision about one is a decision about all.
    made.filter((other) => other.card.key === key).forEach(draw);
    remember();
    count();
  };
  const current = () => document.activeElement?.closest(".pair");
  const step = (by) => {
    const boxes = visible();
    const at = boxes.indexOf(current());
    const next = boxes[at < 0 ? 0 : Math.min(Math.max(at + by, 0), boxes.length - 1)];
    next?.focus();
    next?.scrollIntoView({ block: "nearest" });
  };
  const save = (name, text, type) => {
    const link = element("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select, input")) return;
    if (event.key === "j") step(1);
    else if (event.key === "k") step(-1);
    else if (event.key === "x" && current()) strike(current());
    else return;
    event.preventDefault();
  });
  show.addEventListener("change", filter);
  document.querySelector("[name=decisions]").addEventListener("click", () => {
    const out = cards.filter((card) => struck.has(card.key));
    const content = { file, struck: out.map(({ key, row }) => ({ key, id: row.id, prompt: row.prompt })) };
    save("struck.json", JSON.stringify(content, null, 1) + "\n", "application/json");
  });
  document.querySelector("[name=pairs]").addEventListener("click", () => {
    const left = cards.filter((card) => !struck.has(card.key));
    save(file, left.map((card) => JSON.stringify(card.row) + "\n").join(""), "application/jsonl");
  });

  made.forEach(draw);
  count();
  filter();
  place.replaceChildren(...made);
  place.dataset.ready = "yes";
})();
