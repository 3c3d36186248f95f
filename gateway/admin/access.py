"""Who may see which page: one table, asked before every page; a page without a row is refused to everyone."""

from collections.abc import Mapping
from dataclasses import dataclass

from flask import abort, redirect, request, url_for
from flask_login import LoginManager, current_user
from werkzeug.wrappers import Response

from gateway import close_desk, mandate_desk
from gateway.languages import lazy_gettext
from gateway.request_session import db
from reconciliation.staff import (
    BANK_LIAISONS,
    BOOKKEEPERS,
    CHECKERS_OF_DEBITS,
    HOLDERS_OF_BILLS,
    KEEPERS_OF_CARRIERS,
    KEEPERS_OF_MESSAGES,
    KEEPERS_OF_THE_CALENDAR,
    KEEPERS_OF_WISHES,
    ROLES,
    TRIERS_OF_SAMPLES,
    Staff,
)

ANYONE: frozenset[str] = frozenset(ROLES)
FINANCE = ANYONE - {"care", "office_manager"}

OPEN_TO_VISITORS = frozenset({"admin.sign_in.form", "admin.sign_in.enter", "admin.sign_in.language"})

RULES: Mapping[str, frozenset[str]] = {
    "admin.sign_in.leave": ANYONE,
    "admin.nowhere": ANYONE,
    "admin.trace.page": ANYONE,
    "admin.overview.page": FINANCE,
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
    "admin.deliveries.ask_undo": BOOKKEEPERS,
    "admin.deliveries.undo": BOOKKEEPERS,
    "admin.deliveries.read_anew": BOOKKEEPERS,
    "admin.mismatches.listing": FINANCE,
    "admin.mismatches.page": FINANCE,
    "admin.expectations.page": FINANCE,
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
    "admin.remarking.add": BOOKKEEPERS | {"liaison"},
    "admin.remarking.attach": BOOKKEEPERS | {"liaison"},
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
    "admin.settling.propose": BOOKKEEPERS,
    "admin.settling.deny": BOOKKEEPERS,
    "admin.settling.pay_out": BOOKKEEPERS,
    "admin.settling.doubt": BOOKKEEPERS,
    "admin.settling.approve": frozenset({"chief_accountant"}),
    "admin.settling.refuse": BOOKKEEPERS,
    "admin.lumps.propose": BOOKKEEPERS,
    "admin.lumps.deny_day": BOOKKEEPERS,
    "admin.lumps.allow_day": BOOKKEEPERS,
    "admin.lumps.disown": BOOKKEEPERS,
    "admin.lumps.undo": BOOKKEEPERS,
    "admin.lumps.approve": frozenset({"chief_accountant"}),
    "admin.lumps.refuse": BOOKKEEPERS,
}
"""Endpoint → the roles that may open it."""

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
)
"""Endpoint, icon and name of what stands in the menu, for those who may open it."""


@dataclass(frozen=True, slots=True)
class Person:
    """The person who is signed in, as every page knows them."""

    id: int
    username: str
    name: str
    role: str
    language: str
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
    if row is None or not row.active:
        return None
    return Person(id=row.id, username=row.username, name=row.name, role=row.role, language=row.language)


def may_open(endpoint: str) -> bool:
    """Tell whether the person who is signed in may open a page."""
    return current_user.is_authenticated and current_user.role in RULES.get(endpoint, frozenset())


def home() -> str:
    """Return the address of the first page in the menu that this person may open."""
    for endpoint, _icon, _name in MENU:
        if may_open(endpoint):
            return url_for(endpoint)
    return url_for("admin.bills.listing")


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
    return None
