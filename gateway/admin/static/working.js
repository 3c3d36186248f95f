// A form that takes a while says that it was sent, and is not sent twice; back on the page it is as before.

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("[data-works]")) return;
  if (form.getAttribute("aria-busy") === "true") event.preventDefault();
  else form.setAttribute("aria-busy", "true");
});

window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("[data-works][aria-busy]")) form.removeAttribute("aria-busy");
});
