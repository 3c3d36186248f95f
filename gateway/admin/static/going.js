// g and a letter lead to a page of the menu, from anywhere.

import { ours } from "./typing.js";

const PATIENCE = 1500;
let pressed = -Infinity;

document.addEventListener("keydown", (event) => {
  if (!ours(event) || event.key.length > 1) return;
  if (event.timeStamp - pressed < PATIENCE) {
    pressed = -Infinity;
    const link = /^[a-z]$/.test(event.key) ? document.querySelector(`[data-go="${event.key}"]`) : null;
    event.preventDefault();
    event.stopImmediatePropagation();
    link?.click();
  } else if (event.key === "g") {
    pressed = event.timeStamp;
    event.preventDefault();
  }
}, { capture: true });
