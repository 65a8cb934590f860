// ---- faces moved along semantic directions: every slider adds its direction's change to the colours ----

function directions(root, data) {
  const side = data.side, length = side * side * 3, faces = floatsOf(data.faces), changes = floatsOf(data.changes);
  const canvases = data.names.map((name) =>
    element("canvas", { width: side, height: side, role: "img", "aria-label": name }));
  const sliders = data.directions.map(({ name, reach }) => element("input", {
    type: "range", min: -reach, max: reach, step: reach / 30, value: 0, "aria-label": name, oninput: draw }));
  const outputs = sliders.map(() => element("output", {}, "0"));
  const labels = sliders.map((slider, k) => element("label", {}, data.directions[k].name, outputs[k], slider));
  root.prepend(element("div", { class: "faces" }, ...canvases), element("div", { class: "sliders" }, ...labels),
    element("div", { class: "controls" }, button("As reconstructed", reset)));
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
  const color = (k) => (data.networks[k] === "annotated" ? TRUTH : COLORS[k % COLORS.length]);
  const switches = data.networks.map((name) =>
    element("input", { type: "checkbox", checked: true, onchange: draw, "data-network": name }));
  const labels = switches.map((input, k) => element("label", {}, input, swatch(k, color(k)), data.networks[k]));
  root.prepend(element("div", { class: "controls", role: "group", "aria-label": "Joints to show" }, ...labels),
    element("div", { class: "panels" }, ...data.people.map(panel)));

  function panel(person) {
    const marks = overlay(person.size);
    marks.append(...person.joints.map((points, k) => skeleton(points, k, 0.012 * Math.max(...person.size))));
    const photograph = element("img", { src: person.image, alt: person.name });
    return element("div", { class: "panel" },
      element("div", { class: "stage", style: `aspect-ratio: ${person.size.join(" / ")}` }, photograph, marks),
      element("p", { class: "value" }, person.text));
  }

  function skeleton(points, k, radius) {
    const group = element("g", { "data-network": data.networks[k] });
    for (const [from, to] of data.limbs) {
      if (!points[from] || !points[to]) continue;
      const line = { d: `M${points[from]}L${points[to]}`, fill: "none", "vector-effect": "non-scaling-stroke" };
      group.append(element("path", { ...line, stroke: "#000", "stroke-width": 4.5, "stroke-opacity": 0.5 }),
        element("path", { ...line, stroke: color(k), "stroke-width": 2.2 }));
    }
    for (const point of points.filter(Boolean)) {
      const mark = signOf(k, radius, color(k));
      mark.setAttribute("transform", `translate(${point[0]} ${point[1]})`);
      group.append(mark);
    }
    return group;
  }

  function draw() {
    for (const { dataset, checked } of switches)
      for (const group of root.querySelectorAll(`g[data-network="${CSS.escape(dataset.network)}"]`))
        group.setAttribute("visibility", checked ? "visible" : "hidden");
  }
}

// ---- responses of keypoint classifiers over photographs, by layer ----

function layers(root, data) {
  const slider = element("input", {
    type: "range", min: 0, max: data.layers.length - 1, step: 1, value: data.shown, "aria-label": "Layer", oninput: draw });
  const text = element("output");
  root.prepend(element("div", { class: "controls" }, element("label", {}, "Layer", slider, text)),
    element("div", { class: "panels" }, ...data.photographs.map(panel)));
  draw();

  function panel({ name, keypoint, image, size, point }) {
    const marks = overlay(size), mark = sign(PLUS, TRUTH, 0.03 * Math.max(...size));
    mark.setAttribute("transform", `translate(${point.join(" ")})`);
    marks.append(mark);
    const photograph = element("img", { src: image, alt: `${name}: responses of the classifier of ${keypoint}` });
    return element("div", { class: "panel" }, element("p", {}, element("b", {}, keypoint)),
      element("div", { class: "stage", style: `aspect-ratio: ${size.join(" / ")}` },
        photograph, element("canvas", { "aria-hidden": "true", class: "heat" }), marks),
      element("p", { class: "value" }));
  }

  function draw() {
    const k = Number(slider.value), layer = data.layers[k], panels = root.querySelectorAll(".panel");
    text.textContent = layer.text;
    slider.setAttribute("aria-valuetext", layer.text);
    data.photographs.forEach((photograph, number) => {
      const response = photograph.responses[k], canvas = panels[number].querySelector("canvas");
      canvas.style = cellsStyle(response.size, response.to_px, photograph.size);
      const values = Array.from(bytesOf(response.values), (byte) => byte / 255);
      paintCells(canvas, response.size, values, (value) => 50 + 0.7 * 255 * value);
      panels[number].querySelector(".value").textContent = response.text;
    });
  }
}

// ---- a page of sections ----

// Each <figure class="widget" data-kind="..."> holds its data as JSON, in the form that
// convcorr_jax.report writes; the function of that kind fills it when it comes near the window.
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

// A link into a folded part opens it.
const openTarget = () => {
  const target = document.getElementById(location.hash.slice(1)), folded = target?.closest("details.fold");
  if (folded) { folded.open = true; target.scrollIntoView(); }
};
addEventListener("hashchange", openTarget);
openTarget();

const menu = document.querySelector(".menu");
menu.addEventListener("click", (event) => { if (event.target.closest("a")) menu.open = false; });
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  menu.open = false;
  document.activeElement.closest(".term")?.blur();
});
