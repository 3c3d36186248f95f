"""The paper of a mandate: what was agreed, masked for everybody but the bank, the same bytes for the same version."""

import io
import re

import pytest
from pyhanko.pdf_utils.reader import PdfFileReader

from gateway import mandate_desk, mandate_paper
from gateway.database import transaction
from reconciliation import mandate_openings
from reconciliation.business_days import local_day
from reconciliation.mandate_openings import Consent
from reconciliation.mandates import NotMoved
from tests.gateway.samples import a_bill

ACCOUNT, HOLDER = "190026112233", "Nguyễn Thị Thu Hương"


@pytest.fixture
def mandate(wiring, issue, one):
    """A mandate of one customer, opened in the portal."""
    issue(a_bill(1))
    today = local_day(wiring.clock())
    terms = mandate_desk.terms(
        wiring.sealer, account=ACCOUNT, holder=HOLDER, cap=1_500_000, valid_from=today, valid_to=None
    )
    with transaction(wiring.engine) as session:
        return mandate_openings.submit(
            session, one("SELECT id FROM customers"), terms, Consent("TN-2026-11/vi", "web"), bank="standard",
            reference="UQ261118-ABCDEFGH", by="customer", now=wiring.clock(),
        )  # fmt: skip


@pytest.fixture
def shown(monkeypatch):
    """What is handed to the typesetter, which a reader of the document sees."""
    seen = []
    real = mandate_paper.typeset
    monkeypatch.setattr(
        mandate_paper, "typeset", lambda template, said: seen.append(said["shown"]) or real(template, said)
    )
    return seen


def test_the_paper_says_what_was_agreed_and_masks_account_and_holder(wiring, mandate, shown, rows):
    with transaction(wiring.engine) as session:
        made = mandate_paper.make(session, wiring, mandate)
        again = mandate_paper.make(session, wiring, mandate, version=1)
    assert made == again
    assert made.name == "uy-quyen-UQ261118-ABCDEFGH-v1.pdf"
    assert made.document.startswith(b"%PDF-1.7")
    read = PdfFileReader(io.BytesIO(made.document))
    assert read.root["/Pages"]["/Count"] == 1
    for words in ("UQ261118-ABCDEFGH", "PA00000000001", "Ngân hàng Sao Mai", "···2233", "N··· T·· T·· H···",
                  "1500000", "TN-2026-11/vi", "18/11/2026 09:00", "Tôi ủy quyền cho công ty điện lực"):  # fmt: skip
        assert words in shown[0], words
    assert ACCOUNT not in shown[0]
    assert "HƯƠNG" not in shown[0]
    assert rows("SELECT action FROM audit") == ["mandate_opened"]


def test_the_bank_s_copy_is_in_full_and_noted(wiring, mandate, shown, rows):
    with transaction(wiring.engine) as session:
        made = mandate_paper.make_for_bank(session, wiring, mandate, by="chau")
    assert made.name.endswith("-v1-bank.pdf")
    assert ACCOUNT in shown[0]
    assert HOLDER.upper() in shown[0]
    assert rows("SELECT actor, action FROM audit ORDER BY id DESC LIMIT 1") == [("chau", "mandate_shown_in_full")]


def test_a_text_that_another_system_keeps_is_named(wiring, mandate, shown, rows):
    with transaction(wiring.engine) as session:
        terms = mandate_desk.terms(
            wiring.sealer, account=ACCOUNT, holder=HOLDER, cap=2_000_000, valid_from=local_day(wiring.clock()),
            valid_to=None,
        )  # fmt: skip
        mandate_openings.renew(
            session, mandate, terms, Consent("UQ-2026-1", "paper", "Lan"), by="x", now=wiring.clock()
        )
    with transaction(wiring.engine) as session:
        mandate_paper.make(session, wiring, mandate)
        with pytest.raises(NotMoved, match=re.escape(f"one of its versions, got {mandate}, 3")):
            mandate_paper.make(session, wiring, mandate, version=3)
    assert '"words": []' in shown[0]
    assert '"version": 2' in shown[0]
