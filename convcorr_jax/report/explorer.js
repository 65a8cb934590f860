// ---- matches of points of photograph a in photograph b ----

// A known point this near to the pointer, as a share of the photograph's longer side, is taken in its place.
const SNAP = 0.018;

function matches(root, data) {
  let pair, methods;
  const chooser = element("div", { class: "pairs", role: "group", "aria-label": "Pair of photographs" });
  const buttons = data.pairs.map((entry) => {
    const made = button("", () => choose(entry));
    made.append(element("img", { src: entry.a, alt: "" }), element("span", {}, entry.name), ...badgeOf(entry));
    return made;
  });
  chooser.append(...buttons);
  chooser.hidden = data.pairs.length < 2;
  const title = element("p", { class: "pair" }), panels = element("div", { class: "panels" });
  const slider = element("input", { type: "range", min: 0, step: 1, "aria-label": "Smoothness", oninput: update });
  const smoothing = element("span", {}, term("Smoothness", "How strictly neighbouring cells of the grid move alike: "
    + "low values follow the pictures, high values keep the shape."), slider);
  const showHeat = element("input", { type: "checkbox", checked: true, onchange: update });
  const heat = element("span", {}, element("label", {}, showHeat, "Colour b by similarity"),
    term("?", "How similar each place of b is to the point in a, by the descriptors alone, before neighbours are "
      + "compared; from violet, unlike, to yellow, most alike."), element("span", { class: "ramp", "aria-hidden": "true" }));
  const next = button("Next known point", () => toKnown(1));
  const list = element("ol", { class: "points", "aria-label": "Placed points" });
  const hint = element("p", { class: "note" });
  const exports = element("div", { class: "controls" }, button("Points of a, CSV", () => savePair("points.csv", pointsCsv())),
    button("Matches in b, CSV", () => savePair("matches.csv", matchesCsv())),
    button("Both, COCO keypoints", () => savePair("keypoints.json", cocoKeypoints())), button("Delete all points", clear));
  const status = element("p", { class: "hidden", role: "status" });
  root.prepend(chooser, title, panels, element("div", { class: "controls" }, smoothing, heat, next), hint, list, exports, status);
  choose(data.pairs[0]);

  // ---- the pair and its panels ----

  function choose(entry) {
    pair = entry;
    methods = entry.methods.map(decodeMethod);
    const most = Math.max(...methods.map((method) => method.smoothness.length));
    const shown = Math.max(...methods.map((method) => (method.smoothness.length === most ? method.shown : 0)));
    const known = pair.points.a;
    // What the user has done to a pair stays with it; it begins in the middle of what is aligned.
    const { size, a_to_px } = methods[0], middle = [0, 1].map((axis) => (a_to_px[axis] * (size[axis] - 1)) / 2 + a_to_px[axis + 2]);
    pair.state ??= { level: shown, at: known.length ? known[0] : inside(middle, pair.size_a), placed: [], named: 0 };
    buttons.forEach((made, k) => made.setAttribute("aria-pressed", String(data.pairs[k] === entry)));
    title.replaceChildren(element("b", {}, pair.name), ...badgeOf(pair), pair.verdict ? ` ${pair.verdict[1]}` : "");
    slider.max = most - 1;
    slider.value = pair.state.level;
    smoothing.hidden = most < 2;
    heat.hidden = !methods.some((method) => method.heat);
    next.hidden = !known.length;
    hint.textContent = "Click or tap photograph a to place a point; drag it to move it. By keys: arrows move by a fiftieth of "
      + "the photograph, with Shift by one pixel, Enter places a point, Delete removes it."
      + (pair.reliable ? ` Points whose confidence is below ${pair.reliable} are hollow and grey.` : "");
    panels.style.setProperty("--columns", Math.min(methods.length + 1, 4));
    panels.replaceChildren(sourcePanel(), ...methods.map(targetPanel));
    showPlaced();
  }

  function badgeOf({ verdict }) {
    return verdict ? [badge(verdict[0])] : [];
  }

  function stage(size, attributes, image, ...over) {
    const photograph = element("img", { class: Math.max(...size) <= 128 ? "pixels" : "", draggable: "false", ...image });
    return element("div", { style: `aspect-ratio: ${size.join(" / ")}`, ...attributes }, photograph, ...over);
  }

  function sourcePanel() {
    const radius = 0.018 * Math.max(...pair.size_a), marks = overlay(pair.size_a), mark = sign(PLUS, "#f0e442", radius);
    for (const [cx, cy] of pair.points.a)
      marks.append(element("circle", { cx, cy, r: radius / 3, fill: "#fff", "fill-opacity": 0.85, stroke: "#000", "stroke-width": radius / 10 }));
    mark.classList.add("point");
    marks.append(mark);
    const attributes = {
      class: "stage source", tabindex: 0, role: "application", "aria-roledescription": "photograph with points",
      "aria-label": `${pair.name}, photograph a: arrow keys move the cross, Enter places a point, N takes the next known point`,
      onpointermove: follow, onpointerdown: follow, onclick: press, onkeydown: steer,
    };
    return element("div", { class: "panel" }, element("p", {}, element("b", {}, "Photograph a")),
      stage(pair.size_a, attributes, { src: pair.a, alt: "" }, marks), element("p", { class: "value" }));
  }

  function targetPanel(method, k) {
    const radius = 0.026 * Math.max(...pair.size_b), marks = overlay(pair.size_b), truth = sign(PLUS, TRUTH, radius);
    truth.classList.add("truth");
    marks.append(truth);
    methods.forEach((other, index) => {
      const mark = signOf(index, index === k ? radius : 0.5 * radius);
      mark.dataset.method = other.name;
      mark.setAttribute("opacity", index === k ? 1 : 0.75);
      marks.append(mark);
    });
    const canvas = method.heat && element("canvas", { class: "heat", "aria-hidden": "true", style: cellsStyle(method.heat.size_b, method.b_to_px, pair.size_b) });
    return element("div", { class: "panel", "data-method": method.name },
      element("p", {}, swatch(k), element("b", {}, `b: ${method.name}`)),
      stage(pair.size_b, { class: "stage target" }, { src: pair.b, alt: `${pair.name}, photograph b, with the match by ${method.name}` },
        ...(canvas ? [canvas] : []), marks),
      element("p", { class: "value" }));
  }

  // ---- pointer and keys: they move the cross, and points that are placed ----

  function follow(event) {
    if (event.target.closest(".pin")) return;
    const at = positionIn(event.currentTarget, event, pair.size_a);
    const near = pair.points.a.map((known) => Math.hypot(known[0] - at[0], known[1] - at[1])), least = Math.min(...near);
    moveTo(least <= SNAP * Math.max(...pair.size_a) ? pair.points.a[near.indexOf(least)] : at);
  }

  function press(event) {
    if (!event.target.closest(".pin")) add(pair.state.at);
  }

  function hold(event, point) {
    moveTo(point.at);
    grab(event, point.at, pair.size_a, (at) => movePoint(point, at));
  }

  function steer(event) {
    const point = pair.state.placed[event.target.dataset.k], at = point ? point.at : pair.state.at;
    const step = stepOf(event, Math.max(...pair.size_a));
    if (step) {
      const moved = at.map((value, axis) => value + step[axis]);
      if (point) movePoint(point, moved);
      else moveTo(moved);
    } else if (point && ["Delete", "Backspace"].includes(event.key)) remove(point);
    else if (point && event.key === "Enter") list.children[event.target.dataset.k].querySelector("input").focus();
    else if (event.key === "Enter" || event.key === " ") add(at);
    else if ("nNpP".includes(event.key) && pair.points.a.length) toKnown(event.key.toLowerCase() === "n" ? 1 : -1);
    else return;
    event.preventDefault();
  }

  function knownAt(at) {
    return pair.points.a.findIndex(([x, y]) => x === at[0] && y === at[1]);
  }

  function toKnown(step) {
    const known = pair.points.a, at = knownAt(pair.state.at), from = at < 0 && step < 0 ? 0 : at;
    moveTo(known[(from + step + known.length) % known.length]);
  }

  function moveTo(at) {
    pair.state.at = inside(at, pair.size_a);
    update();
  }

  // ---- points that are placed: a pin in a, a pin in each b, and a row with name and coordinates ----

  function add(at) {
    if (pair.state.placed.some((point) => point.at.every((value, axis) => value === at[axis]))) return;
    const name = pair.points.names[knownAt(at)] || String(++pair.state.named);
    pair.state.placed.push({ name: freeName(name), at });
    showPlaced();
  }

  function freeName(wanted) {
    let name = wanted;
    for (let k = 2; pair.state.placed.some((point) => point.name === name); k++) name = `${wanted} ${k}`;
    return name;
  }

  function movePoint(point, at) {
    point.at = pair.state.at = inside(at, pair.size_a);
    update();
  }

  function remove(point) {
    pair.state.placed.splice(pair.state.placed.indexOf(point), 1);
    showPlaced();
    (panels.querySelector(".source .pin:last-of-type") || panels.querySelector(".source")).focus();
  }

  function clear() {
    pair.state.placed = [];
    showPlaced();
    panels.querySelector(".source").focus();
  }

  function showPlaced() {
    const { placed } = pair.state, source = panels.querySelector(".source");
    for (const pin of panels.querySelectorAll(".pin")) pin.remove();
    source.append(...placed.map((point, k) => element("button", {
      class: "pin", type: "button", "data-k": k, "data-label": k + 1, onpointerdown: (event) => hold(event, point),
    })));
    for (const target of panels.querySelectorAll(".target"))
      target.append(...placed.map((_, k) => element("span", { class: "pin", "data-label": k + 1 })));
    list.replaceChildren(...placed.map(row));
    exports.hidden = list.hidden = !placed.length;
    update();
  }

  function row(point, k) {
    const name = element("input", { class: "name", value: point.name, "aria-label": `Name of point ${k + 1}`, onchange: () => {
      const wanted = name.value.trim();
      point.name = "";
      point.name = freeName(wanted || String(++pair.state.named));
      name.value = point.name;
      update();
    } });
    const coordinates = ["x", "y"].map((axis, index) => element("input", {
      type: "number", step: "any", "aria-label": `${axis} of point ${k + 1} in a`, onchange: ({ target }) => {
        if (target.value) movePoint(point, point.at.map((value, other) => (other === index ? Number(target.value) : value)));
        target.value = point.at[index].toFixed(1);
      } }));
    const away = button("Delete", () => remove(point));
    away.setAttribute("aria-label", `Delete point ${k + 1}`);
    return element("li", {}, name, element("label", {}, "x", coordinates[0]), element("label", {}, "y", coordinates[1]),
      element("span", { class: "found" }), away);
  }

  // ---- what moves with the cross, the points and the smoothness ----

  function levelOf(method) {
    return Math.round((pair.state.level / Math.max(Number(slider.max), 1)) * (method.smoothness.length - 1));
  }

  function matchBy(method, at) {
    const found = method.match(at, levelOf(method));
    return { ...found, unreliable: found.confidence !== null && found.confidence < pair.reliable };
  }

  function update() {
    const { at, placed } = pair.state, known = knownAt(at), truth = known < 0 ? null : pair.points.b[known];
    pair.state.level = Number(slider.value);
    const smooth = methods.filter((method) => method.smoothness.length > 1);
    slider.setAttribute("aria-valuetext", smooth.map((method) => `${method.name} ${method.smoothness[levelOf(method)]}`).join(", "));
    setPlace(panels.querySelector(".point"), at);
    panels.firstChild.querySelector(".value").textContent =
      `${textOf(at)}${known < 0 ? "" : `, known point: ${pair.points.names[known] || known + 1}`}`;
    const found = methods.map((method) => matchBy(method, at));
    const sentences = methods.map((method, k) => `${method.name}: ${updateTarget(panels.children[k + 1], method, found, k, truth)}`);
    placed.forEach(updatePoint);
    // Screen readers are told after the cross has come to rest.
    clearTimeout(root.waiting);
    root.waiting = setTimeout(() => { status.textContent = sentences.join(". "); }, 600);
  }

  function updateTarget(panel, method, found, k, truth) {
    const canvas = panel.querySelector("canvas"), mark = panel.querySelector(".truth"), { place, confidence, unreliable } = found[k];
    if (canvas) {
      canvas.hidden = !showHeat.checked;
      // The square lets the few good cells stand out from the many that are similar.
      if (showHeat.checked) paintCells(canvas, method.heat.size_b, method.heatAt(pair.state.at), (value) => 40 + 190 * value);
    }
    mark.setAttribute("visibility", truth ? "visible" : "hidden");
    if (truth) setPlace(mark, truth);
    methods.forEach((other, index) => {
      const drawn = panel.querySelector(`g[data-method="${CSS.escape(other.name)}"]`);
      drawn.classList.toggle("unreliable", found[index].unreliable);
      setPlace(drawn, found[index].place);
    });
    const parts = [textOf(place)];
    if (method.smoothness.length > 1) parts.push(`smoothness ${method.smoothness[levelOf(method)]}`);
    if (confidence !== null) parts.push(confidenceText(confidence, unreliable));
    if (truth) parts.push(`error ${((100 * Math.hypot(truth[0] - place[0], truth[1] - place[1])) / Math.max(...pair.size_b)).toFixed(1)} % of the longer side`);
    panel.querySelector(".value").textContent = parts.join(", ");
    return parts.join(", ");
  }

  function updatePoint(point, k) {
    const pin = panels.querySelector(`.source .pin[data-k="${k}"]`);
    const [name, ...coordinates] = list.children[k].querySelectorAll("input");
    const first = matchBy(methods[0], point.at);
    pin.setAttribute("aria-label", `Point ${k + 1}, ${name.value}: ${textOf(point.at)}; arrow keys move it, Delete removes it`);
    pin.title = point.name;
    setPin(pin, point.at, pair.size_a, first.unreliable);
    methods.forEach((method, index) => {
      const { place, unreliable } = matchBy(method, point.at);
      setPin(panels.children[index + 1].querySelectorAll(".pin")[k], place, pair.size_b, unreliable);
    });
    coordinates.forEach((input, axis) => { if (input !== document.activeElement) input.value = point.at[axis].toFixed(1); });
    list.children[k].querySelector(".found").textContent = `in b by ${methods[0].name}: ${textOf(first.place)}`
      + (first.confidence === null ? "" : `, ${confidenceText(first.confidence, first.unreliable)}`);
  }

  function confidenceText(confidence, unreliable) {
    return `confidence ${confidence.toFixed(2)}${unreliable ? " (not reliable)" : ""}`;
  }

  function setPlace(mark, [x, y]) {
    mark.setAttribute("transform", `translate(${x} ${y})`);
    mark.dataset.x = x;
    mark.dataset.y = y;
  }

  // ---- files: tables as `convcorr align` reads and writes them, and keypoints as COCO has them ----

  function pointsCsv() {
    return csv(["name", "x", "y"], pair.state.placed.map(({ name, at }) => [name, ...at.map((value) => value.toFixed(3))]));
  }

  function matchesCsv() {
    const header = ["name", "x", "y", ...(methods[0].confidence ? ["confidence"] : [])];
    return csv(header, pair.state.placed.map(({ name, at }) => {
      const { place, confidence } = matchBy(methods[0], at);
      return [name, ...place.map((value) => value.toFixed(3)), ...(confidence === null ? [] : [confidence.toFixed(4)])];
    }));
  }

  function csv(header, rows) {
    const quoted = (field) => (/[",\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field);
    return [header, ...rows].map((fields) => `${fields.map(quoted).join(",")}\n`).join("");
  }

  function cocoKeypoints() {
    const { placed } = pair.state, sizes = [pair.size_a, pair.size_b];
    const points = [placed.map(({ at }) => at), placed.map(({ at }) => matchBy(methods[0], at).place)];
    const annotations = points.map((ofImage, k) => {
      const isShown = ofImage.map((at) => at.every((value, axis) => value >= -0.5 && value <= sizes[k][axis] - 0.5));
      return cocoAnnotation(k + 1, k + 1, ofImage.map((at, index) => (isShown[index] ? [...at, 2] : null)));
    });
    const images = sizes.map(([width, height], k) => ({ id: k + 1, file_name: pair.file_names[k], width, height }));
    const category = { name: "object", keypoints: placed.map(({ name }) => name), skeleton: [] };
    return cocoFile(images, category, annotations.filter((annotation) => annotation.num_keypoints));
  }

  function savePair(name, text) {
    save(`${pair.name.replace(/[^\p{L}\p{N}.-]+/gu, "-")}-${name}`, text);
  }
}

// ---- the arrays of a method ----

function decodeMethod(method) {
  const [scaleX, scaleY, shiftX, shiftY] = method.a_to_px, [bx, by, b0, b1] = method.b_to_px;
  const flow = floatsOf(method.flow), confidence = method.confidence && floatsOf(method.confidence);
  const heat = method.heat && bytesOf(method.heat.values), cells = method.size[0] * method.size[1];
  const cellOf = ([x, y]) => [(x - shiftX) / scaleX, (y - shiftY) / scaleY];
  return {
    ...method,
    match(point, level) {
      const [x, y] = cellOf(point), [u, v] = interpolate(flow, method.size, 2, level * cells * 2, x, y);
      const [column, row] = [x, y].map((cell, axis) => Math.min(Math.max(cell, 0), method.size[axis] - 1));
      // Beyond the outermost cells, places move on as b was turned.
      const [[xx, xy], [yx, yy]] = method.beyond, dx = x - column, dy = y - row;
      return {
        place: [bx * (column + u + xx * dx + xy * dy) + b0, by * (row + v + yx * dx + yy * dy) + b1],
        confidence: confidence && interpolate(confidence, method.size, 1, level * cells, x, y)[0],
      };
    },
    heatAt(point) {
      const { every, size, size_b } = method.heat, count = size_b[0] * size_b[1];
      const [column, row] = cellOf(point).map((cell, axis) =>
        Math.min(Math.max(Math.floor(Math.round(cell) / every), 0), size[axis] - 1));
      const start = (row * size[0] + column) * count;
      return Array.from(heat.subarray(start, start + count), (value) => (value / 255) ** 2);
    },
  };
}

// Displacement and confidence are interpolated bilinearly between cells and are constant beyond the outermost ones,
// as convcorr_jax.matching.carry_to_b does it.
function interpolate(values, [width, height], channels, start, x, y) {
  const column = Math.min(Math.max(x, 0), width - 1), row = Math.min(Math.max(y, 0), height - 1);
  const left = Math.min(Math.floor(column), Math.max(width - 2, 0)), top = Math.min(Math.floor(row), Math.max(height - 2, 0));
  const right = Math.min(left + 1, width - 1), below = Math.min(top + 1, height - 1);
  const across = column - left, down = row - top;
  const at = (r, c, k) => values[start + (r * width + c) * channels + k];
  return Array.from({ length: channels }, (_, k) =>
    (1 - down) * ((1 - across) * at(top, left, k) + across * at(top, right, k))
    + down * ((1 - across) * at(below, left, k) + across * at(below, right, k)));
}
