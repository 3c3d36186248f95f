// What an answer would leave of the payment, told anew at every key; whole đồng only.

const form = document.querySelector("form[data-left]");
const told = form?.querySelector("[data-unallocated]");
const money = new Intl.NumberFormat(document.documentElement.lang);

// Amounts as people write them, as the server reads them: "1.500.000 ₫". Null for what is none; an empty field is nothing.
function minor(field) {
  const written = field.value.trim().replace(/[₫đ]$/, "").trim();
  if (written === "") return 0n;
  if (!/^(\d{1,3}([ .,\u00a0]\d{3})*|\d{1,15})$/.test(written)) return null;
  const digits = written.replace(/\D/g, "");
  return digits.length <= 15 && BigInt(digits) > 0n ? BigInt(digits) : null;
}

// An amount that can't be read is marked where it stands, with a short hint beside it.
function mark(field, unread) {
  if (unread === field.hasAttribute("aria-invalid")) return;
  if (!unread) {
    document.getElementById(field.getAttribute("aria-describedby")).remove();
    for (const name of ["aria-invalid", "aria-describedby"]) field.removeAttribute(name);
    return;
  }
  const hint = document.createElement("small");
  hint.id = `${field.name}-unread`;
  hint.className = "unread";
  hint.textContent = form.dataset.unread;
  field.after(hint);
  field.setAttribute("aria-invalid", "true");
  field.setAttribute("aria-describedby", hint.id);
}

// A difference that names a bill is written off that bill: it takes nothing from the payment.
const ofBill = (row) =>
  form.elements[`place${row}`].value === "difference" && form.elements[`whose${row}`].value.trim() !== "";

function tell() {
  let left = BigInt(form.dataset.left);
  for (const box of form.querySelectorAll("input[data-minor]:checked")) left += BigInt(box.dataset.minor);
  let unread = false;
  for (const field of form.querySelectorAll("input[data-gives], input[data-places]")) {
    const given = minor(field);
    mark(field, given === null);
    if (given === null) unread = true;
    else if (!field.dataset.places || !ofBill(field.dataset.places)) left -= given;
  }
  told.textContent = unread ? form.dataset.untold : `${money.format(left).replace("-", "−")}\u00a0₫`;
  told.classList.toggle("over", unread || left < 0n);
}

if (told) {
  form.addEventListener("input", tell);
  tell();
}
