"""Texts word for word, their budget of one part, and every hole that must not reach a customer."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sms.encoding import Encoding
from sms.templates import (
    EVENTS,
    LANGUAGES,
    Misdeclared,
    MissingField,
    OddField,
    TemplateError,
    UnknownTemplate,
    catalog,
    compose,
    declared,
)

FACTS: dict[str, Any] = {
    "brand": "Điện lực TP Vinh",
    "customer_code": "PA03012345678",
    "period": "06/2026",
    "kwh": 373,
    "amount": 844960,
    "bank": "Vietcombank",
    "debit_on": date(2026, 6, 25),
    "tried_on": date(2026, 6, 20),
    "paid_on": date(2026, 6, 25),
    "due_on": date(2026, 6, 28),
    "returned_on": date(2026, 6, 26),
    "reference": "FT26176123456",
    "hotline": "19006769",
    "code": "048151",
    "minutes": 5,
}
WORDED = {
    ("overdue", "vi", False): (
        "Dien luc TP Vinh: 844.960 d tien dien ky 06/2026 cua KH PA03012345678 da qua han 28/06/2026. Xin tra qua "
        "ngan hang hoac vi. Ho tro 19006769"
    ),
    ("before_retry", "vi", False): (
        "Dien luc TP Vinh: ngay 20/06/2026 chua trich duoc 844.960 d ky 06/2026, trich lai ngay 25/06/2026 tai "
        "Vietcombank. KH PA03012345678. Ho tro 19006769"
    ),
    ("bill_held", "vi", False): (
        "Dien luc TP Vinh: dang kiem tra 844.960 d tien dien ky 06/2026 (373 kWh) cua KH PA03012345678 truoc khi trich "
        "no, chua can tra. Ho tro 19006769"
    ),
    ("before_debit", "vi", False): (
        "Dien luc TP Vinh: tien dien ky 06/2026 la 844.960 d, trich no ngay 25/06/2026 tai Vietcombank. "
        "KH PA03012345678 dung 373 kWh. Ho tro 19006769"
    ),
    ("before_debit", "vi", True): (
        "Điện lực TP Vinh: tiền điện kỳ 06/2026 là 844.960 đ, trích nợ ngày 25/06/2026 tại Vietcombank. "
        "KH PA03012345678 dùng 373 kWh. Hỗ trợ 19006769"
    ),
    ("before_debit", "en", False): (
        "Dien luc TP Vinh: electricity 06/2026, VND 844,960, will be debited on 25/06/2026 at Vietcombank. "
        "Customer PA03012345678 used 373 kWh. Help 19006769"
    ),
    ("debit_failed", "vi", False): (
        "Dien luc TP Vinh: chua trich no duoc 844.960 d tien dien ky 06/2026 tai Vietcombank, KH PA03012345678. "
        "Xin tra cach khac, han 28/06/2026. Ho tro 19006769"
    ),
    ("debit_failed", "vi", True): (
        "Điện lực TP Vinh: chưa trích nợ được 844.960 đ tiền điện kỳ 06/2026 tại Vietcombank, KH PA03012345678. "
        "Xin trả cách khác, hạn 28/06/2026. Hỗ trợ 19006769"
    ),
    ("debit_failed", "en", False): (
        "Dien luc TP Vinh: Vietcombank could not debit VND 844,960, electricity 06/2026, customer PA03012345678. "
        "Please pay another way, due 28/06/2026. Help 19006769"
    ),
    ("mandate_code", "vi", False): (
        "Dien luc TP Vinh: 048151 la ma xac nhan uy quyen trich no cua KH PA03012345678, dung trong 5 phut. "
        "Khong dua ma cho ai. Ho tro 19006769"
    ),
    ("mandate_code", "vi", True): (
        "Điện lực TP Vinh: 048151 là mã xác nhận ủy quyền trích nợ của KH PA03012345678, dùng trong 5 phút. "
        "Không đưa mã cho ai. Hỗ trợ 19006769"
    ),
    ("mandate_code", "en", False): (
        "Dien luc TP Vinh: 048151 is your code for the auto-debit of customer PA03012345678, valid 5 minutes. "
        "Give it to nobody. Help 19006769"
    ),
    ("payment_recorded", "vi", False): (
        "Dien luc TP Vinh: da ghi nhan 844.960 d ngay 25/06/2026, tien dien ky 06/2026, KH PA03012345678. "
        "Ma GD FT26176123456. Ho tro 19006769"
    ),
    ("payment_recorded", "vi", True): (
        "Điện lực TP Vinh: đã ghi nhận 844.960 đ ngày 25/06/2026, tiền điện kỳ 06/2026, KH PA03012345678. "
        "Mã GD FT26176123456. Hỗ trợ 19006769"
    ),
    ("payment_recorded", "en", False): (
        "Dien luc TP Vinh: VND 844,960 recorded on 25/06/2026, electricity 06/2026, customer PA03012345678. "
        "Reference FT26176123456. Help 19006769"
    ),
    ("payment_returned", "vi", False): (
        "Dien luc TP Vinh: ngan hang da thu hoi 844.960 d ngay 26/06/2026, tien dien ky 06/2026 KH PA03012345678 "
        "chua duoc tra. Ma GD FT26176123456. Ho tro 19006769"
    ),
    ("payment_returned", "vi", True): (
        "Điện lực TP Vinh: ngân hàng đã thu hồi 844.960 đ ngày 26/06/2026, tiền điện kỳ 06/2026 KH PA03012345678 "
        "chưa được trả. Mã GD FT26176123456. Hỗ trợ 19006769"
    ),
    ("payment_returned", "en", False): (
        "Dien luc TP Vinh: bank took back VND 844,960 on 26/06/2026, electricity 06/2026 of PA03012345678 "
        "is owed again. Ref FT26176123456. Help 19006769"
    ),
}


@pytest.mark.parametrize(("event", "language", "diacritics"), WORDED)
def test_texts_word_for_word(event: str, language: str, diacritics: bool) -> None:
    # Whoever changes a text changes this line and raises the version in the catalog.
    composed = compose(event, language, FACTS, diacritics=diacritics)
    assert composed.text == WORDED[event, language, diacritics]
    assert (composed.template, composed.version) == (f"{event}.{language}", 1)
    assert composed.encoding is (Encoding.UCS2 if diacritics else Encoding.GSM7)


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_ordinary_values_fit_one_part(event: str, language: str) -> None:
    widest = FACTS | {"amount": 9_876_543, "kwh": 9876, "bank": "LPBank Viet1", "reference": "FT26176123456789"}
    assert len(widest["bank"]) == 12
    composed = compose(event, language, widest)
    assert (composed.encoding, composed.parts) == (Encoding.GSM7, 1)
    assert len(composed.text) <= 160


def test_a_long_text_takes_two_parts_and_is_not_cut() -> None:
    composed = compose(
        "before_debit", "vi", FACTS | {"brand": "Công ty TNHH MTV Điện lực Hải Dương (Điện lực Chí Linh)"}
    )
    assert composed.parts == 2
    assert composed.text.endswith("Ho tro 19006769")


def test_amount_and_date_come_before_the_rest() -> None:
    for language in LANGUAGES:
        text = compose("before_debit", language, FACTS).text
        assert text.index("844") < text.index("25/06/2026") < text.index("PA03012345678") < text.index("373 kWh")


@given(st.integers(1, 10**12 - 1), st.integers(0, 10**9 - 1), st.dates(date(2000, 1, 1), date(2099, 12, 31)))
def test_numbers_read_back_whole(amount: int, kwh: int, day: date) -> None:
    facts = FACTS | {"amount": amount, "kwh": kwh, "debit_on": day}
    vi, en = compose("before_debit", "vi", facts), compose("before_debit", "en", facts)
    assert int(vi.text.split(" la ")[1].split(" d,")[0].replace(".", "")) == amount
    assert int(en.text.split("VND ")[1].split(", will")[0].replace(",", "")) == amount
    assert f" {kwh} kWh" in vi.text
    assert datetime.strptime(vi.text.split("ngay ")[1][:10], "%d/%m/%Y").replace(tzinfo=UTC).date() == day


def test_a_date_frozen_as_text_reads_the_same() -> None:
    assert compose("before_debit", "vi", FACTS | {"debit_on": "2026-06-25"}) == compose("before_debit", "vi", FACTS)


@pytest.mark.parametrize(("event", "field"), [(event, field) for event, fields in EVENTS.items() for field in fields])
@pytest.mark.parametrize("empty", ["absent", None, "", "  \u00a0"])
def test_a_missing_fact_is_named(event: str, field: str, empty: str | None) -> None:
    facts = {name: value for name, value in FACTS.items() if name != field}
    if empty != "absent":
        facts[field] = empty
    with pytest.raises(MissingField, match=f"^{field}: expected a value"):
        compose(event, "vi", facts)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("amount", -844960),
        ("amount", 0),
        ("amount", 844960.0),
        ("amount", True),
        ("amount", "844960"),
        ("amount", 10**12),
        ("kwh", 772.0),
        ("kwh", -1),
        ("kwh", "373"),
        ("debit_on", datetime(2026, 6, 25, 17, tzinfo=UTC)),
        ("debit_on", "25/06/2026"),
        ("debit_on", "2026-02-30"),
        ("debit_on", date(26, 6, 25)),
        ("customer_code", "*KY#"),
        ("customer_code", "PA03 012"),
        ("customer_code", "pa03012345678"),
        ("customer_code", 3012345678),
        ("period", "{ky}"),
        ("period", "None"),
        ("bank", "VCB\r\nSo du 0"),
        ("bank", "VCB\u202egnol"),
        ("bank", "VCB\u2028VIB"),
        ("bank", "VCB\ud800"),
        ("bank", "null"),
        ("bank", "x" * 61),
        ("bank", "银行"),
        ("brand", "EVN http://evn.vn"),
        ("brand", "evn.com.vn"),
        ("brand", "EVN.VN/tra-cuu"),
        ("brand", "ｅｖｎ．ｖｎ"),
        ("brand", "www.evn"),
        ("brand", "bit.ly/abc"),
        ("hotline", "goi ngay"),
        ("hotline", "*100#"),
        ("hotline", "1900.6769 (24h)"),
    ],
)
def test_an_odd_fact_is_refused_and_not_repeated(field: str, value: object) -> None:
    with pytest.raises(OddField, match=f"^{field}: expected .*, got ") as caught:
        compose("before_debit", "vi", FACTS | {field: value})
    assert caught.value.field == field
    if isinstance(value, str) and len(value) > 8:
        assert value not in str(caught.value)


@pytest.mark.parametrize("brand", ["Điện lực TP.Vinh", "PC Q.Bình Thạnh", "Cty CP Đ.lực", "EVNHCMC"])
def test_abbreviations_are_no_links(brand: str) -> None:
    assert compose("payment_recorded", "vi", FACTS | {"brand": brand}).parts == 1


def test_signs_beyond_gsm7_pass_only_with_diacritics() -> None:
    assert "银行" in compose("before_debit", "vi", FACTS | {"bank": "银行"}, diacritics=True).text


@given(st.text(max_size=70), st.booleans())
def test_no_bank_name_makes_a_hole_or_a_link(bank: str, diacritics: bool) -> None:
    try:
        text = compose("before_debit", "vi", FACTS | {"bank": bank}, diacritics=diacritics).text
    except TemplateError:
        return
    assert not set(text) & set("{}*#\n\r\x00")
    assert "://" not in text


def test_an_unknown_event_or_language_lists_the_known_ones() -> None:
    with pytest.raises(UnknownTemplate, match="before_debit, before_retry, bill_held, debit_failed"):
        compose("birthday", "vi", FACTS)
    with pytest.raises(UnknownTemplate, match="vi, en"):
        compose("before_debit", "fr", FACTS)


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_catalog_has_each_event(language: str) -> None:
    assert catalog(language).keys() == EVENTS.keys()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("{hotline}", ""), "expected each of"),
        (("{hotline}", "{hotline} {surname}"), "expected each of"),
        (("{amount}", "{amount!r}"), "plainly"),
        (("{amount}", "{amount:>20}"), "plainly"),
        (("{hotline}", "{hotline} https://evn.vn"), "without a link"),
    ],
)
def test_a_text_that_does_not_fit_its_event_is_refused(change: tuple[str, str], why: str) -> None:
    text = catalog("vi")["before_debit"].text.replace(*change)
    with pytest.raises(Misdeclared, match=why):
        declared("before_debit.vi", "before_debit", {"version": 1, "text": text})


@pytest.mark.parametrize("version", [0, True, "1", None])
def test_a_text_needs_a_version(version: object) -> None:
    text = catalog("vi")["before_debit"].text
    with pytest.raises(Misdeclared, match="version"):
        declared("before_debit.vi", "before_debit", {"version": version, "text": text})
