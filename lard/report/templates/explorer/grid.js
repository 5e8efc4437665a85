"use strict";
// Thumbnails, of which only those near the window exist as elements, so that thousands scroll without lag.
const TILE_PX = 196, CAPTION_PX = 40, PRINTED = 200;
const tiles = new Map(); // place in `shown`: element
let here = 0, printing = false;

const columns = () => Math.max(2, Math.floor($("grid").clientWidth / TILE_PX));

function shapeOf() {
  const wide = $("grid").clientWidth / columns();
  // one height for all rows: that of the dataset's first picture, up to a square
  const [width, height] = D.size[0];
  return { wide, shot: Math.round((wide - 8) * Math.min(1, Math.max(0.4, height / width))) };
}

function gridChanged() {
  const held = $("grid").contains(document.activeElement);
  here = Math.min(here, Math.max(0, shown.length - 1));
  for (const tile of tiles.values()) tile.remove();
  tiles.clear();
  drawGrid();
  if (held) tiles.get(here)?.querySelector("a").focus({ preventScroll: true });
}

function drawGrid() {
  if ($("view-frames").hidden || printing) return;
  const grid = $("grid"), across = columns(), { wide, shot } = shapeOf(), high = shot + CAPTION_PX;
  grid.style.height = Math.ceil(shown.length / across) * high + "px";
  const top = -grid.getBoundingClientRect().top;
  const first = Math.max(0, (Math.floor(top / high) - 2) * across);
  const last = Math.min(shown.length, (Math.ceil((top + window.innerHeight) / high) + 2) * across);
  for (const [k, tile] of tiles) if (k < first || k >= last) { tile.remove(); tiles.delete(k); }
  for (let k = first; k < last; k++) if (!tiles.has(k)) {
    const tile = makeTile(k, wide, shot);
    tile.style.transform = `translate(${(k % across) * wide}px, ${Math.floor(k / across) * high}px)`;
    tiles.set(k, tile);
    grid.append(tile);
  }
  for (const [k, tile] of tiles) tile.classList.toggle("here", k === here && grid.contains(document.activeElement));
}

function makeTile(k, wide, shot) {
  const i = shown[k], distance = rangeOf("along_track_m")?.values[i];
  const what = [facetText("zone", i), distance === undefined || distance === null ? "" : `${Math.round(distance)} m`].filter(Boolean);
  const badges = D.models.flatMap((model) => outcomes(model, i).filter((word) => word === "missed" || word === "false alarm")
    .map((word) => el("span", { class: "badge " + word.split(" ")[0] }, `${model.name}: ${word}`)));
  const told = [D.frame_id[i], ...what, ...badges.map((badge) => badge.textContent)].join(", ");
  const picture = el("span", { class: "shot", style: `height:${shot}px` }, shotOf(i, wide - 8, shot), el("span", { class: "badges" }, badges));
  const star = el("button", { type: "button", tabindex: -1, "aria-pressed": String(isMarked(i)),
    "aria-label": "mark " + D.frame_id[i], onclick: () => mark(i) }, isMarked(i) ? "★" : "☆");
  return el("div", { class: "cell", role: "listitem", style: `width:${wide}px`, "aria-setsize": shown.length, "aria-posinset": k + 1 },
    el("a", { href: frameLink(i), "aria-label": told, tabindex: k === here ? 0 : -1, "data-k": k, onfocus: () => { here = k; } },
      picture, el("span", { class: "name", title: D.frame_id[i] }, D.frame_id[i]),
      el("span", { class: "what" }, what.join(", "))), star);
}

function shotOf(i, wide, high) {
  if (!thumbOf(i)) return [el("em", {}, "no picture")];
  // contained in the tile; the box is laid over the part that the picture takes
  const [width, height] = D.size[i], scale = Math.min(wide / width, high / height);
  const w = width * scale, h = height * scale, x = (wide - w) / 2, y = (high - h) / 2;
  const nodes = [el("img", { src: thumbOf(i), alt: "",
    style: `position:absolute;left:${x}px;top:${y}px;width:${w}px;height:${h}px` })];
  const box = D.box[i];
  if (box && $("thumb-boxes").checked) {
    const side = 9, bw = Math.max(side, (box[2] - box[0]) * scale + 4), bh = Math.max(side, (box[3] - box[1]) * scale + 4);
    nodes.push(el("i", { style: `left:${x + ((box[0] + box[2]) / 2) * scale - bw / 2}px;top:${y + ((box[1] + box[3]) / 2) * scale - bh / 2}px;width:${bw}px;height:${bh}px` }));
  }
  return nodes;
}

function goTo(k) {
  here = Math.min(shown.length - 1, Math.max(0, k));
  const { shot } = shapeOf(), high = shot + CAPTION_PX, row = Math.floor(here / columns());
  const top = $("grid").getBoundingClientRect().top + window.scrollY + row * high;
  const room = 60; // the bar at the top
  if (top - room < window.scrollY) window.scrollTo(0, top - room);
  else if (top + high > window.scrollY + window.innerHeight) window.scrollTo(0, top + high - window.innerHeight);
  drawGrid();
  for (const [place, tile] of tiles) tile.querySelector("a").tabIndex = place === here ? 0 : -1;
  tiles.get(here)?.querySelector("a").focus({ preventScroll: true });
  drawGrid();
}

function gridKey(event) {
  const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns(), ArrowUp: -columns() };
  const inGrid = $("grid").contains(document.activeElement);
  if (event.key in steps && shown.length && (inGrid || document.activeElement === document.body)) {
    event.preventDefault();
    goTo(inGrid ? here + steps[event.key] : here);
  } else if (event.key === "m" && inGrid && shown.length) mark(shown[here]);
}

// Paper has no scrolling: the first frames are laid out one after another, and a line says how many are left out.
function layOutForPrint() {
  if ($("view-frames").hidden) return;
  printing = true;
  for (const tile of tiles.values()) tile.remove();
  tiles.clear();
  const some = Math.min(PRINTED, shown.length), wide = 150, shot = Math.round(142 * Math.min(1, D.size[0][1] / D.size[0][0]));
  for (let k = 0; k < some; k++) { tiles.set(k, makeTile(k, wide, shot)); $("grid").append(tiles.get(k)); }
  $("print-note").textContent = some < shown.length ? `The first ${some} of ${shown.length} frames; filter to print others.` : "";
}

function endPrint() {
  if (!printing) return;
  printing = false;
  $("print-note").textContent = "";
  gridChanged();
}
