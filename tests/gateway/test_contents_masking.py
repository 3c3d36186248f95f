"""What banks send keeps its structure while names, accounts and phone numbers in it are shortened."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.admin.masking import masked
from gateway.contents_masking import contents


@pytest.mark.parametrize(
    ("came", "shown"),
    [
        (
            '<?xml version="1.0"?><Ntry><Amt Ccy="VND">844960.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt>2026-11-18</Dt>'
            "<Nm>NGUYEN VAN AN</Nm><Nm>Nguy&#7877;n Hoa</Nm><Id>19012345678901</Id></Ntry>",
            '<?xml version="1.0"?><Ntry><Amt Ccy="VND">844960.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt>2026-11-18</Dt>'
            "<Nm>N··· V·· A·</Nm><Nm>N··· H··</Nm><Id>···901</Id></Ntry>",
        ),
        (
            r'{"payer": "Nguy\u1ec5n V\u0103n An", "amount": 844960, "account": 19012345678901, "code": "HD2611-0042"}',
            '{"payer": "N··· V·· A·", "amount": 844960, "account": ···901, "code": "HD2611-0042"}',
        ),
        (
            '{"type":"payment.received","data":{"channel":"transfer","narrative":"transfer","payer":"counter"}}',
            '{"type":"payment.received","data":{"channel":"transfer","narrative":"t···","payer":"c···"}}',
        ),
        (
            '{"type": "Nguyen", "channel": "Hoa transfer", "channel" : ["wallet", "wallet"], "type": {"a": "wallet"}}',
            '{"type": "N···", "channel": "H·· t···", "channel" : ["wallet", "w···"], "type": {"a": "w···"}}',
        ),
        ("vnp_Amount=844960&vnp_OrderInfo=Nguy%E1%BB%85n+An", "vnp_Amount=844960\nvnp_OrderInfo=N··· A·"),
        ("2026-11-18;TRAN AN;100000;0912345678", "2026-11-18;T··· A·;100000;···678"),
        (":86:?20TT TIEN DIEN?32NGUYEN AN?3119012345678901", ":86:?20TT TIEN DIEN?32N··· A·?···901"),
        ("", ""),
    ],
)
def test_structure_stays_and_people_go(came: str, shown: str) -> None:
    assert contents(came, masked) == shown


FORMS = (
    "<Nm>{}</Nm>", "<a><!-- {} --></a>", "<Nm><![CDATA[{}]]></Nm>", "<N><![CDATA[{}", '<N xmlns="u" owner="{}"/>',
    '<Pty name="{}"/>', "{{1:F01}}{{4:\n:86:{}\n-}}", ":86:?32{}?33x", '{{"a": "{}"}}', '{{"a": ["{}"',
    '{{"a": "b", "c": "{}', '{{"a": {}', "a={}&b=1", "1;{};2", "{}",
)  # fmt: skip
NAMES = st.lists(st.sampled_from(["NGUYEN", "PHUONG", "Trần", "Khánh", "QUYNH", "Đỗ"]), min_size=2, max_size=4)


@given(NAMES, st.from_regex(r"(0|84)9\d{8}|\d{10,16}", fullmatch=True), st.sampled_from(FORMS))
def test_no_name_and_no_number_survives_in_any_form(names: list[str], number: str, form: str) -> None:
    shown = contents(form.format(" ".join(names)), masked)
    assert not any(name in shown for name in names if len(name) > 2), shown
    assert number not in contents(form.format(number), masked)


def test_an_encoded_run_is_cut() -> None:
    assert "QUJD" * 10 not in contents('{"token": "' + "QUJD" * 30 + '"}', masked)
