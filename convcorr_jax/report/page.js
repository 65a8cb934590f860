// What every page of this room is made of: its theme, elements, points over photographs, and files.

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

// ---- points over a photograph ----

// All positions are pixels of the photographs themselves, as files have them: x to the right, y down, 0 0 the centre
// of the first pixel. `positionIn` alone converts from the window, whatever the size of the copy that is shown.
function positionIn(photograph, { clientX, clientY }, size) {
  const { left, top, width, height } = photograph.getBoundingClientRect();
  return [((clientX - left) / width) * size[0] - 0.5, ((clientY - top) / height) * size[1] - 0.5];
}

function inside(at, size) {
  return at.map((value, axis) => Math.min(Math.max(value, -0.5), size[axis] - 0.5));
}

function setPin(pin, [x, y], [width, height], unreliable) {
  pin.style.left = `${(100 * (x + 0.5)) / width}%`;
  pin.style.top = `${(100 * (y + 0.5)) / height}%`;
  pin.classList.toggle("unreliable", unreliable);
}

// Let a pin that is pressed follow its pointer: `move` gets each place on the way from `start`.
function grab(event, start, size, move) {
  const pin = event.currentTarget, from = positionIn(pin.parentElement, event, size);
  pin.setPointerCapture(event.pointerId);
  pin.onpointermove = (moved) => {
    if (pin.hasPointerCapture(moved.pointerId))
      move(positionIn(pin.parentElement, moved, size).map((value, axis) => start[axis] + value - from[axis]));
  };
}

// The step of an arrow key: a fiftieth of what is looked at, with Shift one pixel; null of any other key.
function stepOf(event, longest) {
  const direction = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  return direction ? direction.map((value) => value * (event.shiftKey ? 1 : longest / 50)) : null;
}

function textOf([x, y]) {
  return `x ${x.toFixed(1)}, y ${y.toFixed(1)}`;
}

function badge(verdict) {
  return element("span", { class: "badge", "data-verdict": verdict }, verdict);
}

// ---- files ----

// An annotation as COCO has it, of points [x, y, visibility] or null; its box is [x, y, width, height].
function cocoAnnotation(id, image_id, points, bbox = boxAround(points.filter(Boolean))) {
  const keypoints = points.flatMap((point) => point?.map((value) => Number(value.toFixed(3))) ?? [0, 0, 0]);
  return { id, image_id, category_id: 1, iscrowd: 0, num_keypoints: points.filter(Boolean).length, bbox, area: bbox[2] * bbox[3], keypoints };
}

// Boxes are measured from the edge of the first pixel, half a pixel before its centre.
function boxAround(points) {
  const [low, high] = [Math.min, Math.max].map((most) => [0, 1].map((axis) => most(...points.map((point) => point[axis]))));
  return [...low, ...high.map((value, axis) => value - low[axis] + 1)];
}

function cocoFile(images, category, annotations) {
  return JSON.stringify({ images, categories: [{ id: 1, ...category }], annotations });
}

function save(name, text) {
  const url = URL.createObjectURL(new Blob([text], { type: name.endsWith("csv") ? "text/csv" : "application/json" }));
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
