// What an answer would leave of the payment, told anew at every key; whole đồng only.

const form = document.querySelector("form[data-left]");
const told = form?.querySelector("[data-unallocated]");
const money = new Intl.NumberFormat(document.documentElement.lang);

// Amounts as people write them: "1.500.000 ₫"; what is none counts as nothing until the server says what is wrong.
function minor(field) {
  const digits = field.value.replace(/[₫đ\s.,]/g, "");
  return /^\d{1,15}$/.test(digits) ? BigInt(digits) : 0n;
}

// A difference that names a bill is written off that bill: it takes nothing from the payment.
const ofBill = (row) =>
  form.elements[`place${row}`].value === "difference" && form.elements[`whose${row}`].value.trim() !== "";

function tell() {
  let left = BigInt(form.dataset.left);
  for (const box of form.querySelectorAll("input[data-minor]:checked")) left += BigInt(box.dataset.minor);
  for (const field of form.querySelectorAll("input[data-gives]")) left -= minor(field);
  for (const field of form.querySelectorAll("input[data-places]")) if (!ofBill(field.dataset.places)) left -= minor(field);
  told.textContent = `${money.format(left).replace("-", "−")}\u00a0₫`;
  told.classList.toggle("over", left < 0n);
}

if (told) {
  form.addEventListener("input", tell);
  tell();
}
