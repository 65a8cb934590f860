// ---- the review of a folder: one photograph at a time, whose points are corrected, and a file of all of them ----

const data = JSON.parse(document.querySelector("#data").textContent), KEY = `convcorr-review-${data.key}`;
const find = (selector) => document.querySelector(selector);
const stage = find(".stage"), sheet = find(".sheet"), picture = sheet.firstChild, hint = find(".hint"), help = find("dialog");
const filter = find(".strip select"), isReviewed = find(".is-reviewed"), names = find(".names"), newObject = find("[data-do=newObject]");
const shownOnes = data.photographs.map((_, k) => k).filter((k) => data.photographs[k].image);

// ---- the state of each photograph, as found and as corrected; changes are undone photograph by photograph ----

const states = data.photographs.map(({ verdict, objects }) => ({
  reviewed: verdict === "labelled",
  objects: objects.map(({ points, absent }, found) => ({
    found, points: points.map((at, k) => ({ at, present: !absent[k], certain: verdict === "labelled" })),
  })),
}));
const starts = states.map((state) => JSON.stringify(state));
let at = shownOnes[0], chosen = null, placing = null, held = null, past = [], future = [], isKept = true;

try {
  const kept = JSON.parse(localStorage.getItem(KEY));
  Object.assign(states, kept?.changed);
  at = kept?.at ?? at;
} catch { /* The browser keeps nothing. */ }

function keep() {
  const changed = Object.fromEntries(Object.entries(states).filter(([k, state]) => JSON.stringify(state) !== starts[k]));
  try {
    localStorage.setItem(KEY, JSON.stringify({ at, changed }));
    isKept = true;
  } catch {
    isKept = !Object.keys(changed).length;
  }
}
addEventListener("beforeunload", (event) => { if (!isKept) event.preventDefault(); });

const photograph = () => data.photographs[at];
const sizeNow = () => photograph().size;

function change(edit, key = null) {
  const before = JSON.stringify(states[at]);
  edit(states[at]);
  record(before, key);
}

// A photograph that is corrected is reviewed.
function correct(edit, key) {
  change((state) => { edit(state.objects); state.reviewed = true; }, key);
}

function record(before, key = null) {
  const after = JSON.stringify(states[at]), last = past.at(-1);
  // The steps of a point by arrow keys are undone together.
  if (key && last?.key === key && last.k === at) last.after = after;
  else if (after !== before) past.push({ k: at, before, after, key });
  if (after !== before) future = [];
  show();
}

function travel(from, to, which, word) {
  const step = from.pop();
  if (!step) return;
  to.push(step);
  states[step.k] = JSON.parse(step[which]);
  if (step.k !== at) go(step.k);
  else {
    placing = null;
    show();
  }
  say(`${word}.`);
}

// ---- which photograph is shown ----

function passes(k) {
  return filter.value === "all" || (filter.value === "open" ? !states[k].reviewed : ["doubtful", "poor"].includes(data.photographs[k].verdict));
}

function go(k) {
  at = k;
  chosen = placing = null;
  show();
  whole();
  const strip = find(".thumbnails"), current = thumbnails.get(at);
  strip.scrollLeft = current.offsetLeft - strip.offsetLeft - (strip.clientWidth - current.clientWidth) / 2;
  if (document.activeElement === document.body) stage.focus({ preventScroll: true });
}

function step(by) {
  const others = shownOnes.filter((k) => passes(k) && (k - at) * by > 0);
  if (others.length) go(by > 0 ? others[0] : others.at(-1));
  else say(by > 0 ? "This is the last photograph." : "This is the first photograph.");
}

function accept() {
  change((state) => {
    state.reviewed = true;
    for (const { points } of state.objects) for (const point of points) point.certain = true;
  });
  const open = shownOnes.filter((k) => !states[k].reviewed && passes(k));
  if (open.length) go(open.find((k) => k > at) ?? open[0]);
  say(`Accepted. ${open.length ? counted() : "All of these photographs are reviewed: export them."}`);
}

function counted() {
  return `${shownOnes.filter((k) => states[k].reviewed).length} of ${shownOnes.length} reviewed`;
}

function say(text) {
  if (hint.textContent !== text) hint.textContent = text;
}

// ---- zoom: the sheet with the photograph and its pins is larger than the stage, and moves behind it ----

let zoom = 1, center = [0, 0], scale = 1;

function lay() {
  const size = sizeNow(), room = [stage.clientWidth, stage.clientHeight], fitted = Math.min(room[0] / size[0], room[1] / size[1]);
  zoom = Math.min(Math.max(zoom, 1), Math.max(4, 20 / fitted));
  scale = fitted * zoom;
  center = center.map((value, axis) => {
    const half = room[axis] / scale / 2, last = size[axis] - 0.5 - half;
    return last < half - 0.5 ? (size[axis] - 1) / 2 : Math.min(Math.max(value, half - 0.5), last);
  });
  const [left, top] = center.map((value, axis) => room[axis] / 2 - (value + 0.5) * scale);
  sheet.style.cssText = `left: ${left}px; top: ${top}px; width: ${size[0] * scale}px; height: ${size[1] * scale}px`;
  picture.classList.toggle("pixels", scale * size[0] > 3 * (picture.naturalWidth || Infinity));
}

function whole() {
  [zoom, center] = [1, sizeNow().map((length) => (length - 1) / 2)];
  lay();
}

// Zoom about a place of the window; by default the chosen point, or the middle of the stage.
function zoomBy(factor, clientX, clientY) {
  const box = (find(".pin.chosen") ?? stage).getBoundingClientRect();
  const middle = { clientX: clientX ?? box.x + box.width / 2, clientY: clientY ?? box.y + box.height / 2 };
  const before = positionIn(sheet, middle, sizeNow());
  zoom *= factor;
  lay();
  const after = positionIn(sheet, middle, sizeNow());
  look(before.map((value, axis) => value - after[axis]));
}

function look(by) {
  center = center.map((value, axis) => value + by[axis]);
  lay();
}

const visible = () => Math.min(Math.max(...sizeNow()), Math.max(stage.clientWidth, stage.clientHeight) / scale);

new ResizeObserver(lay).observe(stage);
picture.addEventListener("load", lay);
stage.addEventListener("wheel", (event) => {
  event.preventDefault();
  zoomBy(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015) * (event.deltaMode ? 20 : 1)), event.clientX, event.clientY);
}, { passive: false });

// One finger or the mouse moves what is shown, two fingers zoom, and a tap sets a point that is being placed.
const fingers = new Map();

function grip() {
  const [first, second = first] = [...fingers.values()];
  return { middle: [0, 1].map((axis) => (first[axis] + second[axis]) / 2), spread: Math.hypot(first[0] - second[0], first[1] - second[1]) || 1 };
}

stage.addEventListener("pointerdown", (event) => {
  if (event.button) return;
  fingers.set(event.pointerId, [event.clientX, event.clientY]);
  if (fingers.size > 1) letGo();
  if (held) return;
  stage.tap = fingers.size === 1 ? [event.clientX, event.clientY] : null;
  stage.setPointerCapture(event.pointerId);
});
stage.addEventListener("pointermove", (event) => {
  if (!fingers.has(event.pointerId)) return;
  const before = grip();
  fingers.set(event.pointerId, [event.clientX, event.clientY]);
  const after = grip();
  if (stage.tap && Math.hypot(event.clientX - stage.tap[0], event.clientY - stage.tap[1]) > 6) stage.tap = null;
  if (held || stage.tap) return;
  look(before.middle.map((value, axis) => (value - after.middle[axis]) / scale));
  zoomBy(after.spread / before.spread, ...after.middle);
});
for (const kind of ["pointerup", "pointercancel"]) addEventListener(kind, (event) => {
  fingers.delete(event.pointerId);
  if (kind === "pointerup" && stage.tap && placing) place(positionIn(sheet, event, sizeNow()));
  else if (stage.tap) choose(null);
  stage.tap = null;
});

// ---- points: a pin over the photograph and a row beside it ----

const pointOf = ([object, k]) => states[at].objects[object].points[k];
const idOf = ([object, k]) => `${object}-${k}`;

function movePoint(point, to) {
  Object.assign(point, { at: inside(to, sizeNow()), present: true, certain: true });
}

function hold(event, which) {
  if (fingers.size || event.button) return;
  const pin = event.currentTarget, point = pointOf(which);
  held = { pin, pointer: event.pointerId, before: JSON.stringify(states[at]) };
  pin.focus({ preventScroll: true });
  grab(event, point.at, sizeNow(), (to) => {
    movePoint(point, to);
    states[at].reviewed = true;
    update();
  });
  pin.onlostpointercapture = () => {
    const before = held?.before;
    held = null;
    if (before) record(before);
  };
}

// A second finger zooms: the point goes back to where it was.
function letGo() {
  if (!held) return;
  const { pin, pointer, before } = held;
  held = null;
  pin.releasePointerCapture(pointer);
  states[at] = JSON.parse(before);
  show();
}

function choose(which) {
  chosen = which;
  for (const one of document.querySelectorAll("[data-id]"))
    one.classList.toggle("chosen", which !== null && one.dataset.id === idOf(which));
  if (!which || held || !pointOf(which).at) return;
  // A point that the keys or the list reach is brought into sight.
  find(".side").scrollTop = find("li.chosen").offsetTop - find(".side").clientHeight / 2;
  const away = pointOf(which).at.map((value, axis) => value - center[axis]);
  if (Math.abs(away[0]) * scale > stage.clientWidth / 2 || Math.abs(away[1]) * scale > stage.clientHeight / 2) look(away);
}

function reach(which) {
  choose(which);
  find(`.pin[data-id="${idOf(which)}"]`)?.focus({ preventScroll: true });
}

function toggle(which) {
  const point = pointOf(which);
  if (!point.present && !point.at) startPlacing(which[0], [which[1]]);
  else {
    correct(() => { Object.assign(point, { present: !point.present, certain: true }); });
    say(`${data.names[which[1]]}${numberOf(which[0])} is ${point.present ? "present" : "absent"}.`);
  }
}

function removeObject(object) {
  chosen = placing = null;
  correct((objects) => { objects.splice(object, 1); });
  say(`Object ${object + 1} is deleted.`);
}

// ---- points that have no place yet: one click or tap each, or arrows and Enter ----

function startPlacing(object, queue) {
  placing = { object, queue, cross: center };
  choose(null);
  show();
  stage.focus({ preventScroll: true });
}

function place(to) {
  correct((objects) => {
    placing.object ??= objects.push({ found: null, points: data.names.map(() => ({ at: null, present: false, certain: true })) }) - 1;
    movePoint(objects[placing.object].points[placing.queue[0]], to);
  });
  skip();
}

function skip() {
  placing.queue.shift();
  if (!placing.queue.length) placing = null;
  show();
}

// ---- what is shown ----

const numberOf = (object) => (states[at].objects.length > 1 ? ` of object ${object + 1}` : "");

function describe([object, k]) {
  const { found } = states[at].objects[object], { present, certain } = pointOf([object, k]);
  if (!present || certain) return { text: present ? "checked" : "absent", within: null, isDoubtful: false };
  const { confidence, radius } = photograph().objects[found], sure = confidence?.[k] ?? null, within = radius?.[k] ?? null;
  const text = `${sure === null ? "found" : sure.toFixed(2)}${within === null ? "" : ` ± ${within.toFixed(1)} px`}`;
  return { text, within, isDoubtful: sure !== null && sure < data.doubtful };
}

function allPoints() {
  return states[at].objects.flatMap(({ points }, object) => points.map((_, k) => [object, k]));
}

function show() {
  const { file, verdict, image } = photograph(), { objects, reviewed } = states[at];
  if (chosen && !objects[chosen[0]]) chosen = null;
  const { id, part } = document.activeElement?.dataset ?? {};
  if (picture.getAttribute("src") !== image) picture.src = image;
  find("main").style.setProperty("--aspect", sizeNow()[0] / sizeNow()[1]);
  find("#file").title = file;
  find("#file").replaceChildren(file.split(/[/\\]/).at(-1), ...(verdict ? [badge(verdict)] : []));
  stage.setAttribute("aria-label", `${file}: Tab and digits choose points, arrows move them`);
  stage.classList.toggle("placing", Boolean(placing));
  isReviewed.checked = reviewed;
  newObject.textContent = `Add ${/^[aeiou]/.test(data.category) ? "an" : "a"} ${data.category}`;
  for (const pin of sheet.querySelectorAll(".pin, svg")) pin.remove();
  sheet.append(overlay(sizeNow()), ...allPoints().filter((which) => pointOf(which).at).map(pinOf));
  find(".objects").replaceChildren(...objects.map(rowsOf));
  update();
  say(placing ? `Click or tap ${data.names[placing.queue[0]]}; skip it (S) if it is absent.` : objects.length ? "Drag what is wrong, then accept." : "No object was found. Add what is there, then accept.");
  hint.classList.toggle("asks", Boolean(placing));
  if (placing) hint.append(" ", button("Skip", skip), " ", button("End", ACTIONS.end));
  choose(chosen);
  // What has the focus is made anew, and keeps it.
  if (id) (find(`[data-id="${id}"][data-part="${part}"]`) ?? stage).focus({ preventScroll: true });
  showProgress();
  keep();
}

function pinOf(which) {
  const attributes = { class: "pin", "data-id": idOf(which), "data-part": "pin", "data-label": data.names[which[1]], style: `--color: ${data.colors[which[1]]}` };
  return element("button", { ...attributes, type: "button", onfocus: () => choose(which), onpointerdown: (event) => hold(event, which) });
}

function rowsOf({ found, points }, object) {
  const score = found === null ? null : photograph().objects[found].score, away = button("Delete", () => removeObject(object));
  away.setAttribute("aria-label", `Delete object ${object + 1}`);
  const rows = points.map((_, k) => {
    const attributes = { type: "button", "data-id": idOf([object, k]) };
    return element("li", { "data-id": idOf([object, k]), style: `--color: ${data.colors[k]}` },
      element("button", { ...attributes, "data-part": "name", onclick: () => reach([object, k]) }, element("i"), data.names[k], element("small")),
      element("button", { ...attributes, "data-part": "absent", "aria-label": `${data.names[k]}${numberOf(object)} is absent`, onclick: () => toggle([object, k]) }, "Absent"));
  });
  return element("div", {}, element("div", { class: "object" },
    element("h3", {}, `${data.category} ${object + 1}${score === null ? "" : `, score ${score.toFixed(2)}`}`), away), element("ol", {}, ...rows));
}

// What changes while a point is dragged.
function update() {
  const marks = sheet.querySelector("svg"), size = sizeNow();
  marks.replaceChildren(...states[at].objects.flatMap(({ points }) => data.skeleton.map((limb) => limb.map((k) => points[k])))
    .filter((ends) => ends.every(({ present }) => present)).flatMap((ends) => twice("path", { class: "limb", d: `M${ends[0].at}L${ends[1].at}` })));
  for (const which of allPoints()) {
    const point = pointOf(which), { text, within, isDoubtful } = describe(which), id = idOf(which), name = data.names[which[1]] + numberOf(which[0]);
    const pin = find(`.pin[data-id="${id}"]`), row = find(`li[data-id="${id}"]`);
    row.querySelector("small").textContent = text;
    row.querySelector("i").classList.toggle("unreliable", isDoubtful || !point.present);
    row.lastChild.setAttribute("aria-pressed", String(!point.present));
    if (within !== null) marks.append(...twice("circle", { class: "radius", cx: point.at[0], cy: point.at[1], r: within }));
    if (!pin) continue;
    setPin(pin, point.at, size, isDoubtful);
    pin.classList.toggle("absent", !point.present);
    pin.setAttribute("aria-label", `${name}: ${textOf(point.at)}, ${text}; arrow keys move it, X marks it absent or present`);
  }
  if (placing) {
    const cross = sign(PLUS, "#f0e442", visible() / 40);
    cross.setAttribute("transform", `translate(${placing.cross})`);
    marks.append(cross);
  }
}

// Twice, with a dark rim, a line shows on every photograph.
function twice(tag, attributes) {
  return [`${attributes.class} rim`, attributes.class].map((name) => element(tag, { ...attributes, class: name }));
}

const thumbnails = new Map(shownOnes.map((k) => {
  const { thumbnail, verdict } = data.photographs[k];
  return [k, element("button", { type: "button", "data-verdict": verdict, onclick: () => go(k) }, element("img", { src: thumbnail, alt: "", loading: "lazy", decoding: "async" }))];
}));
find(".thumbnails").append(...thumbnails.values());

function showProgress() {
  const bar = find("progress");
  [bar.max, bar.value] = [shownOnes.length, shownOnes.filter((k) => states[k].reviewed).length];
  find(".progress span").textContent = counted();
  find("[data-do=undo]").disabled = !past.length;
  find("[data-do=redo]").disabled = !future.length;
  for (const [k, made] of thumbnails) {
    made.hidden = !passes(k) && k !== at;
    made.classList.toggle("reviewed", states[k].reviewed);
    made.tabIndex = k === at ? 0 : -1;
    if (k === at) made.setAttribute("aria-current", "true");
    else made.removeAttribute("aria-current");
    made.setAttribute("aria-label", `${data.photographs[k].file}, ${data.photographs[k].verdict ?? "no verdict"}, ${states[k].reviewed ? "" : "not "}reviewed`);
  }
}

// ---- the file: COCO's keypoints of all photographs, also of those that are not shown ----

function corrected() {
  const images = data.photographs.map(({ file, size }, k) => ({ id: k + 1, file_name: file, width: size[0], height: size[1], reviewed: states[k].reviewed }));
  const annotations = [];
  states.forEach(({ objects, reviewed }, k) => {
    for (const { found, points } of objects) {
      const one = found === null ? null : data.photographs[k].objects[found];
      // COCO's 1 is a point that is doubtful, as in the other files of points; a person's points are sure.
      const isDoubtful = (point, p) => !point.certain && !reviewed && one?.confidence?.[p] != null && one.confidence[p] < data.doubtful;
      const triples = points.map((point, p) => (point.present ? [...point.at, isDoubtful(point, p) ? 1 : 2] : null)), present = triples.filter(Boolean);
      if (!present.length) continue;
      // The box that was found is kept while it holds the points.
      const [x0, y0, x1, y1] = one?.box ?? [0, 0, 0, 0], holds = one && present.every(([x, y]) => x >= x0 && x <= x1 && y >= y0 && y <= y1);
      const annotation = cocoAnnotation(annotations.length + 1, k + 1, triples, holds ? [x0 + 0.5, y0 + 0.5, x1 - x0, y1 - y0] : undefined);
      annotations.push(reviewed || one?.score == null ? annotation : { ...annotation, score: one.score });
    }
  });
  const category = { name: data.category, keypoints: data.names, skeleton: data.skeleton.map((limb) => limb.map((k) => k + 1)) };
  return cocoFile(images, category, annotations);
}

// ---- buttons and keys ----

const ACTIONS = {
  accept, whole, undo: () => travel(past, future, "before", "Undone"), redo: () => travel(future, past, "after", "Done again"),
  next: () => step(1), previous: () => step(-1), nearer: () => zoomBy(1.5), farther: () => zoomBy(1 / 1.5), help: () => help.showModal(),
  newObject: () => startPlacing(null, data.names.map((_, k) => k)), names: () => names.click(),
  absent: () => chosen && toggle(chosen), remove: () => chosen && removeObject(chosen[0]), skip: () => placing && skip(),
  end: () => { placing = null; choose(null); show(); },
  download: () => { save("corrected.json", corrected()); say(`corrected.json is saved: ${counted()}.`); },
};
const KEYS = {
  a: "accept", n: "next", PageDown: "next", p: "previous", PageUp: "previous", u: "undo", r: "redo", e: "download", "?": "help", l: "names",
  x: "absent", Delete: "absent", Backspace: "absent", d: "remove", o: "newObject", s: "skip", Escape: "end", "+": "nearer", "=": "nearer", "-": "farther", 0: "whole",
};

document.addEventListener("click", ({ target }) => ACTIONS[target.closest("[data-do]")?.dataset.do]?.());
isReviewed.addEventListener("change", () => change((state) => { state.reviewed = isReviewed.checked; }));
names.checked = data.names.length <= 8;
const showNames = () => stage.classList.toggle("nameless", !names.checked);
names.addEventListener("change", showNames);
filter.addEventListener("change", () => {
  const first = shownOnes.find(passes);
  if (first === undefined) say("No photograph is left in this list.");
  else if (!passes(at)) go(first);
  showProgress();
});

document.addEventListener("keydown", (event) => {
  if (help.open || event.altKey || event.target.closest("select")) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const action = event.ctrlKey || event.metaKey ? { z: event.shiftKey ? "redo" : "undo", y: "redo" }[key] : KEYS[key];
  const longest = visible(), by = stepOf(event, longest), isFree = event.target === stage || event.target === document.body;
  if (action) ACTIONS[action]();
  else if (event.ctrlKey || event.metaKey) return;
  else if (placing && by) {
    placing.cross = inside(placing.cross.map((value, axis) => value + by[axis]), sizeNow());
    update();
  } else if (placing && event.key === "Enter" && isFree) place(placing.cross);
  else if (by && event.target.matches(".pin")) {
    const point = pointOf(chosen);
    correct(() => movePoint(point, point.at.map((value, axis) => value + by[axis])), `move ${idOf(chosen)}`);
    say(textOf(point.at));
  } else if (by && isFree) look(by.map((value) => 5 * value));
  else if (states[at].objects[chosen?.[0] ?? 0]?.points[key - 1]) reach([chosen?.[0] ?? 0, key - 1]);
  else return;
  event.preventDefault();
});

showNames();
go(at);
stage.focus({ preventScroll: true });
document.documentElement.dataset.ready = "true";
