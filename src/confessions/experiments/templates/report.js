"use strict";
// Filters the gallery. Without it every card is shown.
(() => {
  const filters = document.querySelector(".filters");
  if (!filters) return;
  const cards = [...document.querySelectorAll(".card")];
  const buttons = [...filters.querySelectorAll("button")];
  const chosen = { cell: "", arm: "", group: "" };
  const fits = (card, kind, value) =>
    Object.keys(chosen).every((key) => {
      const wanted = key === kind ? value : chosen[key];
      return !wanted || card.dataset[key].split(" ").includes(wanted);
    });
  const update = () => {
    let shown = 0;
    for (const card of cards) {
      card.hidden = !fits(card);
      shown += !card.hidden;
    }
    for (const button of buttons) {
      const { kind, value } = button.dataset;
      button.setAttribute("aria-pressed", String(chosen[kind] === value));
      button.dataset.empty = String(!cards.some((card) => fits(card, kind, value)));
    }
    filters.querySelector("output").textContent = `${shown} of ${cards.length} shown`;
  };
  for (const button of buttons) {
    button.addEventListener("click", () => {
      const { kind, value } = button.dataset;
      chosen[kind] = chosen[kind] === value ? "" : value;
      update();
    });
  }
  filters.hidden = false;
  update();
})();
