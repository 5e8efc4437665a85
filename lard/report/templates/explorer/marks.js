"use strict";
// Marks leave as a list of frames, or as waivers in the format of `lard dqr run --waivers`.
const quoteCell = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
const markedPlaces = () => D.frame_id.map((_, i) => i).filter(isMarked);

function marksCsv() {
  const keys = ["airport", "zone", "split", "verdict", "finding"].filter(facetOf);
  const rows = markedPlaces().map((i) => [D.frame_id[i], ...keys.map((key) => facetText(key, i))]);
  return [["frame_id", ...keys], ...rows].map((row) => row.map(quoteCell).join(",") + "\n").join("");
}

// JSON's strings are YAML's, but YAML allows fewer characters as they stand.
const yamlText = (text) => JSON.stringify(text).replace(/[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g,
  (sign) => "\\u" + sign.charCodeAt(0).toString(16).padStart(4, "0"));
const asPattern = (subject) => subject.replace(/[*?[]/g, "[$&]"); // a subject is a pattern there: this one and no other

function waivedFindings() {
  const checks = new Set((filters.find((filter) => filter.key === "finding")?.labels || [])
    .filter(({ box }) => box.checked).map(({ label }) => label.children[1].textContent));
  return (D.findings || []).filter((row) => row[6] >= 0 && isMarked(row[6]) && (!checks.size || checks.has(row[0])));
}

function waiversYaml(reason, author, expires) {
  const entries = waivedFindings().map((row) => [["check", row[0]], ["subject", asPattern(row[2])], ["reason", reason],
    ["author", author], ["expires", expires]].map(([key, value], k) => `${k ? "   " : "  -"} ${key}: ${yamlText(value)}\n`).join(""));
  return entries.length ? "waivers:\n" + entries.join("") : "waivers: []\n";
}

function download(name, text) {
  const address = URL.createObjectURL(new Blob([text], { type: "text/plain;charset=utf-8" }));
  el("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

function marksChanged() {
  $("marks-count").textContent = marks.size;
  const filter = filters.find((one) => one.key === "mark");
  if (filter?.active()) update();
  else {
    if (filter) {
      filter.codes = filter.renew();
      filter.labels.forEach(({ count, label }, code) => {
        const left = shown.filter((i) => filter.codes[i].includes(code)).length;
        count.textContent = left;
        label.className = left ? "" : "none";
      });
    }
    for (const [k, tile] of tiles) {
      const star = tile.querySelector("button"), on = isMarked(shown[k]);
      star.setAttribute("aria-pressed", String(on));
      star.textContent = on ? "★" : "☆";
    }
  }
  if (!$("view-marks").hidden) drawMarks();
  drawMarkButton();
}

function drawMarks() {
  const places = markedPlaces(), found = waivedFindings();
  const kept = keeps ? "Marks are kept in this browser, on this machine." : "This browser keeps nothing for pages of files: export before closing.";
  const button = (text, action) => el("button", { type: "button", disabled: !places.length, onclick: action }, text);
  const clear = button("Remove all marks", () => { if (window.confirm(`Remove ${places.length} marks?`)) { marks.clear(); saveMarks(); } });
  const reset = button("Mark all frames shown", () => { shown.forEach((i) => marks.add(D.frame_id[i])); saveMarks(); });
  reset.disabled = !shown.length;
  $("view-marks").replaceChildren(
    el("h2", {}, `${places.length} marked frames`), el("p", { class: "soft" }, kept),
    el("p", { class: "line" }, button("List of names (.txt)", () => download("frames.txt", places.map((i) => D.frame_id[i] + "\n").join(""))),
      button("Table (.csv)", () => download("frames.csv", marksCsv())), reset, clear),
    places.length ? table(["frame", "airport", "zone", "split", "findings"], places.map((i) => [el("a", { href: frameLink(i) }, D.frame_id[i]),
      facetText("airport", i), facetText("zone", i), facetText("split", i), facetText("finding", i)])) : el("p", {}, "Mark frames with m or with the star on them."),
    el("h3", {}, "Waivers"), ...waiverForm(found));
}

function waiverForm(found) {
  if (!D.findings) return [el("p", {}, "Written with --findings findings.parquet, these pages make a waivers file of the marked frames' findings.")];
  if (!found.length) return [el("p", {}, "No marked frame has a finding" + (D.findings.length ? " of the requirements chosen among the filters." : "."))];
  const preview = el("textarea", { readonly: true, "aria-label": "Waivers file", spellcheck: "false" });
  const save = el("button", { type: "button", onclick: () => download("waivers.yaml", preview.value) }, "Waivers file (.yaml)");
  const inputs = [["reason", "text"], ["author", "text"], ["expires", "date"]].map(([name, type]) =>
    el("input", { type, id: "waiver-" + name, required: true, oninput: () => redraw() }));
  function redraw() {
    const [reason, author, expires] = inputs.map((input) => input.value.trim());
    preview.value = waiversYaml(reason, author, expires);
    save.disabled = !(reason && author && expires);
  }
  redraw();
  return [el("p", {}, `${found.length} findings of the marked frames, of the requirements chosen among the filters if any are: each is accepted by name, for a reason, until a day.`),
    el("div", { class: "form" }, inputs.map((input, k) => [el("label", { for: input.id }, ["Reason", "Author", "Expires"][k]), input])), preview,
    el("p", {}, save, " for lard dqr run --waivers")];
}
