"use strict";
// What all views share. Texts of tables reach the page only as text nodes and attributes set by name, never as
// markup: names of frames and airports come from files of others.
const D = window.LARD_DATA;
if (!D) document.body.prepend("data/frames.js is missing beside this page: copy the whole folder.");
const N = D.frame_id.length;
const $ = (id) => document.getElementById(id);

function fill(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : value);
  }
  for (const child of children.flat(3)) if (child !== null && child !== undefined) node.append(child);
  return node;
}
const el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

function figures(value, digits) {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "number") return String(value);
  return Number.isInteger(value) && digits === undefined ? String(value) : value.toFixed(digits ?? 3);
}

// A table; on narrow windows each row becomes a card whose values carry their column's name.
function table(columns, rows, kind) {
  const cell = (value, k) => el("td", { "data-label": columns[k] }, value instanceof Node ? value : figures(value));
  return el("table", { class: kind || "cards" },
    el("thead", {}, el("tr", {}, columns.map((name) => el("th", { scope: "col" }, name)))),
    el("tbody", {}, rows.map((row) => el("tr", {}, row.map(cell)))));
}
const pairs = (rows) => el("table", { class: "kv" }, el("tbody", {}, rows.map(([key, value]) =>
  el("tr", {}, el("th", { scope: "row" }, key), el("td", {}, value instanceof Node ? value : figures(value))))));

const facetOf = (key) => D.facets.find((facet) => facet.key === key);
function facetText(key, i) {
  const facet = facetOf(key);
  return facet ? facet.codes[i].map((code) => facet.values[code]).join(", ") : "";
}
const rangeOf = (key) => D.ranges.find((range) => range.key === key);
const thumbOf = (i) => D.thumb[i] &&
  `thumbs/${String(Math.floor(i / 1000)).padStart(3, "0")}/${String(i).padStart(6, "0")}.jpg`;
const frameLink = (i) => "#frame=" + encodeURIComponent(D.frame_id[i]);
const placeOf = new Map(D.frame_id.map((name, i) => [name, i]));

// Details of a hundred frames lie in one script, read when one of them is opened: file:// has no fetch.
const parts = new Map(), waiting = new Map();
window.LARD_PART = (k, rows) => parts.set(k, rows);
function withDetails(i, done, failed) {
  const k = Math.floor(i / D.part_frames), name = `data/part_${String(k).padStart(4, "0")}.js`;
  if (parts.has(k)) return done(parts.get(k)[i % D.part_frames]);
  const jobs = waiting.get(k);
  const job = () => (parts.has(k) ? done(parts.get(k)[i % D.part_frames]) : failed(name));
  if (jobs) return jobs.push(job);
  waiting.set(k, [job]);
  const all = () => { const list = waiting.get(k); waiting.delete(k); list.forEach((one) => one()); };
  document.head.append(el("script", { src: name, onload: all, onerror: all }));
}

// Marks stay in this browser under the dataset's content, where it lets pages of files keep anything.
const KEY = "lard-explorer-marks-" + D.id;
let keeps = true;
const marks = new Set();
try {
  for (const name of JSON.parse(localStorage.getItem(KEY) || "[]")) if (placeOf.has(name)) marks.add(name);
} catch (error) { keeps = false; }
function mark(i, on) {
  const name = D.frame_id[i];
  if (on ?? !marks.has(name)) marks.add(name); else marks.delete(name);
  saveMarks();
}
function saveMarks() {
  try { localStorage.setItem(KEY, JSON.stringify([...marks].sort())); } catch (error) { keeps = false; }
  marksChanged();
}
const isMarked = (i) => marks.has(D.frame_id[i]);

// How a model did on a frame from its score on: an exact rule, since matching takes the best scored first.
function outcomes(model, i) {
  if (!model.judged[i]) return ["not predicted"];
  const found = [];
  if (model.worst[i] === null) found.push("nothing to find");
  else found.push(model.worst[i] >= model.score ? "hit" : "missed");
  if (model.alarm[i] >= model.score) found.push("false alarm");
  return found;
}
