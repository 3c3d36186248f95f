// Choosing rows of the queue: x ticks the row in focus, Shift+x every row of its code, and the line above counts them.

import { ours } from "./typing.js";

const boxes = () => [...document.querySelectorAll('input[name="case"]')];
const here = () => document.activeElement?.closest("tr")?.querySelector('input[name="case"]');
const count = document.querySelector("[data-chosen]");
const alike = document.querySelector("[data-alike]");

function tell() {
  const chosen = boxes().filter((box) => box.checked).length;
  if (count) count.textContent = chosen ? String(chosen) : "";
}

function chooseAlike() {
  const one = here() ?? boxes().find((box) => box.checked) ?? boxes()[0];
  for (const box of boxes()) box.checked = box.dataset.code === one?.dataset.code;
  tell();
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || !ours(event)) return;
  if (event.key === "X") {
    event.preventDefault();
    chooseAlike();
  } else if (event.key === "x" && here()) {
    event.preventDefault();
    here().checked = !here().checked;
    tell();
  }
});

document.addEventListener("change", tell);
if (alike) {
  alike.hidden = false;
  alike.addEventListener("click", chooseAlike);
}
tell();
