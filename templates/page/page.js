"use strict";
// Sorts and filters the tables, and shows what stands behind a row. Text is set as text, never as markup.
(() => {
  const values = JSON.parse(document.getElementById("values").textContent);
  const $ = (id) => document.getElementById(id);
  const MISSING = "–";

  const make = (name, facts = {}, ...inside) => {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(facts)) {
      if (key === "onclick") element.addEventListener("click", value);
      else if (value === true) element.setAttribute(key, "");
      else if (value !== false && value !== null) element.setAttribute(key, value);
    }
    element.append(...inside);
    return element;
  };
  const draw = (name, facts = {}, ...inside) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(facts)) element.setAttribute(key, value);
    element.append(...inside);
    return element;
  };
  const shown = (value) => (value === null || value === undefined ? MISSING : value.toFixed(2));

  // The state of the page is what its hash says, so that a view can be sent.
  const DEFAULTS = { method: "", venue: "", factor: "", seeds: "", recipe: "", published: "", all: "", sort: "", tau: "1", cell: "" };
  const state = { ...DEFAULTS };
  const read = () => {
    const given = new URLSearchParams(location.hash.slice(1));
    for (const key of Object.keys(DEFAULTS)) state[key] = given.get(key) ?? DEFAULTS[key];
  };
  const write = () => {
    const told = new URLSearchParams();
    for (const [key, value] of Object.entries(state)) if (value !== DEFAULTS[key]) told.set(key, value);
    const text = told.toString();
    history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
  };

  // Rows, in the order of the embedded entries.
  let next = 0;
  const boards = [...document.querySelectorAll("section.board")].map((section, place) => {
    const table = section.querySelector("table.leaders");
    const heads = [...table.tHead.rows[0].cells];
    const blocks = [...table.tBodies].map((body) => ({
      body,
      rows: [...body.rows].map((row) => {
        const texts = [...row.cells].map((cell) => (cell.firstChild ? cell.firstChild.textContent.trim() : ""));
        return { row, entry: next++, texts, keys: {}, at: 0 };
      }),
    }));
    blocks.forEach((block) => block.rows.forEach((one, index) => { one.at = index; }));
    // Sorting is told by name: a page of more records may have more columns. A semicolon parts the tables.
    const names = heads.map((head) => head.textContent.trim().replaceAll(";", ","));
    return { section, place, table, heads, names, blocks, recipe: section.dataset.recipe, more: section.querySelector(".more") };
  });
  const rows = boards.flatMap((board) => board.blocks.flatMap((block) => block.rows));

  // Sorting stays within the rows of a factor: other factors are other training sets.
  const NUMBERS = 2;
  const key = (text, column) => {
    if (column < NUMBERS) return text.toLowerCase();
    const number = text === "full" ? Infinity : parseFloat(text);
    return Number.isNaN(number) ? null : number;
  };
  const compare = (column, down) => (a, b) => {
    const [x, y] = [a.keys[column], b.keys[column]];
    if (x === null || y === null) return (x === null) - (y === null) || a.at - b.at;
    const order = x < y ? -1 : x > y ? 1 : 0;
    return (down ? -order : order) || a.at - b.at;
  };
  // Of a factor with more rows the first are laid out, until somebody wants all: a browser takes seconds for thousands.
  const MOST = 40;
  const laid = (board) => {
    let left = 0;
    board.blocks.forEach((block) => {
      const fitting = block.order.filter((one) => one.fits);
      const here = state.all ? fitting : fitting.slice(0, MOST);
      left += fitting.length - here.length;
      block.body.replaceChildren(...here.map((one) => one.row));
      block.body.hidden = !here.length;
    });
    board.more.hidden = !left;
    board.more.textContent = `Show ${left} more rows`;
  };
  const sorted = (board, column, direction) => {
    const down = direction === "descending";
    const order = (one, two) => (column === null ? one.at - two.at : compare(column, down)(one, two));
    board.blocks.forEach((block) => {
      if (column !== null) block.rows.forEach((one) => { one.keys[column] ??= key(one.texts[column] ?? "", column); });
      block.order = [...block.rows].sort(order);
    });
    const factors = [...board.blocks];
    if (column === 2) factors.sort((a, b) => compare(2, down)({ ...a.rows[0], at: 0 }, { ...b.rows[0], at: 0 }));
    if (column === 2 || factors.some((block, index) => board.table.tBodies[index] !== block.body))
      board.table.append(...factors.map((block) => block.body));
    board.heads.forEach((head, index) => {
      if (index === column) head.setAttribute("aria-sort", direction);
      else head.removeAttribute("aria-sort");
    });
  };
  const sortOf = (board) => {
    const found = state.sort.split(";").map((text) => /^(\d+)\.(.*)\.([ad])$/.exec(text))
      .find((parts) => parts?.[1] === String(board.place));
    const column = found ? board.names.indexOf(found[2]) : -1;
    return column < 0 ? [null, ""] : [column, found[3] === "a" ? "ascending" : "descending"];
  };
  const click = (board, column) => {
    const [before, direction] = sortOf(board);
    const first = column < NUMBERS || column === 2 ? "ascending" : "descending";
    const other = first === "ascending" ? "descending" : "ascending";
    const now = before !== column ? first : direction === first ? other : null;
    const others = state.sort.split(";").filter((text) => text && text.split(".")[0] !== String(board.place));
    state.sort = [...others, ...(now ? [`${board.place}.${board.names[column]}.${now[0]}`] : [])].join(";");
    write();
    sorted(board, now ? column : null, now);
    laid(board);
    const name = board.heads[column].textContent;
    $("told").textContent = now ? `Sorted by ${name}, ${now}, within each factor.` : "In the order of the tables.";
  };

  // Filters.
  const words = (text) => text.toLowerCase().split(",").map((word) => word.trim()).filter(Boolean);
  const fits = (one, board) => {
    const [method, venue, factor, seeds] = one.texts;
    const wanted = words(state.method);
    return (!wanted.length || wanted.some((word) => method.toLowerCase().includes(word)))
      && (!state.venue || venue === state.venue)
      && (!state.factor || factor === state.factor)
      && (!state.seeds || (state.seeds === "1" ? seeds === "1" : Number(seeds) > 1))
      && (!state.recipe || board.recipe === state.recipe);
  };
  const CHOSEN = ["method", "venue", "factor", "seeds", "recipe"];
  let count = 0;
  const tell = () => {
    const chosen = CHOSEN.filter((name) => state[name]).map((name) => `${name} ${$(name).selectedOptions?.[0]?.textContent ?? state[name]}`);
    $("told").textContent = `${count} of ${rows.length} rows fit${chosen.length ? `: ${chosen.join("; ")}` : ""}.`;
  };
  const filtered = () => {
    count = 0;
    boards.forEach((board) => {
      let inside = 0;
      board.blocks.forEach((block) => {
        block.rows.forEach((one) => {
          one.fits = fits(one, board);
          inside += one.fits;
        });
      });
      laid(board);
      board.section.hidden = !inside;
      count += inside;
    });
    tell();
    tradeoffs.forEach((one) => one.stale());
  };

  // The trade-off: a panel a factor, and the accuracies at one tau for all.
  const PANEL = { width: 340, height: 260, left: 40, bottom: 34, top: 20, right: 8 };
  const CIRCLE = { o: (x, y, r) => draw("circle", { cx: x, cy: y, r }) };
  const SHAPES = {
    s: [[-1, -1], [1, -1], [1, 1], [-1, 1]],
    "^": [[0, -1.2], [1.2, 1], [-1.2, 1]],
    v: [[0, 1.2], [1.2, -1], [-1.2, -1]],
    "<": [[-1.2, 0], [1, 1.2], [1, -1.2]],
    ">": [[1.2, 0], [-1, 1.2], [-1, -1.2]],
    D: [[0, -1.3], [1.3, 0], [0, 1.3], [-1.3, 0]],
    P: [[-.4, -1.2], [.4, -1.2], [.4, -.4], [1.2, -.4], [1.2, .4], [.4, .4], [.4, 1.2], [-.4, 1.2], [-.4, .4], [-1.2, .4], [-1.2, -.4], [-.4, -.4]],
    X: [[-1.2, -.7], [-.7, -1.2], [0, -.5], [.7, -1.2], [1.2, -.7], [.5, 0], [1.2, .7], [.7, 1.2], [0, .5], [-.7, 1.2], [-1.2, .7], [-.5, 0]],
    p: [[0, -1.2], [1.14, -.37], [.7, .97], [-.7, .97], [-1.14, -.37]],
    "*": [[0, -1.4], [.33, -.45], [1.33, -.43], [.53, .17], [.82, 1.13], [0, .56], [-.82, 1.13], [-.53, .17], [-1.33, -.43], [-.33, -.45]],
  };
  const marker = (shape, color, r = 4.5) => {
    const drawn = SHAPES[shape]
      ? draw("path", { d: `M${SHAPES[shape].map(([x, y]) => `${x * r} ${y * r}`).join("L")}Z` })
      : CIRCLE.o(0, 0, r);
    drawn.setAttribute("fill", color);
    drawn.setAttribute("stroke", "#ffffff");
    return drawn;
  };
  const ticks = (low, high, least = 0, most = 5) => {
    const rough = (high - low) / most || 1;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = Math.max(least, power * [1, 2, 5, 10].find((times) => power * times >= rough));
    const found = [];
    for (let at = Math.ceil(low / step) * step; at <= high + 1e-9; at += step) found.push(Number(at.toFixed(6)));
    return found;
  };
  const frame = (label, xs, ys, names, least = 0) => {
    const { width, height, left, bottom, top, right } = PANEL;
    const x = (value) => left + ((value - xs[0]) / (xs[1] - xs[0] || 1)) * (width - left - right);
    const y = (value) => height - bottom - ((value - ys[0]) / (ys[1] - ys[0] || 1)) * (height - bottom - top);
    const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label, "font-size": 11 });
    for (const at of ticks(...ys)) {
      svg.append(draw("line", { class: "grid", x1: left, x2: width - right, y1: y(at), y2: y(at) }));
      svg.append(draw("text", { x: left - 4, y: y(at) + 4, "text-anchor": "end" }, String(at)));
    }
    for (const at of ticks(...xs, least))
      svg.append(draw("text", { x: x(at), y: height - bottom + 14, "text-anchor": "middle" }, String(at)));
    svg.append(draw("path", { class: "axis", fill: "none", d: `M${left} ${top}V${height - bottom}H${width - right}` }));
    svg.append(draw("text", { x: (left + width) / 2, y: height - 4, "text-anchor": "middle" }, names[0]));
    svg.append(draw("text", { x: left, y: 11 }, names[1]));
    return { svg, x, y };
  };

  const tradeoff = (board, holder) => {
    const own = board.blocks.map((block) => block.rows.filter((one) => values.entries[one.entry]?.tau));
    if (!own.some((some) => some.length)) {
      holder.append(make("p", {}, "No logits of these cells are kept, and a trade-off is made from them."));
      holder.hidden = false;
      return { stale() {}, at() {} };
    }
    const slider = make("input", { type: "range", min: 0, max: values.taus.length - 1, step: 1, id: `tau${board.place}` });
    const told = make("output", { for: slider.id });
    const panels = make("div", { class: "panels" });
    const key = make("div");
    const body = make("tbody");
    const table = make("table", {},
      make("caption", {}, "Accuracies (%) at this tau, and what they gain over tau 0"),
      make("thead", {}, make("tr", {}, ...["Method", "Factor", "Overall", "Gain", "Mean", "Gain"]
        .map((name, place) => make("th", { scope: "col", class: place ? "number" : null }, name)))),
      body);
    holder.append(
      make("p", {}, "Logits less tau times the logarithm of the training set's class shares; nothing is trained again, and no tau is chosen on these images. Marks: the tau of the slider; small dots: tau 0. What lies outside a panel at this tau is named below it."),
      make("label", { for: slider.id }, "tau ", told), slider, panels, key,
      make("details", {}, make("summary", {}, "The numbers at this tau"),
        make("div", { class: "wide", role: "group", tabindex: 0, "aria-label": "Accuracies at this tau" }, table)));
    holder.hidden = false;
    let moved = [];
    let fresh = false;
    const build = () => {
      fresh = true;
      moved = [];
      panels.replaceChildren();
      body.replaceChildren();
      own.forEach((some) => {
        const here = some.filter((one) => one.fits).map((one) => values.entries[one.entry]);
        if (!here.length) return;
        const ends = (which) => {
          const starts = here.map((entry) => entry.tau[which][0]);
          return [Math.min(...starts) - 4, Math.max(...here.map((entry) => Math.max(...entry.tau[which]))) + 1];
        };
        const label = `Overall against mean accuracy at factor ${here[0].factor}, a curve for each of ${here.length} methods`;
        const sides = [ends(0), ends(1)];
        const { svg, x, y } = frame(label, ...sides, ["Overall accuracy (%)", "Mean accuracy (%)"]);
        const outside = make("p", { class: "outside" });
        const clip = `clip${board.place}-${here[0].factor.replace(/\W/g, "_")}`;
        const { width, height, left, bottom, top, right } = PANEL;
        svg.prepend(draw("clipPath", { id: clip }, draw("rect", { x: left, y: top, width: width - left - right, height: height - top - bottom })));
        const inside = draw("g", { "clip-path": `url(#${clip})` });
        svg.append(inside);
        here.forEach((entry) => {
          const [color, shape, dashes] = entry.look;
          const points = entry.tau[0].map((value, at) => `${x(value).toFixed(1)} ${y(entry.tau[1][at]).toFixed(1)}`);
          inside.append(draw("path", { d: `M${points.join("L")}`, fill: "none", stroke: color, "stroke-width": 1.4, "stroke-dasharray": dashes || "none" }));
          inside.append(draw("circle", { cx: x(entry.tau[0][0]), cy: y(entry.tau[1][0]), r: 2, fill: color }));
          const mark = draw("g", {}, draw("title", {}, entry.label), marker(shape, color));
          inside.append(mark);
          const texts = [0, 1, 2, 3].map(() => make("td"));
          body.append(make("tr", {}, make("th", { scope: "row" }, entry.label), make("td", {}, entry.factor), ...texts));
          moved.push({ entry, mark, x, y, texts, sides, outside });
        });
        panels.append(make("figure", {}, make("figcaption", {}, here[0].factor === "full" ? "Full set" : `Factor ${here[0].factor}`), svg, outside));
      });
      key.replaceChildren(legend(own.flat().filter((one) => one.fits).map((one) => values.entries[one.entry])));
    };
    const at = () => {
      if (!fresh) return;
      const place = values.taus.reduce((best, tau, index) =>
        (Math.abs(tau - Number(state.tau)) < Math.abs(values.taus[best] - Number(state.tau)) ? index : best), 0);
      slider.value = place;
      told.textContent = values.taus[place].toFixed(2);
      slider.setAttribute("aria-valuetext", `tau ${told.textContent}`);
      const away = new Map(moved.map((one) => [one.outside, []]));
      moved.forEach(({ entry, mark, x, y, texts, sides, outside }) => {
        const now = entry.tau.map((of) => of[place]);
        if (now.some((value, which) => value < sides[which][0])) away.get(outside).push(entry.label);
        mark.setAttribute("transform", `translate(${x(now[0])} ${y(now[1])})`);
        const gains = now.map((value, which) => value - entry.tau[which][0]);
        const signed = gains.map((gain) => `${gain < -0.005 ? "−" : "+"}${Math.abs(gain).toFixed(2)}`);
        [shown(now[0]), signed[0], shown(now[1]), signed[1]].forEach((text, cell) => { texts[cell].textContent = text; });
      });
      away.forEach((labels, outside) => { outside.textContent = labels.length ? `Outside: ${labels.join(", ")}` : ""; });
    };
    slider.addEventListener("input", () => {
      state.tau = String(values.taus[slider.value]);
      write();
      tradeoffs.forEach((one) => one.at());
    });
    // Drawn when somebody comes near: hundreds of curves take their time.
    let near = false;
    new IntersectionObserver((seen) => {
      near = seen[seen.length - 1].isIntersecting; // of several that waited the last one is true
      if (near && !fresh) { build(); at(); }
    }, { rootMargin: "600px" }).observe(holder);
    addEventListener("beforeprint", () => { if (!fresh) { build(); at(); } });
    return { stale() { fresh = false; if (near) { build(); at(); } }, at };
  };
  const legend = (entries) => {
    const known = new Map(entries.map((entry) => [entry.label, entry]));
    return make("p", {}, ...[...known.values()].map((entry) => {
      const [color, shape, dashes] = entry.look;
      const line = draw("path", { d: "M-17 0H17", stroke: color, "stroke-width": 1.4, "stroke-dasharray": dashes || "none" });
      const sign = draw("svg", { width: 34, height: 12, viewBox: "-17 -6 34 12", "aria-hidden": "true" }, line, marker(shape, color, 4));
      return make("span", { class: "key" }, sign, ` ${entry.label}`);
    }));
  };

  // What stands behind a row. A network whose logits are also adjusted is the cell of two rows: the later ones are numbered.
  const dialog = $("cell");
  const times = new Map();
  const addresses = values.cells.map(({ id }) => {
    const name = id.slice(0, 12);
    times.set(name, (times.get(name) ?? 0) + 1);
    return times.get(name) > 1 ? `${name}.${times.get(name)}` : name;
  });
  const table = (caption, heads, lines, words = []) => {
    const cell = (text, place) => (place ? make("td", { class: words.includes(place) ? "word" : null }, text) : make("th", { scope: "row" }, text));
    return make("div", { class: "wide", role: "group", tabindex: 0, "aria-label": caption },
      make("table", {}, make("caption", {}, caption),
        make("thead", {}, make("tr", {}, ...heads.map((head, place) => make("th", { scope: "col", class: place && !words.includes(place) ? "number" : null }, head)))),
        make("tbody", {}, ...lines.map((line) => make("tr", {}, ...line.map(cell))))));
  };
  const facts = (caption, heads, lines) => table(caption, heads, lines, heads.map((_, place) => place));
  const curve = (numbers, place) => {
    const name = values.curves[place];
    const known = numbers.filter((value) => value !== null);
    if (!known.length) return "";
    const low = Math.min(...known), high = Math.max(...known), room = (high - low) * 0.08 || 1;
    const { svg, x, y } = frame(`${name} by epoch: ${shown(known[0])} after the first, ${shown(known.at(-1))} after the last`,
      [1, Math.max(2, numbers.length)], [low - room, high + room], ["Epoch", name], 1);
    const points = numbers.flatMap((value, at) => (value === null ? [] : [`${x(at + 1).toFixed(1)} ${y(value).toFixed(1)}`]));
    svg.append(draw("path", { d: `M${points.join("L")}`, fill: "none", stroke: "#1845fb", "stroke-width": 1.6 }));
    if (points.length < 40)
      points.forEach((point) => svg.append(draw("circle", { cx: point.split(" ")[0], cy: point.split(" ")[1], r: 2.5, fill: "#1845fb" })));
    return make("figure", {}, svg);
  };
  const confusion = (cell, classes) => {
    const lines = cell.confusion.map((counts, place) => [classes[place], ...counts.map(String)]);
    return table("Test images by true class (rows) and predicted class (columns)", ["True class", ...classes], lines);
  };
  const opened = (number, entryNumber) => {
    const cell = values.cells[number], entry = values.entries[entryNumber];
    const group = values.groups[entry.group];
    const names = [...group.classes, "Overall", "Mean"];
    const seeds = entry.cells.map((other) => make("button", {
      type: "button", "aria-current": other === number ? "true" : null,
      onclick: () => { show(other, entryNumber); dialog.querySelector("[aria-current]").focus(); },
    }, values.cells[other].seed));
    const shared = values.shared;
    const claims = cell.verdicts.map((place) => values.verdicts[place]);
    dialog.replaceChildren(
      make("button", { type: "button", class: "close", onclick: () => dialog.close() }, "Close"),
      make("h2", { id: "cell-title" }, `${entry.label}, factor ${entry.factor}, seed ${cell.seed}`),
      make("p", {}, `${group.title}; the numbers are of epoch ${cell.epoch}.`),
      ...group.warnings.map((text) => make("p", {}, make("strong", {}, text))),
      ...(entry.marks.length ? [make("ul", { class: "meanings" },
        ...entry.marks.map((name) => make("li", {}, make("mark", {}, name), ` ${values.meanings[name]}`)))] : []),
      ...(seeds.length > 1 ? [make("p", { class: "seeds" }, "Seeds: ", ...seeds)] : []),
      make("h3", {}, "Recalls and accuracies"),
      table("With 95 % intervals over test images (%)", ["Class", "Recall", "from", "to", ...(cell.recalls[0].length > 3 ? ["without copies"] : [])],
        cell.recalls.map((of, place) => [names[place], ...of.map(shown)])),
      make("h3", {}, "Confusion matrix"), confusion(cell, group.classes),
      make("h3", {}, "Training"),
      make("p", {}, "Of all images, and of the network as it was trained."), make("div", { class: "panels" }, ...cell.curves.map(curve)),
      make("h3", {}, "Hyper-parameters"),
      shared[cell.hyper].length ? facts("With their sources", ["Name", "Value", "Source"], shared[cell.hyper])
        : make("p", {}, "The method has none of its own."),
      make("details", {}, make("summary", {}, "The protocol's values"), facts("With their sources", ["Name", "Value", "Source"], shared[cell.protocol])),
      make("h3", {}, "Train it again"), make("code", {}, `${shared[cell.command[0]]} ${cell.command[1]}`),
      shared[cell.another] && make("p", {}, make("strong", {}, shared[cell.another])),
      make("h3", {}, "What the paper's sentences make of it"),
      claims.length ? facts("Verdicts that rest on this cell", ["Sentence", "Of", "Verdict", "Why"], claims)
        : make("p", {}, "No sentence rests on this cell."),
      make("h3", {}, "Where it comes from"),
      facts("Provenance", ["What", "Value"], [["cell", cell.id], ...cell.facts.map((text, place) => [values.facts[place], text || "not recorded"]), ...shared[cell.made]]),
      ...(shared[cell.notes].length ? [make("details", {}, make("summary", {}, "Notes on the dataset"), make("ul", {}, ...shared[cell.notes].map((note) => make("li", {}, note))))] : []));
  };
  const show = (number, entryNumber) => {
    opened(number, entryNumber);
    state.cell = addresses[number];
    write();
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
  };
  dialog.addEventListener("close", () => { state.cell = ""; write(); });

  // Buttons, which would do nothing without this script.
  boards.forEach((board) => {
    board.heads.forEach((head, column) => {
      head.replaceChildren(make("button", { type: "button", onclick: () => click(board, column) }, head.textContent));
    });
  });
  rows.forEach(({ row, entry }) => {
    if (!values.entries[entry]) return;
    const head = row.cells[0], name = head.firstChild;
    head.replaceChild(make("button", { type: "button", "aria-haspopup": "dialog",
      onclick: () => show(values.entries[entry].cells[0], entry) }, name.textContent.trim()), name);
  });
  const options = (id, texts) => [...new Set(texts)].filter((text) => text && text !== "-")
    .forEach((text) => $(id).append(make("option", { value: text }, text)));
  options("methods", rows.map((one) => one.texts[0]));
  options("venue", rows.map((one) => one.texts[1]).sort());
  options("factor", rows.map((one) => one.texts[2]).sort((a, b) => key(a, 2) - key(b, 2)));
  options("recipe", boards.map((board) => board.recipe));
  if (!document.querySelector(".pub")) $("published").hidden = true;

  CHOSEN.forEach((name) => $(name).addEventListener("input", () => {
    state[name] = $(name).value;
    write();
    filtered();
  }));
  $("published").addEventListener("click", () => {
    state.published = state.published ? "" : "1";
    write();
    pressed();
  });
  const every = () => {
    state.all = "1";
    boards.forEach(laid);
  };
  boards.forEach((board) => board.more.addEventListener("click", () => {
    every();
    write();
    board.table.querySelector("thead button").focus();
  }));
  addEventListener("beforeprint", () => { every(); tell(); });
  $("reset").addEventListener("click", () => {
    Object.assign(state, DEFAULTS);
    write();
    apply();
  });
  const pressed = () => {
    $("published").setAttribute("aria-pressed", String(Boolean(state.published)));
    document.documentElement.classList.toggle("published", Boolean(state.published));
  };
  const apply = () => {
    CHOSEN.forEach((name) => { $(name).value = state[name]; });
    pressed();
    boards.forEach((board) => sorted(board, ...sortOf(board)));
    filtered();
    tradeoffs.forEach((one) => one.at());
    const number = addresses.indexOf(state.cell);
    const entry = values.entries.findIndex((one) => one?.cells.includes(number));
    if (entry >= 0) show(number, entry);
    else if (dialog.open) dialog.close();
  };
  const tradeoffs = boards.map((board) => tradeoff(board, board.section.querySelector(".interactive")));
  document.documentElement.classList.add("scripted");
  $("filters").hidden = false;
  read();
  apply();
  addEventListener("hashchange", () => { read(); apply(); });
})();
