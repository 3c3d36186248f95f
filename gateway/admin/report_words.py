"""The words of reports: what each is called, and the heads of its columns."""

from gateway.languages import lazy_gettext as _

TITLES = {
    "ageing": _("Ageing"),
    "suspense": _("Suspense"),
    "fees": _("Fees"),
    "mismatches": _("Mismatches"),
    "debit_run": _("Debit run"),
}
MEANINGS = {
    "ageing": _(
        "Questions that are not settled, by bank, code, owner and age, with their money. Those that rest are counted"
        " too, and once more by themselves; the overview and the queue leave them out."
    ),
    "suspense": _(
        "Money not matched to a bill, also what was written to suspense: each payment, its age, its question."
    ),
    "fees": _("What banks kept for their service, and its VAT, entry by entry; what was undone stands with a minus."),
    "mismatches": _("Every question there was, with its owner, its deadline and how it was settled."),
    "debit_run": _("Every debit of a run and what became of it, and every bill that it leaves out."),
}
HEADERS = {
    "account": _("Account"),
    "account_code": _("Account (code)"),
    "amount": _("Amount"),
    "attempt": _("Attempt"),
    "bank": _("Bank"),
    "bank_code": _("Bank (code)"),
    "bank_reference": _("Bank's reference"),
    "bill": _("Bill"),
    "business_date": _("Business day"),
    "charge_on": _("Day of the debit"),
    "code": _("Code"),
    "code_meaning": _("The bank's reason"),
    "currency": _("Currency"),
    "days": _("Age in days"),
    "debit_state": _("State of the debit"),
    "debit_state_code": _("State of the debit (code)"),
    "due_at": _("Due by the end of"),
    "end_to_end_id": _("End-to-end id"),
    "entry": _("Entry"),
    "entry_code": _("Entry (code)"),
    "file": _("File"),
    "held": _("Of this written to suspense"),
    "id": _("Number"),
    "left": _("Left over"),
    "left_out": _("Left out because"),
    "left_out_code": _("Left out because (code)"),
    "matched": _("Matched so far"),
    "memo": _("Memo"),
    "opened_at": _("Opened"),
    "overdue": _("Of these overdue"),
    "owner": _("In the hands of"),
    "paid_at": _("Paid at"),
    "payment_state": _("State of the payment"),
    "question": _("Question"),
    "questions": _("Number of questions"),
    "reference": _("Reference"),
    "reference_code": _("Reference (code)"),
    "resolution": _("How it was settled"),
    "resolved_at": _("Settled at"),
    "resolved_by": _("Settled by"),
    "resting": _("Of these resting"),
    "resting_amount": _("Amount of those resting"),
    "rests_until": _("Rests to the end of"),
    "span": _("Age"),
    "state": _("State"),
    "subject": _("About"),
    "subject_code": _("About (code)"),
}
