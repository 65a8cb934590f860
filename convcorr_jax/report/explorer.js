"use strict";
// The interactive parts of a page. Each <figure class="widget" data-kind="..."> holds its data as JSON, in the form
// that convcorr_jax.report writes; the function of WIDGETS of that kind fills it when it comes near the window.
(() => {
  // Okabe and Ito's colours, which stay distinct in every kind of colour vision; shapes differ as well.
  const COLORS = ["#e69f00", "#56b4e9", "#cc79a7", "#009e73", "#d55e00"];
  const TRUTH = "#ffffff";
  const SHAPES = [
    "M-1 0a1 1 0 1 0 2 0a1 1 0 1 0-2 0Z",
    "M-.9-.9h1.8v1.8h-1.8Z",
    "M0-1.25L1.25 0L0 1.25L-1.25 0Z",
    "M0-1.2L1.1.8h-2.2Z",
    "M-1-1L1 1M-1 1L1-1",
  ];
  const PLUS = "M0-1.3V1.3M-1.3 0H1.3";
  const VIRIDIS = ["440154", "414487", "2a788e", "22a884", "7ad151", "fde725"].map((hex) =>
    [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16)));
  // A known point this near to the pointer, as a share of the photograph's longer side, is taken in its place.
  const SNAP = 0.018;

  // ---- building blocks ----

  function element(tag, attributes = {}, ...children) {
    const svg = ["svg", "g", "path", "circle"].includes(tag);
    const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children);
    return made;
  }

  function bytesOf(text) {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  }

  function viridis(value) {
    const place = Math.min(Math.max(value, 0), 1) * (VIRIDIS.length - 1);
    const below = Math.min(Math.floor(place), VIRIDIS.length - 2);
    return VIRIDIS[below].map((low, k) => low + (place - below) * (VIRIDIS[below + 1][k] - low));
  }

  // A sign with a dark rim, so that it shows on every photograph; its size is that of the viewBox.
  function sign(shape, color, radius) {
    const line = { d: shape, fill: "none", "vector-effect": "non-scaling-stroke", transform: `scale(${radius})` };
    return element("g", {},
      element("path", { ...line, stroke: "#000", "stroke-width": 5.5, "stroke-opacity": 0.65 }),
      element("path", { ...line, stroke: color, "stroke-width": 2.6 }));
  }

  function swatch(shape, color) {
    return element("svg", { class: "swatch", viewBox: "-1.6 -1.6 3.2 3.2", width: 18, height: 18, "aria-hidden": "true" },
      sign(shape, color, 1));
  }

  function overlay([width, height]) {
    return element("svg", { viewBox: `-0.5 -0.5 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  }

  // ---- matches of a point of photograph a in photograph b ----

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

  function decodeMethod(method) {
    const [scaleX, scaleY, shiftX, shiftY] = method.a_to_px;
    const flow = new Int16Array(bytesOf(method.flow).buffer);
    const confidence = method.confidence && bytesOf(method.confidence);
    const heat = method.heat && { ...method.heat, values: bytesOf(method.heat.values) };
    const cells = method.size[0] * method.size[1];
    const cellOf = ([x, y]) => [(x - shiftX) / scaleX, (y - shiftY) / scaleY];
    return {
      ...method, heat,
      match(point, level) {
        const [x, y] = cellOf(point);
        const [u, v] = interpolate(flow, method.size, 2, level * cells * 2, x, y);
        const [bx, by, b0, b1] = method.b_to_px;
        return {
          place: [bx * (x + u / method.flow_steps) + b0, by * (y + v / method.flow_steps) + b1],
          confidence: confidence && interpolate(confidence, method.size, 1, level * cells, x, y)[0] / 255,
        };
      },
      heatAt(point) {
        const [column, row] = cellOf(point).map((cell, axis) =>
          Math.min(Math.max(Math.floor((Math.round(cell)) / heat.every), 0), heat.size[axis] - 1));
        const count = heat.size_b[0] * heat.size_b[1];
        return heat.values.subarray((row * heat.size[0] + column) * count, (row * heat.size[0] + column + 1) * count);
      },
    };
  }

  function drawHeat(canvas, method, point) {
    const [width, height] = method.heat.size_b;
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext("2d"), image = context.createImageData(width, height);
    method.heatAt(point).forEach((value, k) => {
      // The square lets the few good cells stand out from the many that are similar.
      const strength = (value / 255) ** 2;
      image.data.set([...viridis(strength), 40 + 190 * strength], 4 * k);
    });
    context.putImageData(image, 0, 0);
  }

  function matches(root, data) {
    let pair, methods, point;
    const panels = element("div", { class: "panels" }), status = element("p", { class: "hidden", role: "status" });
    const showHeat = element("input", { type: "checkbox", checked: true, onchange: update });
    const slider = element("input", { type: "range", min: 0, step: 1, "aria-label": "Smoothness", oninput: update });
    const next = element("button", { type: "button", onclick: () => toKnown(1) }, "Next known point");
    const smoothing = element("label", {}, "Smoothness", slider);
    const chooser = element("div", { class: "pairs", role: "group", "aria-label": "Pair of photographs" });
    const buttons = data.pairs.map((entry) =>
      element("button", { type: "button", onclick: () => choose(entry) }, element("img", { src: entry.a, alt: "" }),
        element("span", {}, entry.name)));
    chooser.append(...buttons);
    chooser.hidden = data.pairs.length < 2;
    const controls = element("div", { class: "controls" }, smoothing,
      element("label", {}, showHeat, "Heat of the data term"),
      element("span", {}, element("span", { class: "hidden" }, "from unlikely to likely"), element("div", { class: "ramp", "aria-hidden": "true" })),
      next);
    root.prepend(chooser, panels, controls, status);
    choose(data.pairs[0]);

    function choose(entry) {
      pair = entry;
      methods = entry.methods.map(decodeMethod);
      buttons.forEach((button, k) => button.setAttribute("aria-pressed", String(data.pairs[k] === entry)));
      const most = Math.max(...methods.map((method) => method.smoothness.length));
      slider.max = most - 1;
      slider.value = Math.max(...methods.map((method) => (method.smoothness.length === most ? method.shown : 0)));
      smoothing.hidden = most < 2;
      next.hidden = !entry.points.a.length;
      panels.style.setProperty("--columns", Math.min(methods.length + 1, 4));
      panels.replaceChildren(sourcePanel(), ...methods.map(targetPanel));
      point = entry.points.a.length ? entry.points.a[0] : entry.size_a.map((length) => (length - 1) / 2);
      update();
    }

    function sourcePanel() {
      const radius = 0.018 * Math.max(...pair.size_a);
      const marks = overlay(pair.size_a);
      for (const [x, y] of pair.points.a)
        marks.append(element("circle", { cx: x, cy: y, r: radius / 3, fill: "#fff", "fill-opacity": 0.85, stroke: "#000", "stroke-width": radius / 10 }));
      const mark = sign(PLUS, "#f0e442", radius);
      mark.classList.add("point");
      marks.append(mark);
      const stage = element("div", {
        class: "stage source", tabindex: 0, role: "application", "aria-roledescription": "photograph with a point",
        "aria-label": `${pair.name}, first photograph: arrow keys move the point, with Shift by one pixel; N takes the next known point`,
        style: `aspect-ratio: ${pair.size_a.join(" / ")}`, onpointermove: follow, onpointerdown: follow, onkeydown: steer,
      }, element("img", { src: pair.a, alt: "" }), marks);
      return element("div", { class: "panel" }, element("p", {}, element("b", {}, "Point here")), stage,
        element("p", { class: "value" }));
    }

    function targetPanel(method, k) {
      const [width, height] = pair.size_b, radius = 0.026 * Math.max(width, height);
      const stage = element("div", { class: "stage target", style: `aspect-ratio: ${width} / ${height}` },
        element("img", { src: pair.b, alt: `${pair.name}, second photograph, with the match by ${method.name}` }));
      if (method.heat) {
        const [scaleX, scaleY, shiftX, shiftY] = method.b_to_px, [columns, rows] = method.heat.size_b;
        const percent = (value, length) => `${(100 * value) / length}%`;
        stage.append(element("canvas", { class: "heat", "aria-hidden": "true", style: [
          `left: ${percent(shiftX - 0.5 * scaleX + 0.5, width)}`, `top: ${percent(shiftY - 0.5 * scaleY + 0.5, height)}`,
          `width: ${percent(columns * scaleX, width)}`, `height: ${percent(rows * scaleY, height)}`].join(";") }));
      }
      const marks = overlay(pair.size_b), truth = sign(PLUS, TRUTH, radius);
      truth.classList.add("truth");
      marks.append(truth);
      methods.forEach((other, index) => {
        const mark = sign(SHAPES[index % SHAPES.length], COLORS[index % COLORS.length], index === k ? radius : 0.5 * radius);
        mark.dataset.method = other.name;
        mark.setAttribute("opacity", index === k ? 1 : 0.75);
        marks.append(mark);
      });
      stage.append(marks);
      return element("div", { class: "panel", "data-method": method.name },
        element("p", {}, swatch(SHAPES[k % SHAPES.length], COLORS[k % COLORS.length]), element("b", {}, method.name)), stage,
        element("p", { class: "value" }));
    }

    function follow(event) {
      const box = event.currentTarget.getBoundingClientRect(), [width, height] = pair.size_a;
      const at = [((event.clientX - box.left) / box.width) * width - 0.5, ((event.clientY - box.top) / box.height) * height - 0.5];
      const near = pair.points.a.map((known) => Math.hypot(known[0] - at[0], known[1] - at[1]));
      const least = Math.min(...near);
      moveTo(least <= SNAP * Math.max(width, height) ? pair.points.a[near.indexOf(least)] : at);
    }

    function steer(event) {
      const direction = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (direction) {
        const step = event.shiftKey ? 1 : Math.max(...pair.size_a) / 50;
        moveTo(point.map((value, axis) => value + step * direction[axis]));
      } else if ("nNpP".includes(event.key) && pair.points.a.length) toKnown(event.key.toLowerCase() === "n" ? 1 : -1);
      else return;
      event.preventDefault();
    }

    function toKnown(step) {
      const known = pair.points.a, at = known.findIndex(([x, y]) => x === point[0] && y === point[1]);
      const from = at < 0 && step < 0 ? 0 : at;
      moveTo(known[(from + step + known.length) % known.length]);
    }

    function moveTo(place) {
      point = place.map((value, axis) => Math.min(Math.max(value, -0.5), pair.size_a[axis] - 0.5));
      update();
    }

    function update() {
      const known = pair.points.a.findIndex(([x, y]) => x === point[0] && y === point[1]);
      const truth = known < 0 ? null : pair.points.b[known];
      const found = methods.map((method) => {
        const steps = Math.max(Number(slider.max), 1);
        const level = Math.round((Number(slider.value) / steps) * (method.smoothness.length - 1));
        return { ...method.match(point, level), smoothness: method.smoothness[level] };
      });
      const values = methods.map((method, k) => method.smoothness.length > 1 ? `${method.name} ${found[k].smoothness}` : "");
      slider.setAttribute("aria-valuetext", values.filter(Boolean).join(", "));
      place(panels.querySelector(".point"), point);
      panels.firstChild.querySelector(".value").textContent =
        known < 0 ? `x ${point[0].toFixed(0)}, y ${point[1].toFixed(0)}` : `known point: ${pair.points.names[known] || known + 1}`;
      const sentences = methods.map((method, k) => {
        const panel = panels.children[k + 1], canvas = panel.querySelector("canvas"), mark = panel.querySelector(".truth");
        if (canvas) {
          canvas.hidden = !showHeat.checked;
          if (showHeat.checked) drawHeat(canvas, method, point);
        }
        mark.setAttribute("visibility", truth ? "visible" : "hidden");
        if (truth) place(mark, truth);
        methods.forEach((other, index) => place(panel.querySelector(`g[data-method="${CSS.escape(other.name)}"]`), found[index].place));
        const parts = method.smoothness.length > 1 ? [`smoothness ${found[k].smoothness}`] : [];
        if (found[k].confidence !== null) parts.push(`confidence ${found[k].confidence.toFixed(2)}`);
        if (truth) {
          const error = Math.hypot(truth[0] - found[k].place[0], truth[1] - found[k].place[1]);
          parts.push(`error ${((100 * error) / Math.max(...pair.size_b)).toFixed(1)} % of the longer side`);
        }
        panel.querySelector(".value").textContent = parts.join(", ");
        return `${method.name}: x ${found[k].place[0].toFixed(0)}, y ${found[k].place[1].toFixed(0)}${parts.length ? ", " : ""}${parts.join(", ")}`;
      });
      // Screen readers are told after the point has come to rest.
      clearTimeout(root.waiting);
      root.waiting = setTimeout(() => { status.textContent = sentences.join(". "); }, 600);
    }

    function place(mark, [x, y]) {
      mark.setAttribute("transform", `translate(${x} ${y})`);
      mark.dataset.x = x;
      mark.dataset.y = y;
    }
  }

  // ---- faces moved along semantic directions: every slider adds its direction's change to the colours ----

  function directions(root, data) {
    const side = data.side, length = side * side * 3;
    const floats = (text) => new Float32Array(bytesOf(text).buffer);
    const faces = floats(data.faces), changes = floats(data.changes);
    const canvases = data.names.map((name) => element("canvas", { width: side, height: side, role: "img", "aria-label": name }));
    const sliders = data.directions.map(({ name, reach }) => element("input", { type: "range", min: -reach, max: reach, step: reach / 30, value: 0, "aria-label": name, oninput: draw }));
    const outputs = sliders.map(() => element("output", {}, "0"));
    root.prepend(element("div", { class: "faces" }, ...canvases),
      element("div", { class: "sliders" }, ...sliders.map((slider, k) => element("label", {}, data.directions[k].name, outputs[k], slider))),
      element("div", { class: "controls" }, element("button", { type: "button", onclick: reset }, "As reconstructed")));
    draw();

    function reset() {
      for (const slider of sliders) slider.value = 0;
      draw();
    }

    function draw() {
      const amounts = sliders.map((slider) => Number(slider.value));
      amounts.forEach((amount, k) => { outputs[k].textContent = (Math.abs(amount) < 1e-6 ? 0 : amount).toFixed(1); });
      canvases.forEach((canvas, face) => {
        const context = canvas.getContext("2d"), image = context.createImageData(side, side);
        for (let k = 0, pixel = 0; k < length; k += 3, pixel += 4) {
          for (let channel = 0; channel < 3; channel++) {
            let value = faces[face * length + k + channel];
            amounts.forEach((amount, direction) => { value += amount * changes[direction * length + k + channel]; });
            image.data[pixel + channel] = 255 * value;
          }
          image.data[pixel + 3] = 255;
        }
        context.putImageData(image, 0, 0);
      });
    }
  }

  // ---- joints of people by network, each with a switch ----

  function joints(root, data) {
    const switches = data.networks.map((name, k) => element("input", { type: "checkbox", checked: true, onchange: draw, "data-network": name, "data-k": k }));
    const labels = switches.map((input, k) => element("label", {}, input, swatch(SHAPES[k % SHAPES.length], color(k)), data.networks[k]));
    const panels = data.people.map((person) => {
      const marks = overlay(person.size);
      const radius = 0.012 * Math.max(...person.size);
      person.joints.forEach((points, k) => {
        const group = element("g", { "data-network": data.networks[k] });
        for (const [from, to] of data.limbs) {
          if (!points[from] || !points[to]) continue;
          const line = { d: `M${points[from]}L${points[to]}`, fill: "none", "vector-effect": "non-scaling-stroke" };
          group.append(element("path", { ...line, stroke: "#000", "stroke-width": 4.5, "stroke-opacity": 0.5 }), element("path", { ...line, stroke: color(k), "stroke-width": 2.2 }));
        }
        for (const point of points.filter(Boolean)) {
          const mark = sign(SHAPES[k % SHAPES.length], color(k), radius);
          mark.setAttribute("transform", `translate(${point[0]} ${point[1]})`);
          group.append(mark);
        }
        marks.append(group);
      });
      return element("div", { class: "panel" },
        element("div", { class: "stage", style: `aspect-ratio: ${person.size.join(" / ")}` }, element("img", { src: person.image, alt: person.name }), marks),
        element("p", { class: "value" }, person.text));
    });
    root.prepend(element("div", { class: "controls", role: "group", "aria-label": "Joints to show" }, ...labels), element("div", { class: "panels" }, ...panels));

    function color(k) {
      return data.networks[k] === "annotated" ? TRUTH : COLORS[k % COLORS.length];
    }

    function draw() {
      for (const input of switches)
        for (const group of root.querySelectorAll(`g[data-network="${CSS.escape(input.dataset.network)}"]`))
          group.setAttribute("visibility", input.checked ? "visible" : "hidden");
    }
  }

  // ---- responses of keypoint classifiers over photographs, by layer ----

  function layers(root, data) {
    const slider = element("input", { type: "range", min: 0, max: data.layers.length - 1, step: 1, value: data.shown, "aria-label": "Layer", oninput: draw });
    const text = element("output");
    const panels = data.photographs.map((photograph) => {
      const [width, height] = photograph.size, marks = overlay(photograph.size), mark = sign(PLUS, TRUTH, 0.03 * Math.max(width, height));
      mark.setAttribute("transform", `translate(${photograph.point.join(" ")})`);
      marks.append(mark);
      const canvas = element("canvas", { "aria-hidden": "true", class: "heat" });
      const stage = element("div", { class: "stage", style: `aspect-ratio: ${width} / ${height}` },
        element("img", { src: photograph.image, alt: `${photograph.name}: responses of the classifier of ${photograph.keypoint}` }), canvas, marks);
      return { canvas, photograph, value: element("p", { class: "value" }), stage };
    });
    root.prepend(element("div", { class: "controls" }, element("label", {}, "Layer", slider, text)),
      element("div", { class: "panels" }, ...panels.map(({ stage, value, photograph }) =>
        element("div", { class: "panel" }, element("p", {}, element("b", {}, photograph.keypoint)), stage, value))));
    draw();

    function draw() {
      const k = Number(slider.value), layer = data.layers[k];
      text.textContent = layer.text;
      slider.setAttribute("aria-valuetext", layer.text);
      for (const { canvas, photograph, value } of panels) {
        const response = photograph.responses[k], [columns, rows] = response.size;
        const [width, height] = photograph.size, [scaleX, scaleY, shiftX, shiftY] = response.to_px;
        canvas.width = columns;
        canvas.height = rows;
        Object.assign(canvas.style, { left: `${(100 * (shiftX - 0.5 * scaleX + 0.5)) / width}%`, top: `${(100 * (shiftY - 0.5 * scaleY + 0.5)) / height}%`,
          width: `${(100 * columns * scaleX) / width}%`, height: `${(100 * rows * scaleY) / height}%` });
        const context = canvas.getContext("2d"), image = context.createImageData(columns, rows);
        bytesOf(response.values).forEach((byte, cell) => image.data.set([...viridis(byte / 255), 50 + 0.7 * byte], 4 * cell));
        context.putImageData(image, 0, 0);
        value.textContent = response.text;
      }
    }
  }

  // ---- the page ----

  const WIDGETS = { matches, directions, joints, layers };
  const observer = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      observer.unobserve(target);
      WIDGETS[target.dataset.kind](target, JSON.parse(target.querySelector("script").textContent));
      target.dataset.ready = "true";
    }
  }, { rootMargin: "600px" });
  for (const widget of document.querySelectorAll(".widget")) observer.observe(widget);

  const menu = document.querySelector(".menu");
  menu.addEventListener("click", (event) => { if (event.target.closest("a")) menu.open = false; });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") menu.open = false; });

  const theme = document.querySelector(".theme"), dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (document.documentElement.dataset.theme || (dark.matches ? "dark" : "light")) === "dark";
  const name = () => { theme.textContent = isDark() ? "Light" : "Dark"; };
  theme.hidden = false;
  theme.addEventListener("click", () => { document.documentElement.dataset.theme = isDark() ? "light" : "dark"; name(); });
  dark.addEventListener("change", name);
  name();
})();
