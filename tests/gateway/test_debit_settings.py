"""`[banks.x.debits]`: read whole, or refused in one line that names the key."""

import pytest

from gateway.setting_tables import SettingsError
from gateway.settings import load

GOOD = """
[banks.saomai]
[banks.saomai.debits]
creditor_id = "EVN001"
creditor_name = "CONG TY DIEN LUC"
creditor_account = "190026112233"
creditor_bank = "STANVNVX"
debtor_bank = "970436"
"""
TABLES = """
format = "table"
[banks.saomai.debits.table]
[banks.saomai.debits.table.columns]
end_to_end_id = "Ma"
account = "TK"
amount = "So tien"
[banks.saomai.debits.recall_table]
[banks.saomai.debits.recall_table.columns]
end_to_end_id = "Ma"
reason = "Ly do"
[banks.saomai.debits.reasons]
"51" = "AM04"
"""


@pytest.fixture
def read(tmp_path):
    def do(text):
        path = tmp_path / "doisoat.toml"
        path.write_text(text, "utf-8")
        return load({"DOISOAT_CONFIG": str(path)}).banks["saomai"].debits

    return do


def test_a_bank_without_the_table_is_never_asked_to_debit(read):
    assert read("[banks.saomai]\n") is None


def test_the_table_is_read_with_what_it_leaves_out(read):
    found = read(GOOD)
    assert (found.format, found.lead_days, found.max_debits, found.url) == ("pain.008.001.02", 0, None, None)
    assert (found.creditor.scheme_id, found.creditor.name) == ("EVN001", "CONG TY DIEN LUC")
    found = read(GOOD + "max_debits = 5\nmax_total = 9000000\nmax_debit = 8000000\n" + TABLES)
    assert (found.limits.debits, found.limits.total_minor, found.limits.debit_minor) == (5, 9_000_000, 8_000_000)
    assert list(found.table.columns) == ["end_to_end_id", "account", "amount"]
    assert found.reasons == {"51": "AM04"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD.replace('debtor_bank = "970436"\n', ""), "banks.saomai.debits.debtor_bank: expected a value, got none"),
        (GOOD + 'format = "pain.008.001.03"', "expected pain.008.001.02 or pain.008.001.08 or table"),
        (GOOD + 'format = "table"', 'expected a table together with format = "table", got none'),
        (GOOD + TABLES.replace('format = "table"', ""), "got one with 'pain.008.001.02'"),
        (GOOD + "max_debits = 0", "banks.saomai.debits.max_debits: expected a whole number from 1"),
        (GOOD + '[banks.saomai.debits.reasons]\n"51" = "ZZZZ"', "banks.saomai.debits.reasons"),
        (GOOD + "colour = 1", "banks.saomai.debits.colour: expected one of"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_key(read, text, said):
    with pytest.raises(SettingsError) as refused:
        read(text)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
