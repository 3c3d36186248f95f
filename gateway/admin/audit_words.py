"""The words for the audit's acts; one that is not here is shown by its code."""

from gateway.languages import lazy_gettext as _

ACTS = {
    "sign_in": _("signed in"),
    "sign_in_refused": _("sign-in refused"),
    "sign_out": _("signed out"),
    "sessions_ended": _("ended sessions"),
    "password_set": _("set a password"),
    "totp_set": _("took up an authenticator app"),
    "totp_removed": _("gave up the authenticator app"),
    "passkey_added": _("made a passkey"),
    "passkey_removed": _("removed a passkey"),
    "recovery_codes_made": _("made recovery codes"),
    "factors_reset": _("reset second factors"),
    "staff_created": _("took on a person"),
    "staff_changed": _("changed a person's role or office"),
    "unmasked": _("looked at personal data in full"),
    "mandate_shown_in_full": _("made the bank's copy of a mandate"),
    "approval_limit_set": _("set an approval limit"),
    "import_undone": _("took an import back"),
    "file_read_anew": _("let a file be read anew"),
    "file_taken_in": _("took in a file"),
    "bills_taken_in": _("handed bills over"),
    "marks_acknowledged": _("acknowledged marks"),
    "remarked": _("remarked on a mismatch"),
    "question_raised": _("raised a question about a payment"),
    "refund_paid_out": _("noted a refund as paid out"),
    "sms_wishes": _("noted wishes of SMS"),
    "message.resolved": _("said whether a message arrived"),
    "message.sent_again": _("sent a message again"),
    "carrier.allowed": _("let a carrier be tried again"),
    "debit_answered": _("noted a bank's answer to a debit"),
    "debits_postponed": _("put debits off"),
    "notice_printed": _("noted a printed notice"),
}


def act(code: str) -> str:
    """Return what an act is called."""
    return str(ACTS.get(code, code))
