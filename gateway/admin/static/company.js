// Two people on one case see each other: the page says that it is still looked at, and hears who else does.

const EVERY = 20_000;
const line = document.querySelector("[data-here]");

async function say() {
  if (document.visibilityState !== "visible") return;
  const body = new URLSearchParams({ csrf_token: line.dataset.token });
  const answer = await fetch(line.dataset.here, { method: "POST", body }).catch(() => null);
  if (!answer?.ok || answer.redirected) return; // the session has ended: the next step of the person leads to sign-in
  const heard = await answer.json();
  const changed = heard.version === line.dataset.version ? "" : heard.changed;
  const said = [changed, heard.company].filter(Boolean).join(" ");
  if (said !== line.textContent) line.textContent = said;
}

if (line) {
  setInterval(say, EVERY);
  document.addEventListener("visibilitychange", say);
}
