"use strict";
// The address behind # says which view is open, so that links, the back button and bookmarks work.
const VIEWS = ["frames", "frame", "map", "marks", "about"];
let left = 0; // where the grid was scrolled to when a frame was opened

function route() {
  const [name, ...rest] = location.hash.slice(1).split("=");
  let value = rest.join("=");
  try { value = decodeURIComponent(value); } catch (error) { value = ""; } // typed by hand
  const wanted = VIEWS.includes(name) ? name : "frames";
  if (!$("view-frames").hidden) left = window.scrollY;
  for (const view of VIEWS) $("view-" + view).hidden = view !== wanted;
  $("side").hidden = wanted !== "frames" && wanted !== "map";
  $("page").classList.toggle("wide", $("side").hidden);
  for (const link of document.querySelectorAll("nav.tabs a")) {
    if (link.hash === "#" + (wanted === "frame" ? "frames" : wanted)) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (wanted === "frame") openFrame(value);
  else if (wanted === "map") openMap(value);
  else if (wanted === "marks") drawMarks();
  else if (wanted === "about") drawAbout();
  else { gridChanged(); window.scrollTo(0, left); if (opened !== null && shown.includes(opened)) goTo(shown.indexOf(opened)); }
  if (wanted !== "frames") window.scrollTo(0, 0);
}

function drawAbout() {
  const flat = (value, head) => Object.entries(value).flatMap(([key, item]) => item && typeof item === "object" && !Array.isArray(item)
    ? flat(item, head + key + ".") : [[head + key, Array.isArray(item) ? JSON.stringify(item) : String(item)]]);
  const whole = (D.findings || []).filter((row) => row[6] < 0);
  $("view-about").replaceChildren(el("h2", {}, D.name),
    ...(D.models.length ? [el("h3", {}, "Models"), table(["model", "split", "pictures", "counts from score", "chosen"],
      D.models.map((model) => [model.name, model.split, model.images, model.score, model.chosen])),
    el("p", { class: "soft small" }, "hit: every required runway of the frame is found at IoU 0.5; missed: some is not; false alarm: a detection that is of no runway, or of one already found.")] : []),
    ...(whole.length ? [el("h3", {}, "Findings about the dataset as a whole"), table(["requirement", "severity", "subject", "finding"],
      whole.map((row) => [D.checks[row[0]] ? `${row[0]} ${D.checks[row[0]]}` : row[0], row[1], row[2], row[5]]))] : []),
    el("h3", {}, "Keys"), pairs([["arrows", "move among frames; in a frame, previous and next (also p and n)"], ["Enter", "open the frame"], ["m", "mark it"], ["z", "zoom to the runway approached"], ["Esc", "back to all frames"]]),
    el("h3", {}, "The dataset"), pairs(flat(D.about, "")));
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
  if (!$("view-frame").hidden) frameKey(event);
  else if (!$("view-frames").hidden) gridKey(event);
});
let due = false;
const soon = () => { if (!due) { due = true; requestAnimationFrame(() => { due = false; drawGrid(); }); } };
window.addEventListener("scroll", soon, { passive: true });
window.addEventListener("resize", () => { if (!$("view-frames").hidden) gridChanged(); });
window.addEventListener("hashchange", route);
window.addEventListener("beforeprint", layOutForPrint);
window.addEventListener("afterprint", endPrint);
$("thumb-boxes").addEventListener("change", gridChanged);
setUpFilters();
marksChanged();
update();
route();
