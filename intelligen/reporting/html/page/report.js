"use strict";
// Nothing is fetched: figures and Plotly itself lie in the page.
const figures = JSON.parse(document.getElementById("figures").textContent);
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

async function draw(place) {
  if (place.dataset.drawn || place.closest("details:not([open])")) return;
  place.dataset.drawn = "true";
  const { data, layout } = figures[place.dataset.figure];
  await Plotly.newPlot(place, data, layout, { responsive: true, displaylogo: false, displayModeBar: false });
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
    for (const place of places.filter((one) => one.dataset.drawn)) Plotly.relayout(place, themed(figures[place.dataset.figure].layout));
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

for (const button of document.querySelectorAll("thead button")) button.addEventListener("click", () => sort(button));
drawAll();
