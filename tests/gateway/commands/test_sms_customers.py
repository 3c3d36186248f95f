"""`doisoat sms` of customers: wishes are noted by those who may and shown, and what messages cost is told by office."""

import pytest
from click.testing import CliRunner

from gateway.commands.sms import sms
from gateway.database import transaction
from reconciliation.staff import Staff
from tests.gateway.debits_made import accept_notices
from tests.gateway.samples import a_debit_bill

CUSTOMER = "PA00000000001"
WHY = ("--by", "mai", "--why", "đã gọi")


@pytest.fixture
def run(at_home, issue, now):
    """Run the command beside a customer and a person of the customer care; return status, stdout and stderr."""
    issue(a_debit_bill(1))
    with transaction(at_home.engine) as session:
        session.add_all(
            Staff(username=name, name=name, role=role, password_hash="-", created_at=at_home.clock())
            for name, role in (("mai", "care"), ("dung", "auditor"))
        )

    def do(*words):
        done = CliRunner().invoke(sms, words)
        return done.exit_code, done.stdout.strip(), done.stderr.strip().removeprefix("Error: ")

    return do


def test_wishes_are_noted_and_shown(run):
    all_of_it = "before_debit, bill_held, debit_failed, overdue, payment_recorded, payment_returned"
    assert run("wishes", CUSTOMER) == (0, f"{CUSTOMER}\ttold of {all_of_it}\twithout signs", "")
    assert run("refuse", CUSTOMER, "payment_recorded", *WHY)[1].split("\t")[1] == (
        "told of before_debit, bill_held, debit_failed, overdue, payment_returned"
    )
    assert run("signs", CUSTOMER, "with", *WHY)[1].endswith("\twith signs")
    assert run("allow", CUSTOMER, "payment_recorded", *WHY) == (0, f"{CUSTOMER}\ttold of {all_of_it}\twith signs", "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("wishes", "PA9"), "expected a customer we know, got 'PA9'"),
        (("allow", CUSTOMER, "before_debit", *WHY), f"expected an event that {CUSTOMER} has refused, got before_debit"),
        (("refuse", CUSTOMER, "before_debit", "--by", "dung", "--why", "x"), "expected the name of a person who may"),
        (("refuse", CUSTOMER, "mandate_code", *WHY), "'mandate_code' is not one of"),
    ],
)
def test_what_can_t_be_noted_is_said(run, words, said):
    status, _told, error = run(*words)
    assert status != 0
    assert said in error


def test_costs_are_told_by_office(run, at_home, one):
    assert run("costs", "--month", "2026-10") == (0, "", "no message left in 10/2026\nno price is set (sms.price)")
    accept_notices(at_home)
    month, parts = one("SELECT to_char(sent_at, 'YYYY-MM'), parts FROM messages")
    assert run("costs", "--month", month)[1] == f"Điện lực Hồ Sen\t1 message\t{parts} part{'s' * (parts > 1)}"
