"""Minutes: the same bytes for the same close, signed, and proving nothing once a single byte is another."""

import base64
import io
import json
import random
import zipfile
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12
from openpyxl import load_workbook

from gateway import close_desk
from gateway.admin import close_words
from gateway.cli import main
from gateway.commands.minutes import minutes
from gateway.minutes import certificate, contents, document, signing, verifying, workbook
from gateway.setting_tables import SettingsError
from reconciliation import day_figures
from reconciliation.closes import Close, CloseItem

FIGURES = {
    "bank": "saomai", "period": "day", "day": "2026-11-18",
    "channels": [{"channel": "wallet", "currency": "VND", "count": 1, "gross": 9_000, "fee": 0, "net": 9_000,
                  "reversed": 0, "unmatched": 0},
                 {"channel": "=QR", "currency": "VND", "count": 2, "gross": 1_234_567, "fee": 0, "net": 1_234_567,
                  "reversed": 0, "unmatched": 5_000}],
    "sides": [{"currency": "VND", "told": 1_234_567, "booked": 1_234_567, "shown": 1_200_000}],
    "reasons": [{"verdict": "awaited", "code": "M01", "currency": "VND", "count": 1, "told": 34_567, "booked": 34_567,
                 "shown": 0}],
    "questions": [], "items": "00",
    "movements": [{"account": "bank:saomai:confirmed", "currency": "VND", "debit": 1_200_000, "credit": 0}],
    "statements": [{"id": "SK1", "account": "2233", "currency": "VND", "opening": None, "closing": 5, "credit": 5,
                    "debit": 0, "lines": 1}],
}  # fmt: skip


@pytest.fixture
def made(session, now):
    """A signed close with one difference behind it."""
    close = Close(
        bank="saomai", period="day", day=date(2026, 11, 18), version=1, created_at=now, state="open", maker=""
    )
    session.add(close)
    session.flush()
    session.add(
        CloseItem(close_id=close.id, kind="difference", subject="payment:1", reference="=FT123", currency="VND",
                  told_minor=34_567, booked_minor=34_567, minor=-34_567, verdict="awaited", code="M01")
    )  # fmt: skip
    close.figures, close.digest, close.maker, close.made_at = FIGURES, day_figures.digest(FIGURES), "ha", now
    session.flush()
    for state, more in (("balanced", {}), ("signed", {"checker": "binh", "signed_at": now + timedelta(hours=1)})):
        close.state = state
        for name, value in more.items():
            setattr(close, name, value)
        session.flush()
    return close


@pytest.fixture
def wiring_of(settings):
    """Just enough of a wiring to make minutes with."""
    return SimpleNamespace(settings=settings)


@pytest.fixture
def key(settings, monkeypatch):
    written = certificate.make_test()
    monkeypatch.setenv("DOISOAT_SECRET_MINUTES_KEY", written)
    return written


@pytest.fixture
def signed(session, made, wiring_of, key):
    return close_desk.minutes(session, wiring_of, made)


def refused(document, trusted):
    with pytest.raises(verifying.NotProven) as told:
        verifying.prove(document, trusted)
    return str(told.value)


def test_the_same_close_makes_the_same_document_and_workbook(session, made, wiring_of, tmp_path):
    first, second = (close_desk.minutes(session, wiring_of, made) for _ in range(2))
    assert first == second
    said = contents.of(session, made, wiring_of.settings)
    books = []
    for name in ("a.xlsx", "b.xlsx"):
        workbook.write(session, said, tmp_path / name)
        books.append((tmp_path / name).read_bytes())
    assert books[0] == books[1]
    read = load_workbook(io.BytesIO(books[0]))
    assert [[cell.value for cell in row] for row in read["Theo kênh"].iter_rows()][2] == [
        "=QR", "VND", 2, 1_234_567, 0, 0, 1_234_567, 5_000,
    ]  # fmt: skip
    assert read["Sổ cái"]["A2"].value == "xác nhận bởi saomai"
    row = list(read["Từng dòng"].iter_rows())[1]
    assert [cell.value for cell in row[:4]] == ["chênh lệch", "M01", "chờ sao kê", "=FT123"]
    assert row[4].value == "khoản tiền số 1"
    assert row[3].data_type == "s", "what a payer wrote is never a formula"
    assert zipfile.ZipFile(io.BytesIO(books[0])).testzip() is None


def test_the_workbook_says_days_and_moments_as_vietnam_does_in_cells_of_dates(session, made, wiring_of, tmp_path):
    def head(wanted):
        workbook.write(session, wanted, tmp_path / "a.xlsx")
        read = load_workbook(tmp_path / "a.xlsx")
        sheet = read["Biên bản"]
        return read, [(sheet[place].value, sheet[place].number_format) for place in ("B3", "B6", "B8")]

    said = contents.of(session, made, wiring_of.settings)
    local = timezone(timedelta(hours=7))
    balanced = datetime.fromisoformat(said.said["made_at"]).astimezone(local).replace(tzinfo=None)
    read, (period, at, signed_at) = head(said)
    assert period == (datetime(2026, 11, 18), "dd/mm/yyyy")  # noqa: DTZ001 - a day has no zone
    assert abs(at[0] - balanced) < timedelta(seconds=1)
    assert abs(signed_at[0] - balanced - timedelta(hours=1)) < timedelta(seconds=1)
    assert at[1] == signed_at[1] == "dd/mm/yyyy hh:mm"
    assert [read["Theo kênh"][f"A{row}"].value for row in (2, 3)] == ["ví điện tử", "=QR"]
    monthly = {**said.said, "period": "month", "day": "2026-11-01", "signed_at": ""}
    _, (period, _, signed_at) = head(replace(said, said=monthly))
    assert period == (datetime(2026, 11, 1), "mm/yyyy")  # noqa: DTZ001 - a month has no zone
    assert not signed_at[0]


def test_the_document_says_channels_and_reasons_in_vietnamese(session, made, wiring_of, monkeypatch):
    given = {}
    monkeypatch.setattr(document, "typeset", lambda _template, inputs, **_how: given.update(inputs) or b"")
    document.make(session, contents.of(session, made, wiring_of.settings))
    shown = json.loads(given["shown"])
    assert shown["channels"]["wallet"] == "ví điện tử"
    assert shown["reasons"].keys() == close_words.VERDICTS.keys()
    assert shown["reasons"]["fee"] != "fee"


def test_an_unsigned_document_proves_nothing(session, made, wiring_of, settings):
    plain = close_desk.minutes(session, wiring_of, made)
    assert certificate.own(settings) == []
    assert "without a signature" in refused(plain, [])
    assert "another file" in refused(b"hello", [])
    assert "damaged" in refused(plain[: len(plain) // 2], [])


def test_a_file_that_is_no_minutes_is_told_as_what_it_is(signed, key, tmp_path):
    trust, file = tmp_path / "utility.pem", tmp_path / "minutes.pdf"
    trust.write_text(key)
    for body, said in (
        (signed[:-700], f"which ends with '%%EOF', got a damaged file of {len(signed) - 700} bytes without that end"),
        (
            signed[: len(signed) // 2] + signed[-40:],
            f"some of its {len(signed) // 2 + 40} bytes are not what a PDF has",
        ),
        (b"<?xml version='1.0'?>", "which begins with '%PDF-', got another file, which begins with '<?xml versio'"),
        (b"", "got an empty file"),
    ):
        file.write_bytes(body)
        result = CliRunner().invoke(minutes, ["verify", str(file), "--trust", str(trust), "--offline"])
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("Error: not proven: expected minutes ")
        assert said in result.stderr


def test_another_ones_certificate_is_told_in_one_line(signed, tmp_path, caplog):
    trust, file = tmp_path / "other.pem", tmp_path / "minutes.pdf"
    trust.write_text(certificate.make_test())
    file.write_bytes(signed)
    result = CliRunner().invoke(main, ["minutes", "verify", str(file), "--trust", str(trust), "--offline"])
    assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
    assert "expected a certificate that is trusted, got that of" in result.stderr
    assert [one.name for one in caplog.records] == []


def test_a_signed_document_says_who_and_when_and_what(session, made, signed, settings):
    proven = verifying.prove(signed, certificate.own(settings))
    assert "doisoat sandbox" in proven.signer
    assert abs(proven.at - datetime.now(UTC)) < timedelta(minutes=5)
    assert proven.said == contents.said_of(made)
    assert verifying.compare(session, proven.said) is made


def test_every_byte_counts(signed, settings):
    trusted = certificate.own(settings)
    dice = random.Random(4)
    first, length, second, _ = signature_range(signed)
    gap = range(first + length, second)
    places = [dice.randrange(len(signed)) for _ in range(60)] + [dice.choice(gap) for _ in range(40)]
    for at in places:
        changed = bytearray(signed)
        changed[at] ^= 1 << dice.randrange(7)
        refused(bytes(changed), trusted)
    refused(signed + b"\n% and one word more", trusted)
    refused(signed[:-7], trusted)


def signature_range(signed):
    from pyhanko.pdf_utils.reader import PdfFileReader

    return [int(one) for one in PdfFileReader(io.BytesIO(signed)).embedded_signatures[0].byte_range]


def test_another_ones_signature_and_a_second_one_are_refused(session, made, signed, settings, monkeypatch):
    trusted = certificate.own(settings)
    monkeypatch.setenv("DOISOAT_SECRET_MINUTES_KEY", certificate.make_test())
    other = document.make(session, contents.of(session, made, settings))
    forged = signing.sign(other, certificate.signer(settings), reason="x")
    assert "trusted" in refused(forged, trusted)


def test_what_the_database_does_not_say_is_refused(session, made):
    said = contents.said_of(made)
    with pytest.raises(verifying.NotProven, match="got another checker"):
        verifying.compare(session, {**said, "checker": "else"})
    with pytest.raises(verifying.NotProven, match="that the database knows"):
        verifying.compare(session, {**said, "version": 9})


def test_a_certificate_is_read_as_pem_and_as_locked_pkcs12(settings, monkeypatch, key):
    private = serialization.load_pem_private_key(key.encode(), None)
    own = x509.load_pem_x509_certificate(key[key.index("-----BEGIN CERT") :].encode())
    locked = pkcs12.serialize_key_and_certificates(
        b"utility", private, own, None, serialization.BestAvailableEncryption(b"open sesame")
    )
    ours = certificate.signer(settings).signing_cert.dump()
    monkeypatch.setenv("DOISOAT_SECRET_MINUTES_KEY", base64.b64encode(locked).decode())
    with pytest.raises(SettingsError, match="minutes_key"):
        certificate.signer(settings)
    monkeypatch.setenv("DOISOAT_SECRET_MINUTES_PASSPHRASE", "open sesame")
    assert certificate.signer(settings).signing_cert.dump() == ours
    for data in (own.public_bytes(serialization.Encoding.PEM), own.public_bytes(serialization.Encoding.DER)):
        assert [one.dump() for one in certificate.read(data)] == [ours]
    for wrong in ("nonsense", key[: key.index("-----BEGIN CERT")]):
        monkeypatch.setenv("DOISOAT_SECRET_MINUTES_KEY", wrong)
        with pytest.raises(SettingsError, match="minutes_key"):
            certificate.signer(settings)
