"use strict";
// Filters the gallery and reads out the curves. Without it every card is shown and each figure has its data below it.
(() => {
  const filters = document.querySelector(".filters");
  if (!filters) return;
  const cards = [...document.querySelectorAll(".card")];
  const buttons = [...filters.querySelectorAll("button")];
  const more = document.querySelector(".more button");
  const few = 12;
  let limit = few;
  const chosen = { cell: "", arm: "", group: "" };
  const fits = (card, kind, value) =>
    Object.keys(chosen).every((key) => {
      const wanted = key === kind ? value : chosen[key];
      return !wanted || card.dataset[key] === wanted;
    });
  const update = () => {
    const fitting = cards.filter((card) => fits(card));
    const shown = fitting.slice(0, limit);
    for (const card of cards) card.hidden = !shown.includes(card);
    for (const button of buttons) {
      const { kind, value } = button.dataset;
      button.setAttribute("aria-pressed", String(chosen[kind] === value));
      button.dataset.empty = String(!cards.some((card) => fits(card, kind, value)));
    }
    filters.querySelector("output").textContent = `${shown.length} of ${cards.length} shown`;
    more.hidden = shown.length === fitting.length;
    more.textContent = `Show all ${fitting.length}`;
  };
  for (const button of buttons) {
    button.addEventListener("click", () => {
      const { kind, value } = button.dataset;
      chosen[kind] = chosen[kind] === value ? "" : value;
      limit = few;
      update();
    });
  }
  more.addEventListener("click", () => {
    limit = Infinity;
    update();
  });
  filters.hidden = false;
  update();
})();
for (const plot of document.querySelectorAll("[data-readout]")) {
  const { plot: [left, right, top, bottom], limits, steps, lines } = JSON.parse(plot.dataset.readout);
  const add = (parent, tag, text = "") => {
    const element = parent.appendChild(document.createElement(tag));
    element.textContent = text;
    return element;
  };
  const cursor = add(plot, "div");
  const box = add(plot, "div");
  cursor.className = "cursor";
  box.className = "readout";
  const hide = () => {
    cursor.hidden = box.hidden = true;
  };
  const place = (step) => left + ((right - left) * (step - limits[0])) / (limits[1] - limits[0]);
  const show = (event) => {
    const frame = plot.getBoundingClientRect();
    const at = (event.clientX - frame.left) / frame.width;
    const nearest = steps.reduce((best, step, index) =>
      Math.abs(place(step) - at) < Math.abs(place(steps[best]) - at) ? index : best, 0);
    box.replaceChildren();
    add(box, "p", `step ${steps[nearest]}`);
    for (const line of lines) {
      const row = add(box, "p");
      add(row, "i").style.background = `var(--${line.role})`;
      add(row, "span", `${line.label}: ${line.values[nearest]}`);
    }
    cursor.hidden = box.hidden = false;
    const x = place(steps[nearest]) * frame.width;
    cursor.style.left = `${x}px`;
    cursor.style.top = `${top * frame.height}px`;
    cursor.style.height = `${(bottom - top) * frame.height}px`;
    const beside = x + 12 + box.offsetWidth <= frame.width ? x + 12 : x - 12 - box.offsetWidth;
    box.style.left = `${Math.max(0, Math.min(beside, frame.width - box.offsetWidth))}px`;
    box.style.top = `${bottom * frame.height + 7}px`;
  };
  hide();
  if (steps.length) {
    plot.addEventListener("pointermove", show);
    plot.addEventListener("pointerdown", show);
    plot.addEventListener("pointerleave", hide);
  }
}
