"""/api/v1/bills: the billing system hands over bills, as often as it likes, and anyone allowed reads how they stand."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row, Select, select

from banks.errors import Unreadable
from gateway import bell, bill_import, table_files
from gateway.api import customers, kinds, paging, shapes
from gateway.api.operations import Asked, Body, Done, operation
from gateway.api.problems import Problem
from gateway.composing import compose_promises
from reconciliation import audit
from reconciliation.bills import Bill, OwedBill
from reconciliation.customers import Customer
from reconciliation.issuing import Issued
from reconciliation.lifecycle import BILL

MAX_BYTES = 8 * 1024 * 1024
MAX_BILLS = 5_000
_WHOLE = ("version", "kwh", "charge", "tax", "arrears", "amount")
_DAYS = ("issued_on", "due_on", "charge_on")
_CODES = ("number", "customer_code", "payment_code")
_NEEDED = (
    "number", "customer_code", "period", "kwh", "charge", "amount", "issued_on", "due_on", "payment_code",
)  # fmt: skip
_ABOUT = {
    "version": "1 to 999; a higher one takes the place of the one before.",
    "phone": "A Vietnamese mobile number.",
    "customer_name": "At most 200 characters. Kept masked: the first letter of each word.",
    "period": "M/YYYY, or M-N/YYYY when a customer has several periods in one month.",
    "amount": "charge + tax + arrears, in whole đồng.",
    "charge_on": "The day its bank is asked to debit it.",
}


def _column(name: str) -> Mapping[str, Any]:
    null = [] if name in _NEEDED else ["null"]
    schema: dict[str, Any] = {
        "type": ["string", "integer", *null], "pattern": shapes.LINE, "maxLength": 60, "minimum": 1 - 10**18,
        "maximum": 10**18 - 1,
    }  # fmt: skip
    if name in _WHOLE:
        number = {"type": "integer", "minimum": 0, "maximum": 999_999_999_999}
        schema = {"anyOf": [number, {"type": "string", "pattern": "^[0-9]{1,12}$"}, *({"type": one} for one in null)]}
    elif name == "consent":
        schema = {"enum": [True, False, 1, 0, "1", "0", None]}
    elif name == "language":
        schema = {"enum": ["vi", "en", None]}
    elif name in _DAYS:
        schema = {"type": ["string", *null], "format": "date"}
    elif name in _CODES:
        schema = {"type": "string", "pattern": "^[A-Z0-9][A-Z0-9/_.-]{2,31}$"}
    elif name == "customer_name":
        schema["maxLength"] = 200
    elif name == "period":
        schema = {"type": "string", "pattern": "^(0?[1-9]|1[0-2])(-[1-9])?/20[0-9]{2}$"}
    return {**schema, **({"description": _ABOUT[name]} if name in _ABOUT else {})}


_EXAMPLE = {
    "number": "HD2611-0000001", "version": 1, "customer_code": "PA00000000001", "office": "Điện lực Hồ Sen",
    "language": "vi", "phone": "0912340001", "consent": True, "period": "11/2026", "kwh": 50, "charge": 90000,
    "tax": 9000, "arrears": 1000, "amount": 100000, "issued_on": "2026-11-16", "due_on": "2026-11-25",
    "payment_code": "PA0000000000111126",
}  # fmt: skip
_ISSUING = Body(
    {
        "type": "object",
        "required": ["bills"],
        "additionalProperties": False,
        "properties": {
            "bills": {
                "type": "array",
                "minItems": 1,
                "maxItems": MAX_BILLS,
                "items": {
                    "type": "object",
                    "required": list(_NEEDED),
                    "additionalProperties": False,
                    "properties": {name: _column(name) for name in bill_import.COLUMNS},
                },
            }
        },
    },
    lambda: MAX_BYTES,
    {"bills": [_EXAMPLE]},
)
BILL_SCHEMA = shapes.of(
    number=shapes.TEXT, version=shapes.ID, state=shapes.one_of(BILL.states), period=shapes.TEXT, kwh=shapes.COUNT,
    charge=shapes.AMOUNT, tax=shapes.AMOUNT, arrears=shapes.AMOUNT, amount=shapes.AMOUNT, paid=shapes.AMOUNT,
    owed=shapes.AMOUNT, currency=shapes.CURRENCY, payment_code=shapes.TEXT, bank=shapes.MAYBE_TEXT,
    issued_on=shapes.DAY, due_on=shapes.DAY, charge_on=shapes.MAYBE_DAY,
    customer=shapes.of(code=shapes.TEXT, office=shapes.TEXT, phone_tail=shapes.TAIL), created_at=shapes.MOMENT,
)  # fmt: skip
BILL_EXAMPLE = {
    "number": "HD2611-0000001", "version": 1, "state": "paid", "period": "11/2026", "kwh": 50, "charge": 90000,
    "tax": 9000, "arrears": 1000, "amount": 100000, "paid": 100000, "owed": 0, "currency": "VND",
    "payment_code": "PA0000000000111126", "bank": None, "issued_on": "2026-11-16", "due_on": "2026-11-25",
    "charge_on": None, "customer": {"code": "PA00000000001", "office": "Điện lực Hồ Sen", "phone_tail": "001"},
    "created_at": "2026-11-16T02:00:00Z",
}  # fmt: skip


@operation(
    "POST", "/bills", "bills:write", name="issueBills", body=_ISSUING, key="optional", problems=(422,),
    answer=shapes.of(new=shapes.COUNT, replaced=shapes.COUNT, unchanged=shapes.COUNT, matched=shapes.COUNT),
    example={"new": 1, "replaced": 0, "unchanged": 0, "matched": 0},
)  # fmt: skip
def issue(asked: Asked) -> Done:
    """Hand over bills: all are taken, or none with every problem named; the same ones again change nothing."""
    session, wiring, total = asked.session, asked.wiring, Issued()
    try:
        rows = _rows(asked.content)
        for total in bill_import.take_in(session, wiring, rows):  # noqa: B007 - the last sum is the answer
            compose_promises(session, wiring.settings)
    except Unreadable as error:
        raise Problem(400, "not readable", [str(error)]) from None
    except table_files.ImportRefused as error:
        raise Problem(422, "bills refused, nothing was changed", error.problems) from None
    facts = {"bills": len(rows), "new": total.new, "replaced": total.replaced, "unchanged": total.unchanged}
    audit.append(
        session, actor=asked.caller.actor, action="bills_taken_in", subject="bills", facts=facts, now=asked.now
    )
    done = {"new": total.new, "replaced": total.replaced, "unchanged": total.unchanged, "matched": total.matched}
    return Done(done, then=lambda: bell.ring(wiring.valkey, "messages"))


@operation(
    "GET", "/bills", "bills:read", name="listBills", answer=paging.page_of(BILL_SCHEMA),
    example={"items": [BILL_EXAMPLE], "next": "c1f"},
    query={
        "state": kinds.choice(BILL.states),
        "bank": kinds.BANK,
        "customer": kinds.CODE,
        "since": kinds.day("Issued on this day or later."),
        "until": kinds.day("Issued on this day or earlier."),
        **paging.QUERY,
    },
)  # fmt: skip
def listing(asked: Asked) -> Done:
    """List versions of bills, those issued last first."""
    wanted = select(Bill.id, Bill.issued_on).where(*paging.days(asked, Bill.issued_on))
    if asked["state"]:
        wanted = wanted.where(Bill.state == asked["state"])
        if asked["state"] in ("open", "part_paid"):
            wanted = wanted.where(Bill.id.in_(select(OwedBill.bill_id)))  # few, where most bills are paid
        elif asked["state"] in ("cancelled", "replaced"):
            wanted = wanted.where(~Bill.live)
    if asked["bank"]:
        wanted = wanted.where(Bill.bank == asked["bank"])
    if asked["customer"]:
        wanted = wanted.where(Bill.customer_id == customers.of_code(asked["customer"]))
    return paging.page(asked, wanted, _whole(), Bill.id, written, day=Bill.issued_on)


@operation(
    "GET", "/bills/{number}", "bills:read", name="getBill", answer=BILL_SCHEMA, example=BILL_EXAMPLE,
    inside={"number": kinds.CODE}, query={"version": kinds.whole(1, 999, "Which version; the last when not given.")},
    problems=(404,),
)  # fmt: skip
def one(asked: Asked) -> Done:
    """Return a bill by its number."""
    wanted = _whole()
    wanted = wanted.where(Bill.number == asked["number"]).order_by(Bill.version.desc()).limit(1)
    if asked["version"]:
        wanted = wanted.where(Bill.version == asked["version"])
    found = asked.session.execute(wanted).first()
    if found is None:
        raise Problem(404, "no such bill", ["number: expected that of a bill that was handed over"])
    return Done(written(found))


def _whole() -> Select[*tuple[Any, ...]]:
    return select(Bill, Customer).join(Customer, Customer.id == Bill.customer_id)


def written(row: Row[*tuple[Any, ...]]) -> dict[str, object]:
    """Return one bill as it is told."""
    bill, customer = row[0], row[1]
    return {
        "number": bill.number, "version": bill.version, "state": bill.state, "period": bill.period, "kwh": bill.kwh,
        "charge": bill.charge_minor, "tax": bill.tax_minor, "arrears": bill.arrears_minor, "amount": bill.minor,
        "paid": bill.paid_minor, "owed": bill.minor - bill.paid_minor if bill.live else 0, "currency": bill.currency,
        "payment_code": bill.payment_code, "bank": bill.bank or None, "issued_on": shapes.day(bill.issued_on),
        "due_on": shapes.day(bill.due_on), "charge_on": shapes.day(bill.charge_on),
        "customer": {"code": customer.code, "office": customer.office, "phone_tail": customer.msisdn_tail},
        "created_at": shapes.moment(bill.created_at),
    }  # fmt: skip


def _rows(content: Mapping[str, object]) -> list[tuple[str, Mapping[str, object]]]:
    if set(content) - {"bills"}:
        raise Unreadable("expected nothing but bills", sorted(set(content) - {"bills"})[0][:40])
    bills = content.get("bills")
    if not isinstance(bills, list) or not bills or len(bills) > MAX_BILLS:
        raise Unreadable(f"expected a list of 1 to {MAX_BILLS} bills", "bills")
    rows: list[tuple[str, Mapping[str, object]]] = []
    for number, bill in enumerate(bills):
        place = f"bills[{number}]"
        if not isinstance(bill, dict):
            raise Unreadable("expected an object", place)
        unknown = sorted(set(bill) - set(bill_import.COLUMNS))
        if unknown:
            raise Unreadable(f"unknown fields {', '.join(unknown)}; known: {', '.join(bill_import.COLUMNS)}", place)
        rows.append((place, {name: _written(name, value, f"{place}.{name}") for name, value in bill.items()}))
    return rows


def _written(name: str, value: object, place: str) -> object:
    if isinstance(value, dict | list):
        raise Unreadable("expected a text, a whole number, true, false or null", place)
    if value is True or value is False:
        if name != "consent":
            raise Unreadable("expected a text, a whole number or null", place)
        return "1" if value else "0"
    return "" if value is None else str(value)
