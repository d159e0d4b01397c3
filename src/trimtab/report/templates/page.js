  // ast: expressions are interpreted, not compiled, so that the page needs no eval.
  const options = {
    mode: "vega-lite", renderer: "svg", actions: false, ast: true, defaultStyle: false,
    tooltip: { disableDefaultStyle: true },
  };
  const specs = new Map();
  const drawn = new Map();
  const figure = async (place, unit) => {
    const spec = specs.get(place);
    try {
      const made = await vegaEmbed(place, { ...spec, ...spec.usermeta?.variants?.[unit] }, options);
      // The place has the figure's name; its marks have none that would help anybody who hears them.
      place.querySelector("svg")?.setAttribute("aria-hidden", "true");
      drawn.get(place)?.finalize();
      drawn.set(place, made);
      place.style.minHeight = "";
      // A cell of a figure leads to its replies.
      const speaker = spec.usermeta?.speaker;
      if (speaker !== undefined) {
        made.view.addEventListener("click", (event, item) => {
          const { layers, strength } = item?.datum ?? {};
          if (layers === undefined || strength === undefined) return;
          document.dispatchEvent(new CustomEvent("cell", { detail: { speaker, layers, strength } }));
        });
      }
    } catch (error) {
      place.textContent = "This chart cannot be drawn: " + error.message;
    }
  };
  const draw = async () => {
    const places = [...document.querySelectorAll(".chart")];
    for (const place of places) specs.set(place, JSON.parse(place.nextElementSibling.textContent));
    // What can be seen first; a chart in something folded has no box.
    const hidden = (place) => (place.getClientRects().length ? 0 : 1);
    places.sort((a, b) => hidden(a) - hidden(b));
    for (const place of places) await figure(place, "");
    document.documentElement.dataset.drawn = "yes";
  };
  const first = draw();

  // Strength in another unit: figures that have it on an axis are drawn anew, one change after the other.
  let redrawn = first;
  for (const choice of document.querySelectorAll(".axis input")) {
    choice.addEventListener("change", () => {
      redrawn = redrawn.then(async () => {
        for (const [place, spec] of specs) {
          if (spec.usermeta?.variants) await figure(place, choice.value);
        }
        document.documentElement.dataset.axis = choice.value;
      });
    });
  }

  // The contents are open where there is room beside the page, closed where they would push it down.
  const wide = window.matchMedia("(min-width: 68rem)");
  const contents = document.querySelector(".contents");
  const fit = () => { contents.open = wide.matches; };
  wide.addEventListener("change", fit);
  fit();

  // A link into an appendix opens it.
  const reveal = () => {
    let place = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!place) return;
    for (let fold = place.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
    place.scrollIntoView();
  };
  window.addEventListener("hashchange", reveal);
  reveal();

  // A chart takes the width of its place, which is none while it is folded away.
  for (const fold of document.querySelectorAll("details")) {
    fold.addEventListener("toggle", () => window.dispatchEvent(new Event("resize")));
  }
  let folded = [];
  window.addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open], .long)")];
    folded.forEach((fold) => { fold.open = true; });
  });
  window.addEventListener("afterprint", () => folded.forEach((fold) => { fold.open = false; }));

  // The page travels alone, so it carries the data of its figures and hands them out as files.
  const unpacked = (packed) => {
    const bytes = Uint8Array.from(atob(packed), (character) => character.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip")));
  };
  const save = async (button) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await unpacked(button.dataset.packed).blob());
    link.download = button.dataset.name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  for (const button of document.querySelectorAll("button.data")) {
    button.addEventListener("click", () => save(button));
  }

  // A page from a file has no clipboard everywhere: the text is selected too, for people to copy it themselves.
  for (const button of document.querySelectorAll("button.copy")) {
    button.addEventListener("click", async () => {
      const code = button.parentElement.nextElementSibling.firstElementChild;
      getSelection().selectAllChildren(code);
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "copied";
      } catch {
        button.textContent = "selected";
      }
      setTimeout(() => { button.textContent = "copy"; }, 2000);
    });
  }

  // "1.20 [0.90, 1.52]", "−0.3" and "45%" sort by their first number; a dash comes last; the rest sorts as text.
  const key = (cell) => {
    const text = cell.textContent.trim();
    if (text === "–") return [2, 0];
    const number = parseFloat(text.replace("−", "-"));
    return Number.isNaN(number) ? [1, text] : [0, number];
  };
  const compare = (a, b) => (a[0] !== b[0] ? a[0] - b[0] : a[0] === 1 ? a[1].localeCompare(b[1]) : a[1] - b[1]);
  const sort = (table, column, descending) => {
    const body = table.tBodies[0];
    const keyed = [...body.rows].map((row) => [key(row.cells[column]), row]);
    keyed.sort(([a], [b]) => {
      if (a[0] === 2 || b[0] === 2) return a[0] - b[0];
      return descending ? compare(b, a) : compare(a, b);
    });
    body.append(...keyed.map(([, row]) => row));
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
      const numeric = head.classList.contains("n");
      const before = head.getAttribute("aria-sort");
      const descending = before ? before === "ascending" : numeric;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      sort(table, column, descending);
    }));
  }
