"use strict";
// Nothing is fetched: figures and Plotly itself lie in the page.
const figures = JSON.parse(document.getElementById("figures").textContent);
const darkColours = JSON.parse(document.getElementById("dark-colours").textContent);
const dark = window.matchMedia("(prefers-color-scheme: dark)");

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function themed(layout) {
  const line = { gridcolor: colour("--grid"), linecolor: colour("--rule"), tickcolor: colour("--rule") };
  const changes = {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", "font.color": colour("--ink"),
    "font.family": getComputedStyle(document.body).fontFamily,
    "hoverlabel.bgcolor": colour("--raised"), "hoverlabel.font.color": colour("--ink"), "hoverlabel.align": "left",
  };
  for (const [key, value] of Object.entries(line)) {
    for (const axis of Object.keys(layout).filter((name) => /^[xy]axis\d*$/.test(name))) changes[`${axis}.${key}`] = value;
    if (layout.ternary) for (const axis of ["aaxis", "baxis", "caxis"]) changes[`ternary.${axis}.${key}`] = value;
  }
  if (layout.ternary) changes["ternary.bgcolor"] = "rgba(0,0,0,0)";
  return changes;
}

// On a dark page each system has a lighter colour of its own.
function traces(place) {
  let text = JSON.stringify(figures[place.dataset.figure].data);
  if (dark.matches) for (const [light, lighter] of Object.entries(darkColours)) text = text.replaceAll(`"${light}"`, `"${lighter}"`);
  return JSON.parse(text);
}

async function draw(place) {
  if (place.dataset.drawn || place.closest("details:not([open])")) return;
  place.dataset.drawn = "true";
  await show(place);
}

async function show(place) {
  const layout = structuredClone(figures[place.dataset.figure].layout);
  await Plotly.react(place, traces(place), layout, { responsive: true, displaylogo: false, displayModeBar: false });
  await Plotly.relayout(place, themed(layout));
}

async function loadPlotly() {
  const packed = Uint8Array.from(atob(document.getElementById("plotly").textContent), (byte) => byte.charCodeAt(0));
  const unpacked = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const script = document.createElement("script");
  script.textContent = await new Response(unpacked).text();
  document.head.append(script);
}

async function drawAll() {
  const places = [...document.querySelectorAll("[data-figure]")];
  if (places.length) await loadPlotly();
  for (const place of places) await draw(place);
  for (const folded of document.querySelectorAll("details")) {
    folded.addEventListener("toggle", () => folded.querySelectorAll("[data-figure]").forEach(draw));
  }
  dark.addEventListener("change", () => {
    for (const place of places.filter((one) => one.dataset.drawn)) show(place);
  });
  document.documentElement.dataset.ready = "true";
}

function compare(one, other) {
  const [a, b] = [Number(one), Number(other)];
  return Number.isNaN(a) || Number.isNaN(b) ? one.localeCompare(other) : a - b;
}

function sort(button) {
  const heading = button.closest("th");
  const body = heading.closest("table").tBodies[0];
  const column = [...heading.parentElement.children].indexOf(heading);
  const value = (row) => row.children[column].dataset.value;
  const rows = [...body.rows];
  // Of numbers the largest come first, of words those in front of the alphabet.
  const first = rows.some((row) => row.children[column].classList.contains("number")) ? "descending" : "ascending";
  const opposite = { ascending: "descending", descending: "ascending" };
  const direction = opposite[heading.getAttribute("aria-sort")] ?? first;
  for (const other of heading.parentElement.children) other.setAttribute("aria-sort", "none");
  heading.setAttribute("aria-sort", direction);
  // What is not known stands last, whichever way is sorted.
  const known = rows.filter((row) => value(row) !== "").sort((one, other) => compare(value(one), value(other)));
  if (direction === "descending") known.reverse();
  body.append(...known, ...rows.filter((row) => value(row) === ""));
}

async function copy(button) {
  const text = button.parentElement.firstElementChild;
  getSelection().selectAllChildren(text);
  // A page that was opened as a file may not write to the clipboard in every browser; the text is selected anyway.
  const written = document.execCommand("copy");
  button.textContent = written ? "Copied" : "Selected";
}

// A table that is wider than its place says so.
function hint(place) {
  const known = place.nextElementSibling?.classList.contains("hint") ? place.nextElementSibling : null;
  if (place.scrollWidth <= place.clientWidth) known?.remove();
  else if (!known) {
    const line = document.createElement("p");
    line.className = "hint";
    line.textContent = "This table is wider than the page: scroll it sideways →";
    place.after(line);
  }
}

function hintAll() {
  for (const place of document.querySelectorAll(".wide")) hint(place);
}

hintAll();
addEventListener("resize", hintAll);
for (const button of document.querySelectorAll(".copy")) button.addEventListener("click", () => copy(button));
for (const button of document.querySelectorAll("thead button")) button.addEventListener("click", () => sort(button));
drawAll();
