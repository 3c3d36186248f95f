// Keys for people who live on these pages: / searches, j and k walk the rows, n and p turn pages, ? explains.
// What a page marks with data-key answers to that key: a field is focused, and so is what asks to be confirmed by Enter.

import { ours } from "./typing.js";

const rows = () => [...document.querySelectorAll("a[data-row]")];

function walk(step) {
  const all = rows();
  if (!all.length) return;
  const here = all.indexOf(document.activeElement?.closest("tr")?.querySelector("a[data-row]"));
  const next = here < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(Math.max(here + step, 0), all.length - 1);
  all[next].focus();
  all[next].closest("tr").scrollIntoView({ block: "nearest" });
}

function search() {
  const field = document.querySelector("[data-search]");
  field?.focus();
  field?.select();
}

const turn = (where) => document.querySelector(`a[rel="${where}"]`)?.click();
const help = () => document.getElementById("help");

function marked(key) {
  const found = /^[a-z]$/.test(key) ? document.querySelector(`[data-key="${key}"]`) : null;
  if (!found) return null;
  return () => {
    const hidden = found.closest("details");
    if (hidden) hidden.open = true;
    found.scrollIntoView({ block: "nearest" });
    if (found.matches("input, textarea, select, [data-focus]")) found.focus();
    else found.click();
  };
}

const KEYS = {
  "/": search,
  j: () => walk(1),
  k: () => walk(-1),
  n: () => turn("next"),
  p: () => turn("prev"),
  "?": () => help()?.showModal(),
};

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && document.activeElement?.matches("[data-search]")) {
    document.activeElement.blur();
    return;
  }
  if (event.defaultPrevented || !ours(event)) return;
  const act = marked(event.key) ?? KEYS[event.key];
  if (act) {
    event.preventDefault();
    act();
  }
});

for (const opener of document.querySelectorAll("[data-opens]")) {
  opener.addEventListener("click", () => document.getElementById(opener.dataset.opens)?.showModal());
}

// A click anywhere in a row opens it, unless it meant a link or selected text.
document.addEventListener("click", (event) => {
  if (event.target.closest("a, button, input, select, summary, label") || getSelection()?.toString()) return;
  const row = event.target.closest("tr")?.querySelector("a[data-row]");
  if (row) {
    if (event.ctrlKey || event.metaKey) window.open(row.href, "_blank", "noopener");
    else row.click();
  }
});

// Empty fields say nothing: they stay out of the address, so that it can be read and passed on.
for (const finder of document.querySelectorAll("form.finder")) {
  finder.addEventListener("submit", () => {
    for (const field of finder.elements) if (field.name && !field.value) field.disabled = true;
  });
}
