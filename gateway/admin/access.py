"""Who may see which page: one table, asked before every page; a page without a row is refused to everyone."""

from collections.abc import Mapping
from dataclasses import dataclass

from flask import abort, current_app, redirect, request, url_for
from flask_login import LoginManager, current_user
from werkzeug.wrappers import Response

from gateway import close_desk, mandate_desk, second_factors
from gateway.admin import office_scope, personal_data
from gateway.languages import lazy_gettext
from gateway.request_session import db
from reconciliation.roles import (
    ADMINISTRATOR,
    BANK_LIAISONS,
    BOOKKEEPERS,
    CASEWORKERS,
    CHECKERS_OF_DEBITS,
    HOLDERS_OF_BILLS,
    KEEPERS_OF_CARRIERS,
    KEEPERS_OF_INTERFACES,
    KEEPERS_OF_MESSAGES,
    KEEPERS_OF_THE_CALENDAR,
    KEEPERS_OF_WISHES,
    OF_ONE_OFFICE,
    ROLES,
    TRIERS_OF_SAMPLES,
)
from reconciliation.staff import Staff

ANYONE: frozenset[str] = frozenset(ROLES)
ADMINISTRATORS = frozenset({ADMINISTRATOR})
READERS_OF_THE_AUDIT = frozenset({"auditor", "chief_accountant", ADMINISTRATOR})
FINANCE = ANYONE - {"care", "office_manager"}
SEE_INTERFACES = KEEPERS_OF_INTERFACES | {"auditor"}

OPEN_TO_VISITORS = frozenset(
    {
        "admin.sign_in.form", "admin.sign_in.enter", "admin.sign_in.language", "admin.sign_in.by_passkey",
        "admin.second_step.page", "admin.second_step.code", "admin.second_step.passkey",
    }
)  # fmt: skip
OWN = (
    "admin.sign_in.leave", "admin.account.page", "admin.account.prove", "admin.account.password",
    "admin.account.end_session", "admin.account.end_others", "admin.factors.begin_codes",
    "admin.factors.confirm_codes", "admin.factors.end_codes", "admin.factors.add_passkey",
    "admin.factors.name_passkey", "admin.factors.remove_passkey", "admin.factors.recovery_codes",
)  # fmt: skip
"""What everybody does about themselves."""
OPEN_AT_FIRST = frozenset(OWN)
"""All that is open to a person who has yet to choose a password or to set up the second factor their role must have."""

RULES: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(OWN, ANYONE),
    "admin.nowhere": ANYONE,
    "admin.trace.page": ANYONE,
    "admin.overview.page": FINANCE,
    "admin.overview.unexplained_page": FINANCE,
    "admin.month.page": FINANCE,
    "admin.payments.listing": FINANCE,
    "admin.payments.page": FINANCE,
    "admin.bills.listing": ANYONE,
    "admin.bills.page": ANYONE,
    "admin.debit_runs.listing": FINANCE,
    "admin.debit_runs.preview": FINANCE,
    "admin.debit_runs.page": FINANCE,
    "admin.run_lists.debits": FINANCE,
    "admin.run_lists.left_out": FINANCE,
    "admin.run_lists.file": FINANCE,
    "admin.debit_runs.propose": BOOKKEEPERS,
    "admin.debit_runs.approve": CHECKERS_OF_DEBITS,
    "admin.debit_runs.refuse": BOOKKEEPERS,
    "admin.debit_runs.stop": CHECKERS_OF_DEBITS,
    "admin.debits.unknown": FINANCE,
    "admin.debits.page": FINANCE,
    "admin.debits.answer": BANK_LIAISONS,
    "admin.bill_debiting.hold": HOLDERS_OF_BILLS,
    "admin.bill_debiting.release": BOOKKEEPERS,
    "admin.bill_debiting.postpone": BOOKKEEPERS,
    "admin.bill_debiting.printed": HOLDERS_OF_BILLS,
    "admin.deliveries.listing": FINANCE,
    "admin.deliveries.page": FINANCE,
    "admin.contents.page": FINANCE,
    "admin.deliveries.ask_undo": BOOKKEEPERS,
    "admin.deliveries.undo": BOOKKEEPERS,
    "admin.deliveries.read_anew": BOOKKEEPERS,
    "admin.mismatches.listing": FINANCE,
    "admin.mismatches.page": FINANCE,
    "admin.expectations.page": FINANCE,
    "admin.api_tokens.page": SEE_INTERFACES,
    "admin.api_tokens.make": KEEPERS_OF_INTERFACES,
    "admin.api_tokens.revoke": KEEPERS_OF_INTERFACES,
    "admin.webhooks.listing": SEE_INTERFACES,
    "admin.webhooks.page": SEE_INTERFACES,
    "admin.webhooks.add": KEEPERS_OF_INTERFACES,
    "admin.webhooks.rotate": KEEPERS_OF_INTERFACES,
    "admin.webhooks.disable": KEEPERS_OF_INTERFACES,
    "admin.webhooks.enable": KEEPERS_OF_INTERFACES,
    "admin.webhooks.ping": KEEPERS_OF_INTERFACES,
    "admin.webhooks.replay": KEEPERS_OF_INTERFACES,
    "admin.reports.listing": FINANCE,
    "admin.reports.file": FINANCE,
    "admin.calendar.page": FINANCE,
    "admin.calendar.note": KEEPERS_OF_THE_CALENDAR,
    "admin.bank_pages.listing": FINANCE,
    "admin.bank_pages.page": FINANCE,
    "admin.bank_trying.callback": TRIERS_OF_SAMPLES,
    "admin.bank_trying.statement": TRIERS_OF_SAMPLES,
    "admin.carriers.page": FINANCE,
    "admin.carriers.retry": KEEPERS_OF_CARRIERS,
    "admin.message_costs.page": FINANCE,
    "admin.messages.listing": ANYONE,
    "admin.messages.page": ANYONE,
    "admin.messages.resolve": KEEPERS_OF_MESSAGES,
    "admin.messages.again": KEEPERS_OF_MESSAGES,
    "admin.sms_wishes.listing": ANYONE,
    "admin.sms_wishes.page": ANYONE,
    "admin.sms_wishes.change": KEEPERS_OF_WISHES,
    "admin.texts.page": ANYONE,
    "admin.marks.listing": FINANCE,
    "admin.marks.file": FINANCE,
    "admin.remarking.add": CASEWORKERS,
    "admin.remarking.attach": CASEWORKERS,
    "admin.remarking.withdraw": CASEWORKERS,
    "admin.remarking.evidence": FINANCE,
    "admin.mandates.listing": ANYONE,
    "admin.mandates.page": ANYONE,
    "admin.mandates.paper": ANYONE,
    "admin.mandates.for_bank": BANK_LIAISONS,
    **{f"admin.mandates.{act}": roles for act, roles in mandate_desk.MAY.items()},
    "admin.closes.listing": FINANCE,
    "admin.closes.page": FINANCE,
    "admin.closes.minutes": FINANCE,
    **{f"admin.closes.{act}": roles for act, roles in close_desk.MAY.items()},
    "admin.audit_trail.listing": READERS_OF_THE_AUDIT,
    "admin.audit_trail.file": READERS_OF_THE_AUDIT,
    "admin.people.listing": ADMINISTRATORS,
    "admin.people.add": ADMINISTRATORS,
    "admin.people.page": ADMINISTRATORS,
    "admin.people.change": ADMINISTRATORS,
    "admin.people.password": ADMINISTRATORS,
    "admin.people.reset_factors": ADMINISTRATORS,
    "admin.people.end_sessions": ADMINISTRATORS,
    "admin.unmasking.of_bill": personal_data.MAY["phone"],
    "admin.unmasking.of_message": personal_data.MAY["phone"],
    "admin.unmasking.of_customer": personal_data.MAY["phone"],
    "admin.unmasking.of_mandate": personal_data.MAY["account"],
    "admin.unmasking.of_delivery": personal_data.MAY["contents"],
    "admin.unmasking.of_payment": personal_data.MAY["narrative"] & FINANCE,
    "admin.unmasking.of_mismatch": personal_data.MAY["narrative"] & FINANCE,
    "admin.settling.propose": BOOKKEEPERS,
    "admin.settling.deny": BOOKKEEPERS,
    "admin.settling.pay_out": BOOKKEEPERS,
    "admin.settling.doubt": BOOKKEEPERS,
    "admin.settling.approve": frozenset({"chief_accountant"}),
    "admin.settling.refuse": BOOKKEEPERS,
    "admin.casework.usual": CASEWORKERS,
    "admin.casework.acknowledge": BOOKKEEPERS,
    "admin.casework.assign": CASEWORKERS,
    "admin.casework.undo": CASEWORKERS,
    "admin.casework.here": FINANCE,
    "admin.together.preview": CASEWORKERS,
    "admin.together.settle": CASEWORKERS,
    "admin.together.undo": CASEWORKERS,
    "admin.together.assign": CASEWORKERS,
    "admin.together.rest": CASEWORKERS,
    "admin.lumps.propose": BOOKKEEPERS,
    "admin.lumps.deny_day": BOOKKEEPERS,
    "admin.lumps.allow_day": BOOKKEEPERS,
    "admin.lumps.disown": BOOKKEEPERS,
    "admin.lumps.undo": BOOKKEEPERS,
    "admin.lumps.approve": frozenset({"chief_accountant"}),
    "admin.lumps.refuse": BOOKKEEPERS,
}
"""Endpoint → the roles that may open it."""

OF_AN_OFFICE = frozenset(
    endpoint for endpoint in RULES
    if endpoint.split(".")[1] in {
        "bills", "bill_debiting", "mandates", "messages", "mismatches", "nowhere", "payments", "sms_wishes", "texts",
        "trace", "unmasking",
    } and endpoint != "admin.unmasking.of_delivery"  # a delivery may bring anybody's
)  # fmt: skip
"""What is open to a person who belongs to an office: pages whose rows are cut to it, and pages without rows."""

MENU = (
    ("admin.overview.page", "squares-2x2", lazy_gettext("Overview")),
    ("admin.mismatches.listing", "scale", lazy_gettext("Mismatches")),
    ("admin.expectations.page", "clock", lazy_gettext("Expected")),
    ("admin.closes.listing", "lock-closed", lazy_gettext("Closes")),
    ("admin.payments.listing", "banknotes", lazy_gettext("Payments")),
    ("admin.bills.listing", "document-text", lazy_gettext("Bills")),
    ("admin.debit_runs.listing", "credit-card", lazy_gettext("Debits")),
    ("admin.mandates.listing", "document-check", lazy_gettext("Mandates")),
    ("admin.bank_pages.listing", "building-library", lazy_gettext("Banks")),
    ("admin.deliveries.listing", "inbox-arrow-down", lazy_gettext("Deliveries")),
    ("admin.marks.listing", "check-badge", lazy_gettext("Marks")),
    ("admin.messages.listing", "device-phone-mobile", lazy_gettext("Messages")),
    ("admin.reports.listing", "document-arrow-down", lazy_gettext("Reports")),
    ("admin.audit_trail.listing", "clipboard-document-list", lazy_gettext("Audit trail")),
    ("admin.people.listing", "users", lazy_gettext("People")),
    ("admin.api_tokens.page", "key", lazy_gettext("API")),
)
"""Endpoint, icon and name of what stands in the menu, for those who may open it."""

LETTERS: Mapping[str, str] = {
    "admin.overview.page": "o",
    "admin.mismatches.listing": "m",
    "admin.expectations.page": "e",
    "admin.closes.listing": "c",
    "admin.payments.listing": "p",
    "admin.bills.listing": "b",
    "admin.debit_runs.listing": "d",
    "admin.mandates.listing": "u",
    "admin.deliveries.listing": "f",
    "admin.marks.listing": "k",
    "admin.messages.listing": "s",
    "admin.reports.listing": "r",
    "admin.bank_pages.listing": "h",
    "admin.audit_trail.listing": "t",
    "admin.people.listing": "w",
    "admin.api_tokens.page": "i",
}
"""Endpoint → the letter that leads there after g."""


@dataclass(frozen=True, slots=True)
class Person:
    """The person who is signed in, as every page knows them."""

    id: int
    username: str
    name: str
    role: str
    language: str
    office: str = ""
    must_change_password: bool = False
    lacks_factor: bool = False
    """Whether their role must have a second factor, and they have none."""
    is_authenticated: bool = True
    is_active: bool = True
    is_anonymous: bool = False

    def get_id(self) -> str:
        """Return what the session keeps of the person."""
        return str(self.id)


def login_manager() -> LoginManager:
    """Return the keeper of the signed-in person; the role is read anew for every request."""
    manager = LoginManager()
    manager.session_protection = None  # the token in the table is the protection; addresses change on the road
    manager.user_loader(load)
    return manager


def load(person_id: str) -> Person | None:
    """Return the person the session names, unless they no longer work here."""
    row = db().get(Staff, int(person_id))
    return person_of(row) if row is not None and row.active else None


def person_of(row: Staff) -> Person:
    """Return a person as every page knows them."""
    must = row.role in second_factors.roles_that_must(current_app.extensions["doisoat"].settings)
    return Person(
        id=row.id, username=row.username, name=row.name, role=row.role, language=row.language, office=row.office,
        must_change_password=row.must_change_password, lacks_factor=must and not second_factors.has_one(db(), row),
    )  # fmt: skip


def may_open(endpoint: str) -> bool:
    """Tell whether the person who is signed in may open a page."""
    if not current_user.is_authenticated or current_user.role not in RULES.get(endpoint, frozenset()):
        return False
    if current_user.role in OF_ONE_OFFICE and not current_user.office:
        return endpoint in OWN
    return not current_user.office or endpoint in OF_AN_OFFICE or endpoint in OWN


def home() -> str:
    """Return the address of the first page in the menu that this person may open."""
    for endpoint, _icon, _name in MENU:
        if may_open(endpoint):
            return url_for(endpoint)
    return url_for("admin.account.page")


def guard() -> Response | None:
    """Send visitors to the sign-in page and refuse what the table does not allow."""
    endpoint = request.endpoint or ""
    if endpoint in OPEN_TO_VISITORS:
        return None
    if not current_user.is_authenticated:
        wanted = request.full_path.rstrip("?") if request.method == "GET" else None
        return redirect(url_for("admin.sign_in.form", next=wanted), 303)
    if not may_open(endpoint):
        if endpoint == "admin.overview.page":
            return redirect(home(), 303)
        abort(403)
    if current_user.office and endpoint in OF_AN_OFFICE and not _sees_the_rows():
        abort(404)
    if (current_user.must_change_password or current_user.lacks_factor) and endpoint not in OPEN_AT_FIRST:
        return redirect(url_for("admin.account.page"), 303)
    return None


def _sees_the_rows() -> bool:
    """Tell whether every row the address names is of the person's office."""
    named = {name: number for name, number in (request.view_args or {}).items() if name.endswith("_id")}
    return all(office_scope.sees(name, number) for name, number in named.items())
