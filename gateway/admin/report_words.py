"""The words of reports: what each is called, and the heads of its columns."""

from gateway.languages import lazy_gettext as _

TITLES = {
    "ageing": _("Ageing"),
    "suspense": _("Suspense"),
    "fees": _("Fees"),
    "mismatches": _("Mismatches"),
}
MEANINGS = {
    "ageing": _("Questions that are not settled, by bank, code, owner and age, with their money."),
    "suspense": _(
        "Money not matched to a bill, also what was written to suspense: each payment, its age, its question."
    ),
    "fees": _("What banks kept for their service, and its VAT, entry by entry; what was undone stands with a minus."),
    "mismatches": _("Every question there was, with its owner, its deadline and how it was settled."),
}
HEADERS = {
    "account": _("Account"),
    "account_code": _("Account (code)"),
    "amount": _("Amount"),
    "bank": _("Bank"),
    "bank_code": _("Bank (code)"),
    "bank_reference": _("Bank's reference"),
    "bill": _("Bill"),
    "business_date": _("Business day"),
    "code": _("Code"),
    "currency": _("Currency"),
    "days": _("Age in days"),
    "due_at": _("Due by the end of"),
    "entry": _("Entry"),
    "entry_code": _("Entry (code)"),
    "held": _("Of this written to suspense"),
    "id": _("Number"),
    "left": _("Left over"),
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
    "rests_until": _("Rests to the end of"),
    "span": _("Age"),
    "state": _("State"),
    "subject": _("About"),
    "subject_code": _("About (code)"),
}
