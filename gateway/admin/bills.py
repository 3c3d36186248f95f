"""Bills: what customers owe, and the whole story of each on one page."""

from datetime import datetime, time, timedelta

from flask import Blueprint, abort, current_app, render_template
from sqlalchemy import ColumnElement, case, func, select, text
from sqlalchemy.orm import aliased

from gateway.admin import office_scope, searches, words
from gateway.admin.banks import bank_choices
from gateway.admin.listing import Asked, Filter, answered, listed
from gateway.clock import LOCAL
from gateway.languages import lazy_gettext as _
from gateway.request_session import db
from reconciliation import counted_months, credit, debit_figures, debit_rules, story
from reconciliation.bills import Bill
from reconciliation.customers import Customer
from reconciliation.ledger import Entry
from reconciliation.mismatches import Mismatch
from reconciliation.outbox import Message
from reconciliation.payments import Payment
from reconciliation.placements import Placement
from reconciliation.settlements import Settlement
from reconciliation.story import Event, Story

blueprint = Blueprint("bills", __name__, url_prefix="/bills")
_DEBIT = {"missed": _("its day passed without one"), "abnormal": _("held: its usage is far above the average")}
IN_FORCE = case((Bill.live, Bill.minor), else_=0)
"""What a list of bills comes to: versions that were replaced or cancelled are owed no more."""
_VERSIONS = {"in_force": _("in force"), "paid_for": _("in force, paid for at least in part")}
_SMS = {"before_debit": _("SMS before"), "payment_recorded": _("SMS after"), "unsure": _("SMS unsure")}


@blueprint.get("/")
def listing() -> tuple[str, int]:
    """List bills, newest first."""
    asked = Asked.of_request(
        Filter("bank", _("Bank"), bank_choices()),
        Filter("state", _("State"), words.BILL_STATES),
        Filter("due", _("Due on")),
        Filter("due_until", _("until"), quiet=True, since="due"),
        Filter("office", _("Power office"), {one: one for one in counted_months.offices(db())}, quiet=True),
        Filter("issued", _("Issued on"), quiet=True),
        Filter("issued_until", _("until"), quiet=True, since="issued"),
        Filter("version", _("Version"), _VERSIONS, quiet=True),
        Filter("debit", _("Debiting"), _DEBIT),
        Filter("sms", _("SMS"), _SMS),
        Filter("sms_day", _("SMS day")),
    )
    wanted = select(Bill, Customer.code.label("customer")).join(Customer, Customer.id == Bill.customer_id)
    told = asked["sms"] or asked["sms_day"]
    if asked["bank"] and not told:
        wanted = wanted.where(Bill.bank == asked["bank"])
    if asked["state"]:
        wanted = wanted.where(Bill.state == asked["state"])
    wanted = asked.between(wanted, Bill.due_on, "due", "due_until")
    wanted = asked.between(wanted, Bill.issued_on, "issued", "issued_until")
    if asked["office"]:
        wanted = wanted.where(Customer.office == asked["office"])
        # Reading all bills until there are enough of them begins wherever the last such reading stopped: mostly soon
        # done, and for the unlucky after two seconds. By an index it takes what the month or the office takes.
        db().execute(text("SET LOCAL enable_seqscan = off"))
    if asked["version"]:
        wanted = wanted.where(Bill.live)
    if asked["version"] == "paid_for":
        wanted = wanted.where(Bill.paid_minor > 0)
    if asked["debit"]:
        now = current_app.extensions["doisoat"].clock()
        of_these = debit_figures.missed(now) if asked["debit"] == "missed" else debit_figures.abnormal()
        wanted = wanted.where(Bill.id.in_(of_these))
    if told:
        wanted = wanted.where(_told(asked))
    if asked.search:
        wanted = wanted.where(searches.among(Bill.id, searches.with_amount(searches.bills(asked), asked, Bill)))
    amount = Bill.paid_minor if asked["version"] == "paid_for" else IN_FORCE
    return answered("admin/bills.html", listed(db(), office_scope.within(wanted, Bill), Bill.id, asked, amount=amount))


@blueprint.get("/<row:bill_id>")
def page(bill_id: int) -> str:
    """Tell the whole story of one bill."""
    return show(bill_id)


def show(bill_id: int, *, problem: str = "") -> str:
    """Return a bill's page; `problem` is what was wrong with the act that was just asked for."""
    bill = db().get(Bill, bill_id)
    if bill is None:
        abort(404)
    return render_template(
        "admin/bill.html",
        bill=bill,
        problem=problem,
        customer=story.customer_of(db(), bill),
        story=_story(bill),
        credit=credit.of_customer(db(), bill.customer_id),
        debiting=debit_figures.of_bill(db(), bill),
        printed_counts=debit_rules.rules(db()).unreachable == debit_rules.PRINTED,
        now=current_app.extensions["doisoat"].clock(),
    )


def _story(bill: Bill) -> Story:
    """Tell the story of a bill; who belongs to an office is told of its questions alone.

    A payment may settle bills of several offices, and what is said of one of them is not for the others.
    """
    told = story.of_bill(db(), bill)
    if not office_scope.office():
        return told
    wanted = select(Mismatch.id).where(Mismatch.id.in_([one.id for one in told.questions]))
    seen = set(db().scalars(office_scope.within(wanted, Mismatch)))
    hidden = {one.id for one in told.questions} - seen
    # What an answer to a question of theirs did with the money is told with its words, and is theirs as well.
    elsewhere = {
        f"placement:{one.what.id}"
        for one in told.events
        if isinstance(one.what, Placement) and isinstance(one.more[0], Settlement) and one.more[0].mismatch_id in hidden
    }

    def shown(one: Event) -> bool:
        if isinstance(one.what, Placement):
            return f"placement:{one.what.id}" not in elsewhere
        if isinstance(one.what, Entry):
            return one.what.key.partition("/")[0] not in elsewhere
        return not isinstance(one.what, Mismatch) or one.what.id in seen

    return Story(
        told.bills, told.payments,
        [one for one in told.events if shown(one)],
        [one for one in told.questions if one.id in seen],
    )  # fmt: skip


def _told(asked: Asked) -> ColumnElement[bool]:
    bill = aliased(Bill)
    told = (
        select(bill.id)
        .join(Message, Message.bill_id == bill.id)
        .outerjoin(Payment, Payment.id == Message.payment_id)
        .where(Message.state.not_in(["withdrawn", "expired"]))
    )
    if asked["bank"]:
        # As the overview counts: the word after a payment belongs to the bank that reported the payment.
        told = told.where(func.coalesce(Payment.source, bill.bank) == asked["bank"])
    if asked["sms"] == "unsure":
        told = told.where(Message.state == "unsure")
    elif asked["sms"]:
        told = told.where(Message.event == asked["sms"])
    day = asked.day("sms_day")
    if day is not None:
        begins = datetime.combine(day, time(), LOCAL)
        told = told.where(Message.created_at >= begins, Message.created_at < begins + timedelta(days=1))
    if day is None and asked["sms"] != "unsure":
        return told.where(bill.id == Bill.id).correlate(Bill).exists()  # nearly every bill: asked row by row
    return searches.among(Bill.id, told.distinct())
