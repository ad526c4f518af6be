"use strict";
const svg = document.querySelector("figure svg");
const tip = document.getElementById("tip");
const mark = svg.appendChild(document.createElementNS(svg.namespaceURI, "path"));
for (const [name, value] of Object.entries({ fill: "none", stroke: "#111", "stroke-width": 1.2, "pointer-events": "none" })) {
  mark.setAttribute(name, value);
}
const REACH = 9;

const between = (a, b, x) => x >= Math.min(a, b) && x <= Math.max(a, b);
const cell = (edges, x) => edges.findIndex((edge, i) => i > 0 && between(edges[i - 1], edge, x)) - 1;
const box = (a, b, c, d) => `M${a} ${b}H${c}V${d}H${a}z`;
const ring = (x, y, r) => `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0z`;

// What is at a place: points first, since they are small, then boxes, then cells; of points the nearest.
function find(x, y) {
  let best = null;
  for (const hint of hints) {
    if (hint.kind === "points") {
      hint.at.forEach(([a, b], i) => {
        const distance = Math.hypot(a - x, b - y);
        if (distance <= REACH && (!best || distance < best.distance)) {
          best = { hint, rows: hint.fields.map(([name, values]) => [name, values[i]]), distance, path: ring(a, b, 4) };
        }
      });
    }
  }
  for (const hint of best ? [] : hints) {
    if (hint.kind === "boxes") {
      const i = hint.at.findIndex(([[a, b], [c, d]]) => between(a, c, x) && between(b, d, y));
      if (i >= 0) {
        const [[a, b], [c, d]] = hint.at[i];
        best = { hint, rows: hint.fields.map(([name, values]) => [name, values[i]]), path: box(a, b, c, d) };
      }
    }
  }
  for (const hint of best ? [] : hints) {
    if (hint.kind === "cells") {
      const [column, row] = [cell(hint.x, x), cell(hint.y, y)];
      if (column >= 0 && row >= 0) {
        const at = (field) => [column, row][field] ?? row * (hint.x.length - 1) + column;
        best = {
          hint,
          rows: hint.fields.map(([name, values], field) => [name, values[at(field)]]),
          path: box(hint.x[column], hint.y[row], hint.x[column + 1], hint.y[row + 1]),
        };
      }
    }
  }
  return best;
}

function show(event) {
  const matrix = svg.getScreenCTM();
  const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix.inverse());
  const found = find(x, y);
  tip.hidden = !found;
  mark.setAttribute("d", found ? found.path : "");
  if (!found) return;
  const line = (tag, text) => Object.assign(document.createElement(tag), { textContent: text });
  tip.replaceChildren();
  if (found.hint.title) tip.append(line("b", found.hint.title));
  for (const [name, value] of found.rows) {
    const row = tip.appendChild(document.createElement("span"));
    row.append(line("i", name), line("i", value));
  }
  const { width, height } = tip.getBoundingClientRect();
  const side = (at, size, whole) => (at + 14 + size > whole ? Math.max(0, at - 14 - size) : at + 14);
  tip.style.left = side(event.clientX, width, innerWidth) + "px";
  tip.style.top = side(event.clientY, height, innerHeight) + "px";
}
function hide() {
  tip.hidden = true;
  mark.setAttribute("d", "");
}
svg.addEventListener("pointermove", show);
svg.addEventListener("pointerdown", show);
svg.addEventListener("pointerleave", hide);
