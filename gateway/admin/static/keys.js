// Keys for people who live on these pages: / searches, j and k walk the rows, n and p turn pages, ? explains.

const typing = (element) => element?.matches("input, select, textarea, [contenteditable]") ?? false;
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

const KEYS = {
  "/": search,
  j: () => walk(1),
  k: () => walk(-1),
  n: () => turn("next"),
  p: () => turn("prev"),
  "?": () => help()?.showModal(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.key === "Escape" && document.activeElement?.matches("[data-search]")) {
    document.activeElement.blur();
    return;
  }
  if (typing(event.target) || help()?.open) return;
  const act = KEYS[event.key];
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
  if (event.target.closest("a, button, input, select, summary") || getSelection()?.toString()) return;
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
