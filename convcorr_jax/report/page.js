// The page. Each <figure class="widget" data-kind="..."> holds its data as JSON, in the form that
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

const theme = document.querySelector(".theme"), dark = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (document.documentElement.dataset.theme || (dark.matches ? "dark" : "light")) === "dark";
const nameTheme = () => { theme.textContent = isDark() ? "Light" : "Dark"; };
theme.hidden = false;
theme.addEventListener("click", () => { document.documentElement.dataset.theme = isDark() ? "light" : "dark"; nameTheme(); });
dark.addEventListener("change", nameTheme);
nameTheme();

// ---- what the parts are made of ----

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

function button(text, onclick) {
  return element("button", { type: "button", onclick }, text);
}

// A word whose meaning is shown under the pointer and with the focus.
function term(word, meaning) {
  return element("dfn", { class: "term", tabindex: 0 }, word, element("span", { role: "tooltip" }, meaning));
}

function bytesOf(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

function floatsOf(text) {
  return new Float32Array(bytesOf(text).buffer);
}

const VIRIDIS = ["440154", "414487", "2a788e", "22a884", "7ad151", "fde725"].map((hex) =>
  [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16)));

function viridis(value) {
  const place = Math.min(Math.max(value, 0), 1) * (VIRIDIS.length - 1);
  const below = Math.min(Math.floor(place), VIRIDIS.length - 2);
  return VIRIDIS[below].map((low, k) => low + (place - below) * (VIRIDIS[below + 1][k] - low));
}

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

// A sign with a dark rim, so that it shows on every photograph; its size is that of the viewBox.
function sign(shape, color, radius) {
  const line = { d: shape, fill: "none", "vector-effect": "non-scaling-stroke", transform: `scale(${radius})` };
  return element("g", {},
    element("path", { ...line, stroke: "#000", "stroke-width": 5.5, "stroke-opacity": 0.65 }),
    element("path", { ...line, stroke: color, "stroke-width": 2.6 }));
}

function signOf(k, radius, color = COLORS[k % COLORS.length]) {
  return sign(SHAPES[k % SHAPES.length], color, radius);
}

function swatch(k, color) {
  const viewBox = "-1.6 -1.6 3.2 3.2";
  return element("svg", { class: "swatch", viewBox, width: 18, height: 18, "aria-hidden": "true" }, signOf(k, 1, color));
}

// A photograph with layers over it. Coordinates of the SVG are pixels of the photograph, their centres whole numbers.
function overlay([width, height]) {
  return element("svg", { viewBox: `-0.5 -0.5 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" });
}

// The style that lays a canvas of one pixel a cell over a photograph.
function cellsStyle([columns, rows], [scaleX, scaleY, shiftX, shiftY], [width, height]) {
  const percent = (value, length) => `${(100 * value) / length}%`;
  return `left: ${percent(shiftX - 0.5 * scaleX + 0.5, width)}; top: ${percent(shiftY - 0.5 * scaleY + 0.5, height)}; `
    + `width: ${percent(columns * scaleX, width)}; height: ${percent(rows * scaleY, height)}`;
}

// Paint cells by value, 0 to 1; `opacity` maps a value to 0 to 255.
function paintCells(canvas, [columns, rows], values, opacity) {
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext("2d"), image = context.createImageData(columns, rows);
  values.forEach((value, cell) => image.data.set([...viridis(value), opacity(value)], 4 * cell));
  context.putImageData(image, 0, 0);
}
