"use strict";
// Longitude to the right and latitude up; near an airport longitudes are shortened, so that a circle is one.
let place = null; // code of the airport that is shown, null: the world

function openMap(code) {
  place = D.map.airports.some((airport) => airport.code === code) ? code : null;
  drawMap();
}

function mapChanged() { if (!$("view-map").hidden) drawMap(); }

function drawMap() {
  const counts = new Map(), facet = facetOf("airport");
  for (const i of shown) for (const value of facet.codes[i]) counts.set(facet.values[value], (counts.get(facet.values[value]) || 0) + 1);
  const choose = el("select", { onchange: (event) => { location.hash = event.target.value === "" ? "#map" : "#map=" + encodeURIComponent(event.target.value); } },
    el("option", { value: "" }, "the whole world"), D.map.airports.map((one) => el("option", { value: one.code, selected: one.code === place }, `${one.code} ${one.name}`.trim())));
  const airport = D.map.airports.find((one) => one.code === place);
  const lost = D.map.places.filter((at) => at === null).length;
  const note = airport
    ? "Lines: runways. Sectors: where the frames of the whole dataset approach a runway from, as seen from its threshold. Dots: cameras of the frames that pass the filters; each opens its frame."
    : "Circles: airports, larger with more frames that pass the filters; wedges point to where frames approach from. Coasts: Natural Earth, 1:110 million, public domain.";
  $("view-map").replaceChildren(el("h2", {}, airport ? `${airport.code} ${airport.name}`.trim() : "Airports"), el("p", { class: "line" }, el("label", {}, "Show ", choose)),
    el("div", { id: "map-box" }, airport ? localMap(airport) : worldMap(counts)), el("p", { class: "soft small" }, note + (lost ? ` ${lost} frames have no position.` : "")),
    airport ? runwayCounts(airport) : table(["airport", "name", "frames shown", "latitude °", "longitude °"],
      D.map.airports.map((one) => [el("a", { href: "#map=" + encodeURIComponent(one.code) }, one.code), one.name, counts.get(one.code) || 0, figures(one.at[0], 3), figures(one.at[1], 3)])));
}

const runwayCounts = (airport) => airport.runways.some((one) => one.frames) ? table(["runway", "frames of the dataset"],
  airport.runways.filter((one) => one.frames).map((one) => [one.ident, one.frames])) : el("p", { class: "soft" }, "Its runways are not in the database that these pages were written with (--runways).");

function lines(low, high, step, put) {
  const found = [];
  for (let k = Math.ceil(low / step); k * step <= high + 1e-9; k++) found.push(put(Number((k * step).toFixed(6))));
  return found;
}

// Length in the map's units of so many pixels on the screen, so that words are as large in a narrow window.
const pixels = (px, span) => (px * span) / Math.min(1600, Math.max(300, $("view-map").clientWidth));

function worldMap(counts) {
  const letter = pixels(11, 360), written = [];
  const grid = (d) => svg("path", { d, stroke: "#c9d4de", "stroke-width": 0.25, fill: "none" });
  const words = (x, y, text, more) => svg("text", { x, y, "font-size": letter, fill: "#5b6675", ...more }, text);
  const degrees = (value, plus, minus) => `${Math.abs(value)}°${value > 0 ? plus : value < 0 ? minus : ""}`;
  const nodes = [svg("path", { class: "coast", d: D.map.coast, fill: "#f0ede3", stroke: "#cfc9b8", "stroke-width": 0.2 }), ...lines(-180, 180, 30, (x) => grid(`M${x} -90V90`)), ...lines(-90, 90, 30, (y) => grid(`M-180 ${-y}H180`)),
    ...lines(-150, 150, 30, (x) => words(x + 0.6, 89, degrees(x, "E", "W"))), ...lines(-60, 60, 30, (y) => words(-179, -y - 0.8, degrees(y, "N", "S")))];
  for (const airport of [...D.map.airports].sort((a, b) => (counts.get(b.code) || 0) - (counts.get(a.code) || 0))) {
    const [lat, lon] = airport.at, count = counts.get(airport.code) || 0, radius = count ? 1 + Math.min(2.2, Math.sqrt(count) / 8) : 0.8;
    const wedges = airport.runways.filter((one) => one.cone.length).map((one) => {
      const [y0, x0] = one.cone[0], [y1, x1] = one.cone[Math.ceil(one.cone.length / 2)];
      const angle = Math.atan2(-(y1 - y0), (x1 - x0) * Math.cos((lat * Math.PI) / 180)), tip = (turn) => `${(lon + 6 * Math.cos(angle + turn)).toFixed(2)} ${(-lat + 6 * Math.sin(angle + turn)).toFixed(2)}`;
      return svg("path", { d: `M${lon} ${-lat}L${tip(-0.16)} ${tip(0.16)}Z`, fill: "#2f6fb3", "fill-opacity": count ? 0.35 : 0.1 });
    });
    // a code is left out where it would lie on another; the table below has all
    const long = 0.68 * letter * airport.code.length, x = lon + radius + 0.5 + long > 180 ? lon - radius - 0.5 - long : lon + radius + 0.5;
    const free = written.every(([left, high, wide]) => x > left + wide || x + long < left || Math.abs(-lat - high) > letter);
    if (free) written.push([x, -lat, long]);
    nodes.push(svg("a", { href: "#map=" + encodeURIComponent(airport.code), "aria-label": `${airport.code}, ${count} frames` }, wedges,
      svg("circle", { cx: lon, cy: -lat, r: radius, fill: count ? "#c4701b" : "#9aa4b0", stroke: "#fff", "stroke-width": 0.3 }),
      svg("title", {}, `${airport.code} ${airport.name}: ${count} frames`), free ? words(x, -lat + letter / 3, airport.code, { fill: "#1c2430" }) : null));
  }
  return svg("svg", { viewBox: "-180 -90 360 180", role: "group", "aria-label": "Map of the world with the airports" }, nodes);
}

function localMap(airport) {
  const [lat0, lon0] = airport.at, squeeze = Math.cos((lat0 * Math.PI) / 180), KM = 111.2;
  const xy = ([lat, lon]) => [(((lon - lon0 + 540) % 360) - 180) * squeeze * KM, -(lat - lat0) * KM]; // across the date line too
  const codes = facetOf("airport"), own = codes.values.indexOf(airport.code);
  const cameras = shown.filter((i) => D.map.places[i] && codes.codes[i].includes(own));
  const points = [...airport.runways.flatMap((one) => [...one.ends, ...one.cone]).map(xy), ...cameras.map((i) => xy(D.map.places[i]))];
  if (!points.length) points.push([-5, -5], [5, 5]);
  const low = [0, 1].map((k) => Math.min(...points.map((point) => point[k]))), high = [0, 1].map((k) => Math.max(...points.map((point) => point[k])));
  const size = Math.max(high[0] - low[0], (high[1] - low[1]) * 1.4, 1) * 1.12, tall = size / 1.4;
  const left = (low[0] + high[0]) / 2 - size / 2, top = (low[1] + high[1]) / 2 - tall / 2, path = (list) => "M" + list.map(xy).map((p) => p.map((v) => v.toFixed(3)).join(" ")).join("L");
  const step = [0.5, 1, 2, 5, 10, 20, 50].find((km) => size / km < 14) || 100, thin = { "vector-effect": "non-scaling-stroke" };
  const nodes = [...lines(left, left + size, step, (x) => svg("path", { d: `M${x} ${top}V${top + tall}`, stroke: "#d5dee6", ...thin })),
    ...lines(top, top + tall, step, (y) => svg("path", { d: `M${left} ${y}H${left + size}`, stroke: "#d5dee6", ...thin }))];
  for (const one of airport.runways) if (one.cone.length) nodes.push(svg("path", { d: path(one.cone) + "Z", fill: "#2f6fb3", "fill-opacity": 0.12, stroke: "#2f6fb3", "stroke-opacity": 0.5, ...thin },
    svg("title", {}, `approaches to ${one.ident}: ${one.frames} frames`)));
  for (const i of cameras) {
    const [x, y] = xy(D.map.places[i]);
    nodes.push(svg("a", { href: frameLink(i), "aria-label": D.frame_id[i] }, svg("circle", { cx: x, cy: y, r: pixels(4, size), fill: "#c4701b", stroke: "#fff", "stroke-width": 0.5, ...thin }), svg("title", {}, D.frame_id[i])));
  }
  for (const one of airport.runways) {
    const [[x, y], [farX, farY]] = one.ends.map(xy), out = pixels(13, size) / (Math.hypot(x - farX, y - farY) || 1);
    nodes.push(svg("path", { d: path(one.ends), stroke: "#1c2430", "stroke-width": 3, ...thin }), svg("text", { x: x + (x - farX) * out, y: y + (y - farY) * out,
      "font-size": pixels(12, size), "text-anchor": "middle", "dominant-baseline": "middle", fill: "#1c2430", stroke: "#fff", "stroke-width": pixels(2.5, size), "paint-order": "stroke" }, one.ident));
  }
  nodes.push(svg("text", { x: left + size / 80, y: top + tall - size / 80, "font-size": pixels(12, size), fill: "#5b6675" }, `squares of ${step} km, north is up`));
  return svg("svg", { viewBox: `${left} ${top} ${size} ${tall}`, role: "group", "aria-label": `Map of ${airport.code} with ${cameras.length} cameras` }, nodes);
}
