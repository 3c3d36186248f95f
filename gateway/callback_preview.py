"""What would be made of a proven callback, in a line for each thing it tells: for an integrator with but a sample."""

from collections.abc import Iterator, Sequence

from banks import profile as bank_profile
from banks.errors import Unreadable
from banks.profile import CallbackProfile
from banks.records import MandateAnswer, Notice, PaymentNotice, RawRequest
from banks.vietnam_time import VIETNAM
from gateway.payment_time import check_time


def notices_of(profile: CallbackProfile, request: RawRequest) -> Sequence[Notice]:
    """Return what a proven `request` tells of, as the gateway would read it; raise Unreadable."""
    notices = bank_profile.read_all(profile, request)
    for notice in notices:
        check_time(notice, request.received_at)
    return notices


def preview(profile: CallbackProfile, request: RawRequest) -> list[str]:
    """Return a line for each payment or mandate that the proven `request` tells of, or why it can't be read."""
    try:
        notices = notices_of(profile, request)
    except Unreadable as error:
        return [f"proven, but unreadable: {error}"]
    return [", ".join(_parts(notice)) for notice in notices]


def account_shown(number: str) -> str:
    """Return an account by its last digits: enough to know it again by; those of a short number would be all of it."""
    return f"···{number[-4:] if len(number) > 6 else ''}"


def _parts(notice: Notice) -> Iterator[str]:
    if isinstance(notice, MandateAnswer):
        yield f"would be read as the bank's word on mandate {notice.reference}: {notice.answer}"
        if notice.reason:
            yield f"reason {notice.reason}"
        return
    told = "would be read as" if notice.paid else "would be read as no payment, and book nothing"
    yield f"{told}: {notice.amount.decimal()} {notice.amount.currency} for {_purpose(notice)}"
    if notice.paid_at is not None:
        yield f"paid {notice.paid_at.astimezone(VIETNAM):%Y-%m-%d %H:%M:%S} +07:00"
    yield f"reference {notice.source_reference}"
    if notice.payer_account:
        yield f"from account {account_shown(notice.payer_account)}"


def _purpose(notice: PaymentNotice) -> str:
    named = {
        "payment code": notice.payment_code,
        "customer code": notice.customer_code,
        "debit": notice.end_to_end_id,
        "narrative": notice.narrative,
    }
    return ", ".join(f"{what} {value}" for what, value in named.items() if value) or "nothing that names a bill"
