  // Replies by cell. They are a model's words: they enter the page as text, never as markup.
  const FEW = 3;
  const browse = async (place) => {
    const speakers = await unpacked(place.dataset.packed).json();
    const control = (name) => place.querySelector(`[name=${name}]`);
    const [speaker, layers, strength] = ["speaker", "layers", "strength"].map(control);
    const status = place.querySelector("[role=status]");
    const found = place.querySelector(".found");
    const signed = (number) => (number > 0 ? "+" : number < 0 ? "−" : "") + Math.abs(number);
    const element = (name, text, kind) => {
      const made = document.createElement(name);
      made.textContent = text ?? "";
      if (kind) made.className = kind;
      return made;
    };
    const fill = (select, values, named) => {
      select.replaceChildren(...values.map((value) => {
        const option = element("option", named(value));
        option.value = value;
        return option;
      }));
    };
    const quoted = (heading, text, note) => {
      const box = element("div");
      const words = text ? element("blockquote", text) : element("p", "an empty reply", "note");
      box.append(element("h4", heading), words, element("p", note, "note"));
      return box;
    };
    const entry = (prompts, [at, reply, note]) => {
      const [prompt, unsteered, unsteeredNote, held] = prompts[at];
      const box = element("article", "", "example");
      const beside = element("div", "", "beside two");
      beside.append(
        quoted("steered", reply, note),
        quoted("unsteered", unsteered, unsteeredNote),
      );
      box.append(element("h3", prompt), element("p", held ? "held-out prompt" : "", "hint"), beside);
      return box;
    };
    const show = () => {
      const { cells, prompts } = speakers[speaker.value];
      const cell = cells.find(([at, push]) => at === layers.value && push === Number(strength.value));
      const rows = cell ? cell[2] : [];
      const where = `layer ${layers.value} at ${signed(Number(strength.value))}`;
      const count = cell && cell[3] > rows.length ? `${rows.length} of ${cell[3]}` : String(rows.length);
      status.textContent = rows.length ? `${count} replies, ${where}` : `No replies of ${where} are on this page.`;
      const few = rows.slice(0, FEW).map((row) => entry(prompts, row));
      const more = element("button", `Show ${rows.length - FEW} more`, "more");
      more.type = "button";
      more.addEventListener("click", () => {
        const rest = rows.slice(FEW).map((row) => entry(prompts, row));
        more.replaceWith(...rest);
      });
      found.replaceChildren(...few, ...(rows.length > FEW ? [more] : []));
      found.scrollTop = 0;
    };
    const nearest = (values, wanted) => values.reduce((a, b) => (Math.abs(b - wanted) < Math.abs(a - wanted) ? b : a));
    const choose = (number, at, push) => {
      const of = speakers[number];
      speaker.value = String(number);
      fill(layers, of.layers, String);
      fill(strength, of.strengths, signed);
      layers.value = at;
      strength.value = String(nearest(of.strengths, push));
      show();
    };
    layers.addEventListener("change", show);
    strength.addEventListener("change", show);
    speaker.addEventListener("change", () => choose(Number(speaker.value), ...speakers[speaker.value].start));
    document.addEventListener("cell", ({ detail }) => {
      choose(detail.speaker, detail.layers, detail.strength);
      const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
      place.scrollIntoView({ behavior: still ? "auto" : "smooth", block: "nearest" });
    });
    choose(0, ...speakers[0].start);
    place.dataset.ready = "yes";
  };
  const browser = document.getElementById("browser");
  if (browser) browse(browser);
