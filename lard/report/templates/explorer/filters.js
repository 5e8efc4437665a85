"use strict";
// Facets and ranges. A frame counts for a value or a bar when every *other* filter lets it pass, so that each
// filter shows what it would give.
const OUTCOMES = ["hit", "missed", "false alarm", "nothing to find", "not predicted"];
const filters = [];
let shown = [], order = "name", contains = "";

function addFacet(facet, renew) {
  const filter = { kind: "facet", ...facet, chosen: new Set(), renew, counts: [] };
  if (renew) filter.codes = renew();
  filter.passes = (i) => filter.chosen.size === 0 || filter.codes[i].some((code) => filter.chosen.has(code));
  filter.active = () => filter.chosen.size > 0;
  filters.push(filter);
  const list = el("div", { class: "values" });
  filter.labels = filter.values.map((value, code) => {
    const count = el("span", {});
    const box = el("input", { type: "checkbox", onchange: () => {
      if (box.checked) filter.chosen.add(code); else filter.chosen.delete(code);
      update();
    } });
    const about = facet.key === "finding" && D.checks[value] ? `${value}: ${D.checks[value]}` : value;
    const label = el("label", { title: about }, box, el("span", {}, value), count);
    list.append(label);
    return { box, count, label };
  });
  $("facets").append(el("fieldset", {}, el("legend", {}, facet.title), list));
}

function addRange(range) {
  const known = range.values.filter((value) => value !== null && (!range.log || value > 0));
  const scale = range.log ? Math.log : (x) => x, back = range.log ? Math.exp : (x) => x;
  let low = Infinity, high = -Infinity;
  for (const value of known) { low = Math.min(low, value); high = Math.max(high, value); }
  const bins = 30, from = scale(low), step = (scale(high) - from) / bins;
  const bin = range.values.map((value) => value === null || (range.log && value <= 0) ? -1
    : Math.min(bins - 1, Math.max(0, Math.floor((scale(value) - from) / step))));
  const filter = { kind: "range", ...range, span: null, bin, bins, low, high };
  filter.active = () => filter.span !== null;
  filter.passes = (i) => {
    const value = range.values[i];
    return !filter.span || (value !== null && value >= filter.span[0] && value <= filter.span[1]);
  };
  const picture = svg("svg", { viewBox: "0 0 300 64", preserveAspectRatio: "none", "aria-hidden": "true" });
  const ends = ["from", "to"].map((word) => el("input", { type: "number", step: "any",
    "aria-label": `${range.title}, ${word}`, onchange: () => {
      const typed = ends.map((input) => (input.value === "" ? null : Number(input.value)));
      filter.set(typed.every((value) => value === null) ? null : [typed[0] ?? low, typed[1] ?? high]);
    } }));
  filter.set = (span) => { filter.span = span && [Math.min(...span), Math.max(...span)]; update(); };
  const at = (event) => {
    const box = picture.getBoundingClientRect();
    return back(from + Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)) * step * bins);
  };
  let start = null;
  picture.addEventListener("pointerdown", (event) => {
    start = at(event);
    picture.setPointerCapture(event.pointerId);
  });
  picture.addEventListener("pointermove", (event) => { if (start !== null) filter.set([start, at(event)]); });
  picture.addEventListener("pointerup", (event) => {
    if (start !== null && Math.abs(scale(at(event)) - scale(start)) < step / 3) filter.set(null); // a click clears
    start = null;
  });
  picture.addEventListener("pointercancel", () => { start = null; });
  filter.draw = (counts, most, all) => {
    const x = (value) => (300 * (scale(value) - from)) / (step * bins);
    const bar = (kind) => (count, k) => svg("rect", { class: kind, x: k * 10 + 0.5, width: 9,
      y: 62 - (60 * count) / most, height: (60 * count) / most });
    const parts = [...all.map(bar("all")), ...counts.map(bar("now"))];
    if (filter.span) {
      const [a, b] = filter.span.map((value) => Math.min(301, Math.max(-1, x(Math.max(value, range.log ? low : value)))));
      parts.push(svg("rect", { class: "span", x: a, y: 0, width: Math.max(b - a, 1), height: 64 }));
    }
    picture.replaceChildren(...parts);
    ends.forEach((input, k) => {
      if (document.activeElement !== input) input.value = filter.span ? Number(filter.span[k].toPrecision(5)) : "";
      input.placeholder = String(Number((k ? high : low).toPrecision(5)));
    });
  };
  filters.push(filter);
  const lacking = N - known.length;
  $(range.first ? "hists" : "hists-more").append(el("div", { class: "hist" },
    el("b", {}, range.unit ? `${range.title}, ${range.unit}` : range.title), picture,
    el("div", { class: "ends" }, ...ends, lacking ? el("span", { class: "soft" }, `${lacking} without`) : null)));
}

function addScores() {
  for (const model of D.models) {
    const told = el("span", { class: "soft small" }, `${model.split}; ${model.chosen}`);
    const box = el("input", { type: "number", min: 0, max: 1, step: "any", value: model.score,
      "aria-label": `Score of ${model.name}`, onchange: () => {
        const score = Number(box.value);
        if (box.value === "" || !(score >= 0 && score <= 1)) { box.value = model.score; return; }
        model.score = score;
        update();
        refreshFrame();
      } });
    $("scores").append(el("p", {}, el("b", {}, model.name), " ", box, " ", el("br"), told));
    addFacet({ key: "outcome:" + model.name, title: "Outcome of " + model.name, values: OUTCOMES },
      () => D.frame_id.map((_, i) => outcomes(model, i).map((word) => OUTCOMES.indexOf(word))));
  }
}

function setUpFilters() {
  if (D.models.length) addScores();
  // one value tells no frames apart: it is said of them, not offered
  for (const facet of D.facets) if (facet.values.length > 1 || facet.key === "airport") addFacet(facet);
  addFacet({ key: "mark", title: "Mark", values: ["marked", "not marked"] },
    () => D.frame_id.map((_, i) => [isMarked(i) ? 0 : 1]));
  D.ranges.forEach(addRange);
  if (!D.ranges.some((range) => !range.first)) $("more-hists").hidden = true;
  $("more-hists").addEventListener("toggle", () => filters.forEach((filter) => { if (filter.kind === "range") drawRange(filter); }));
  $("name-contains").addEventListener("input", (event) => {
    contains = event.target.value.toLowerCase();
    update();
  });
  $("reset").addEventListener("click", resetFilters);
  const choices = [["name", "name"]];
  for (const range of D.ranges) choices.push([`+${range.key}`, `${range.title}, low first`], [`-${range.key}`, `${range.title}, high first`]);
  $("order").append(...choices.map(([value, text]) => el("option", { value }, text)));
  $("order").addEventListener("change", (event) => { order = event.target.value; update(); });
  // little room: filters do not push frames out of sight
  if (window.innerWidth <= 700) $("filters").open = $("ranges").open = false;
}

function resetFilters() {
  for (const filter of filters) {
    if (filter.kind === "facet") { filter.chosen.clear(); filter.labels.forEach(({ box }) => { box.checked = false; }); }
    else filter.span = null;
  }
  contains = $("name-contains").value = "";
  update();
}

function update() {
  for (const filter of filters) if (filter.renew) filter.codes = filter.renew();
  for (const filter of filters) {
    filter.counts = new Array(filter.kind === "facet" ? filter.values.length : filter.bins).fill(0);
  }
  const active = filters.filter((filter) => filter.active());
  shown = [];
  for (let i = 0; i < N; i++) {
    if (contains && !D.frame_id[i].toLowerCase().includes(contains)) continue;
    let fails = 0, last = null;
    for (const filter of active) if (!filter.passes(i)) { last = filter; if (++fails > 1) break; }
    if (fails > 1) continue;
    if (fails === 0) shown.push(i);
    for (const filter of fails ? [last] : filters) {
      if (filter.kind === "facet") for (const code of filter.codes[i]) filter.counts[code]++;
      else if (filter.bin[i] >= 0) filter.counts[filter.bin[i]]++;
    }
  }
  sortShown();
  for (const filter of filters) {
    if (filter.kind === "facet") filter.labels.forEach(({ count, label }, code) => {
      count.textContent = filter.counts[code];
      label.className = filter.counts[code] ? "" : "none";
    });
    else drawRange(filter);
  }
  $("count").textContent = shown.length === N ? `${N} frames` : `${shown.length} of ${N} frames`;
  $("reset").disabled = !active.length && !contains;
  gridChanged();
  mapChanged();
}

function drawRange(filter) {
  if (!filter.first && !$("more-hists").open) return; // drawn when the reader opens them
  if (!filter.whole) {
    filter.whole = new Array(filter.bins).fill(0);
    for (const k of filter.bin) if (k >= 0) filter.whole[k]++;
  }
  filter.draw(filter.counts, Math.max(1, ...filter.whole), filter.whole);
}

function sortShown() {
  if (order === "name") return;
  const values = rangeOf(order.slice(1)).values, sign = order[0] === "+" ? 1 : -1;
  const rank = (i) => (values[i] === null ? Infinity : sign * values[i]); // those without a value come last
  shown.sort((a, b) => (rank(a) === rank(b) ? a - b : rank(a) - rank(b)));
}
