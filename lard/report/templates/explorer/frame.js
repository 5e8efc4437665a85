"use strict";
// One frame: the picture with labels and detections over it, and every number that is known of it.
const VERDICT_COLOURS = { IN_ODD: "#40e060", IN_EXTENDED_ODD: "#ffc828", OUT_OF_ODD: "#ff5c50" };
const MODEL_COLOURS = ["#3fd0ff", "#ff66d8", "#ffffff", "#b58cff", "#ff9a3c", "#a8ff60"];
const layers = { outlines: true, boxes: false, corners: true, horizon: true, names: true };
const hiddenModels = new Set();
let opened = null, details = null, view = null; // view: the part of the picture that is shown, [x, y, w, h]

const labelOf = (cells) => Object.fromEntries(D.label_columns.map((name, k) => [name, cells[k]]));
const runwayOf = (label) => `${label.airport ?? ""} ${label.runway ?? ""}`.trim() || "runway";
const colourOf = (label) => VERDICT_COLOURS[label.verdict] || "#78beff";

function openFrame(name) {
  const i = placeOf.get(name);
  $("view-frame").replaceChildren();
  opened = details = null;
  if (i === undefined) {
    $("view-frame").append(el("p", { class: "notice" }, `No frame is called ${name} here.`));
    return;
  }
  opened = i;
  withDetails(i, (row) => {
    if (opened !== i) return;
    details = row;
    view = [0, 0, ...D.size[i]];
    drawFrame();
  }, (file) => $("view-frame").append(el("p", { class: "notice" }, `${file} is missing beside this page: copy the whole folder.`)));
}

function refreshFrame() { if (details && !$("view-frame").hidden) drawFrame(); }

function neighbourInOrder(step) {
  const k = shown.indexOf(opened);
  return k < 0 ? (shown.length ? shown[0] : null) : shown[k + step] ?? null;
}

function drawFrame() {
  const i = opened, k = shown.indexOf(i), labels = details.labels.map(labelOf);
  const go = (step, text) => el("button", { type: "button", disabled: neighbourInOrder(step) === null,
    onclick: () => { location.hash = frameLink(neighbourInOrder(step)); } }, text);
  const head = el("p", { class: "line" }, el("a", { href: "#frames" }, "All frames"), go(-1, "← Previous"), go(1, "Next →"),
    el("button", { type: "button", id: "mark-frame", onclick: () => mark(i) }),
    el("span", { class: "soft" }, k < 0 ? "not among the frames that pass the filters" : `${k + 1} of ${shown.length}`),
    el("span", { class: "soft small keys" }, "keys: ← → m, z zooms, Esc goes back"));
  $("view-frame").replaceChildren(el("h2", {}, D.frame_id[i]), head, el("div", { class: "split" },
    el("div", { class: "picture" }, ...picturePart(i, labels)),
    el("div", {}, el("h3", {}, "Runways in front of the camera"), labels.length ? runwayTable(labels) : el("p", {}, "none"),
      ...detectionPart(i), ...findingPart(i), ...tablePart())),
    ...explainedPart(), el("h3", {}, "Nearest approaches"), nearPart(), el("h3", {}, "Provenance"), provenance(labels),
    el("details", {}, el("summary", {}, "All columns of the frame"), pairs(D.frame_columns.map((name, n) => [name, details.row[n]]))));
  drawMarkButton();
  $("view-frame").querySelector(".picture svg").redraw(); // now that its width is known
}

function drawMarkButton() {
  const button = $("mark-frame");
  if (!button || opened === null) return;
  button.setAttribute("aria-pressed", String(isMarked(opened)));
  button.textContent = isMarked(opened) ? "★ Marked" : "☆ Mark";
}

function picturePart(i, labels) {
  const [width, height] = D.size[i], address = D.images + details.image;
  const notice = el("p", { class: "notice", hidden: true },
    `The picture is not at ${decodeURIComponent(address)}: keep this folder where it was beside the dataset, or write it with --copy-images. A small picture is shown.`);
  const image = svg("image", { href: address, width, height, preserveAspectRatio: "none" });
  image.addEventListener("error", () => {
    notice.hidden = false;
    if (thumbOf(i) && image.getAttribute("href") !== thumbOf(i)) image.setAttribute("href", thumbOf(i));
  });
  const over = svg("svg", { width, height, overflow: "hidden" }); // lines end with the picture
  const picture = svg("svg", { role: "img", "aria-label": `Picture of ${D.frame_id[i]} with ${labels.length} labelled runways` }, image, over);
  const redraw = () => {
    picture.setAttribute("viewBox", view.join(" "));
    over.replaceChildren(...overlay(i, labels, view[2] / (picture.clientWidth || 900)));
  };
  picture.redraw = redraw;
  const box = (name) => el("label", {}, el("input", { type: "checkbox", checked: layers[name],
    onchange: (event) => { layers[name] = event.target.checked; redraw(); } }), " " + name);
  const models = D.models.map((model, m) => model.judged[i] ? el("label", {}, el("input", { type: "checkbox", checked: !hiddenModels.has(m),
    onchange: (event) => { if (event.target.checked) hiddenModels.delete(m); else hiddenModels.add(m); redraw(); } }),
  " ", el("span", { class: "swatch", style: `background:${MODEL_COLOURS[m % MODEL_COLOURS.length]}` }), model.name) : null);
  redraw();
  return [el("div", { class: "layers" }, Object.keys(layers).map(box), models,
    el("button", { type: "button", onclick: () => zoom() }, "Zoom to the runway")), notice, picture,
  el("p", { class: "soft small" }, "Runways: green IN_ODD, yellow IN_EXTENDED_ODD, red OUT_OF_ODD, blue not judged; the one approached is drawn thicker. ",
    "Dashed: detections. Dotted: the horizon of a smooth earth at sea level.")];
}

// The runway approached, else the first in the picture, a third of the window wide; again: the whole picture.
function zoom(box) {
  const [width, height] = D.size[opened], whole = view[2] >= width;
  box ??= D.box[opened] || details.labels.map(labelOf).map(boxOf).find(Boolean);
  if (!whole || !box) view = [0, 0, width, height];
  else {
    const scale = Math.min(1, Math.max((3 * (box[2] - box[0])) / width, (3 * (box[3] - box[1])) / height, 0.04));
    const at = (low, high, size) => Math.min(size * (1 - scale), Math.max(0, (low + high) / 2 - (size * scale) / 2));
    view = [at(box[0], box[2], width), at(box[1], box[3], height), width * scale, height * scale];
  }
  $("view-frame").querySelector(".picture svg").redraw();
}

const boxOf = (label) => label.x_min_px === null ? null : [label.x_min_px, label.y_min_px, label.x_max_px, label.y_max_px];

// Nodes over the picture; px is the length of a pixel of the screen in those of the picture.
function overlay(i, labels, px) {
  const line = (tag, colour, width, more) => svg(tag, { fill: "none", stroke: colour, "stroke-width": width, "vector-effect": "non-scaling-stroke", ...more });
  const rect = (x, y, w, h, colour, width, more) => line("rect", colour, width, { x, y, width: w, height: h, ...more });
  const text = (x, y, colour, words) => svg("text", { x: Math.max(view[0], x), y: Math.max(view[1] + 12 * px, y), fill: colour, stroke: "#000", "stroke-width": 2.4 * px,
    "paint-order": "stroke", "font-size": 12 * px, "font-weight": 650 }, words);
  const nodes = [];
  if (layers.horizon && details.horizon.length > 2) nodes.push(line("polyline", "#fff", 1.3, { points: details.horizon.join(" "), "stroke-dasharray": "2 5" }));
  for (const label of [...labels].reverse()) {
    const colour = colourOf(label), width = label.is_target ? 2.2 : 1.2, box = boxOf(label);
    if (layers.outlines && label.polygon && label.polygon.length) nodes.push(line("polygon", colour, width, { points: label.polygon.join(" ") }));
    if (layers.boxes && box) nodes.push(rect(box[0], box[1], box[2] - box[0], box[3] - box[1], colour, width));
    if (layers.corners && box) for (const corner of ["tl", "tr", "br", "bl"]) {
      const x = label[`x_${corner}_px`], y = label[`y_${corner}_px`];
      // a line of no length with a round end is a dot of the same size at any zoom
      if (x !== null) nodes.push(line("path", corner[0] === "b" ? "#fff" : colour, 5, { d: `M${x} ${y}h0`, "stroke-linecap": "round" }));
    }
    // a runway that begins outside the part shown has no place for its name
    if (layers.names && box && box[0] >= view[0] && box[1] >= view[1] && box[0] < view[0] + view[2] && box[1] < view[1] + view[3]) nodes.push(text(box[0], box[1] - 5 * px, colour, (label.is_target ? "★ " : "") + (label.runway ?? "")));
  }
  D.models.forEach((model, m) => {
    if (hiddenModels.has(m)) return;
    const colour = MODEL_COLOURS[m % MODEL_COLOURS.length];
    for (const [x, y, w, h, score] of details.detections[m] || []) if (score >= model.score) {
      nodes.push(rect(x, y, w, h, colour, 1.6, { "stroke-dasharray": "6 3" }));
      if (layers.names) nodes.push(text(x, y + h + 13 * px, colour, score.toFixed(2)));
    }
  });
  return nodes;
}

// Values down and runways across: a frame shows few runways, and there are many values of each.
function runwayTable(labels) {
  const number = (name, digits) => labels.map((label) => figures(label[name], digits));
  const size = (label) => {
    const box = boxOf(label);
    return box ? el("button", { type: "button", class: "value", title: "zoom to this runway", onclick: () => { view = [0, 0, ...D.size[opened]]; zoom(box); } },
      `${(box[2] - box[0]).toFixed(1)} × ${(box[3] - box[1]).toFixed(1)}`) : "not in the picture";
  };
  const share = (value) => (value === null || value === undefined ? "–" : `${(100 * value).toFixed(0)} %`);
  const rows = [["verdict", labels.map((label) => label.verdict ?? "–")], ["before the threshold, m", number("along_track_m", 1)], ["lateral, °", number("lateral_deg", 3)],
    ["vertical, °", number("vertical_deg", 3)], ["yaw off, °", number("yaw_offset_deg", 2)], ["slant distance, m", number("slant_m", 1)], ["height, m", number("height_m", 1)],
    ["in the picture", labels.map((label) => share(label.visible_fraction))], ["hidden by land", labels.map((label) => share(label.hidden_fraction))], ["box, px", labels.map(size)]];
  const shownRows = rows.filter(([name]) => name !== "hidden by land" || D.label_columns.includes("hidden_fraction"));
  return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Approach to each runway" }, el("table", { class: "sheet" },
    el("thead", {}, el("tr", {}, el("td", {}), labels.map((label) => el("th", { scope: "col" },
      el("span", { class: "swatch", style: `background:${colourOf(label)}` }), (label.is_target ? "★ " : "") + runwayOf(label))))),
    el("tbody", {}, shownRows.map(([name, cells]) => el("tr", {}, el("th", { scope: "row" }, name), cells.map((cell) => el("td", {}, cell)))))));
}

function detectionPart(i) {
  return D.models.flatMap((model, m) => {
    const found = details.detections[m];
    if (!found) return [];
    const above = found.filter((one) => one[4] >= model.score);
    const kinds = (one) => [one[6] && one[5] === 0 ? `runway ${one[6]} a second time` : "false alarm", `found ${one[6]}`, `left out: ${one[6] || "small"} need not be found`][one[5]];
    const swatch = el("span", { class: "swatch", style: `background:${MODEL_COLOURS[m % MODEL_COLOURS.length]}` });
    return [el("h3", {}, swatch, `Detections of ${model.name}: ${outcomes(model, i).join(", ")}`),
      above.length ? table(["score", "box x, y, width, height px", "counts as"], above.map((one) => [one[4].toFixed(3), one.slice(0, 4).join(", "), kinds(one)])) : el("p", {}, "none"),
      el("p", { class: "soft small" }, `from score ${model.score} on (${model.chosen}); ${found.length - above.length} more below`)];
  });
}

function findingPart(i) {
  const rows = (D.findings || []).filter((row) => row[6] === i);
  return rows.length ? [el("h3", {}, "Data quality findings"), table(["requirement", "severity", "subject", "finding"],
    rows.map((row) => [D.checks[row[0]] ? `${row[0]} ${D.checks[row[0]]}` : row[0], row[1], row[2], row[5]]))] : [];
}

const tablePart = () => D.tables.flatMap((part, k) => details.tables[k].length
  ? [el("h3", {}, part.name), table(part.columns, details.tables[k].map((row) => row.map((cell) => figures(cell))))] : []);

// Panels of `lard explain`: the runway's field, heat maps, and the least change found that turns the decision.
const explainedPart = () => details.explained.flatMap(([model, address]) => [el("h3", {}, `Where ${model} looks`),
  el("a", { class: "look", href: address }, el("img", { src: address, loading: "lazy", alt: `Heat maps of ${model}` }))]);

function nearPart() {
  if (!details.near.length) return el("p", { class: "soft" }, "The frame has no whole approach to compare.");
  return el("div", { class: "near" }, details.near.map(([i, distance]) => el("a", { href: frameLink(i), title: "distance in standard deviations of the dataset" },
    thumbOf(i) ? el("img", { src: thumbOf(i), alt: "", loading: "lazy" }) : null, D.frame_id[i], " ", el("span", { class: "soft" }, distance.toFixed(2)))));
}

function provenance(labels) {
  const rows = Object.entries(details.manifest || {});
  const judged = labels[0] ? [["labels' runways", `${labels[0].runway_db} ${labels[0].runway_db_version}`], ["earth model", labels[0].earth_model]] : [];
  const spec = D.about.odd ? [["judged by", `${D.about.odd.name} ${D.about.odd.version} (sha256 ${D.about.odd.sha256})`]] : [];
  return pairs([["picture", D.images + details.image], ...rows, ...judged, ...spec, ...(rows.length ? [] : [["manifest", "the dataset has none"]])]);
}

function frameKey(event) {
  const step = { ArrowRight: 1, ArrowLeft: -1, n: 1, p: -1 }[event.key];
  if (step && neighbourInOrder(step) !== null) location.hash = frameLink(neighbourInOrder(step));
  else if (event.key === "m" && opened !== null) mark(opened);
  else if (event.key === "z" && details) zoom();
  else if (event.key === "Escape") location.hash = "#frames";
  else return;
  event.preventDefault();
}
