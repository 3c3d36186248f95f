"""Words: every message has its Vietnamese, and money, days and ages are written as people write them."""

from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from flask import Flask
from flask_babel import force_locale

from gateway import languages

GATEWAY = Path(languages.__file__).parent
KEYWORDS = {"_": None, "gettext": None, "lazy_gettext": None, "ngettext": (1, 2)}
OPTIONS = {"**.html": {"trim_blocks": "true", "lstrip_blocks": "true"}}


def _messages():
    found = set()
    for folder in ("admin", "portal"):
        extracted = extract_from_dir(GATEWAY / folder, [("**.py", "python"), ("**.html", "jinja2")], OPTIONS, KEYWORDS)
        found |= {message[0] if isinstance(message, tuple) else message for _, _, message, _, _ in extracted}
    return found


def test_every_message_of_the_pages_has_its_vietnamese():
    with (GATEWAY / "translations/vi/LC_MESSAGES/messages.po").open("rb") as file:
        catalog = read_po(file, locale="vi")
    written = {(one.id[0] if isinstance(one.id, tuple) else one.id): one for one in catalog if one.id}
    used = _messages()
    assert len(used) > 200
    assert {one for one in used if one not in written or not written[one].string or written[one].fuzzy} == set()
    for one in written.values():
        assert not list(one.check()), one.id


@pytest.fixture
def write():
    app = Flask("words")
    languages.Babel(app, default_locale="vi")

    def written(language, function, *values):
        with app.test_request_context(), force_locale(language):
            return function(*values)

    return written


@pytest.mark.parametrize(
    ("language", "minor", "currency", "text"),
    [
        ("vi", 844_960, "VND", "844.960 ₫"),
        ("en", 844_960, "VND", "844,960 ₫"),
        ("vi", -1_250_000, "VND", "−1.250.000 ₫"),
        ("vi", 0, "VND", "0 ₫"),
        ("vi", 123_456, "USD", "1.234,56 USD"),
        ("en", 123_456, "USD", "1,234.56 USD"),
        ("vi", None, "VND", "–"),
    ],
)
def test_money(write, language, minor, currency, text):
    assert write(language, languages.money, minor, currency).replace("\u00a0", " ") == text


def test_days_and_moments_are_vietnams(write):
    late = datetime(2026, 11, 18, 18, 5, tzinfo=UTC)
    assert write("vi", languages.moment, late) == "19/11/2026\u00a001:05"
    assert write("en", languages.moment, late) == "19 Nov 2026\u00a001:05"
    assert write("vi", languages.day, date(2026, 1, 2)) == "02/01/2026"
    assert write("vi", languages.weekday, date(2026, 11, 19)) == "Thứ Năm, 19/11/2026"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (datetime.min.replace(tzinfo=timezone(timedelta(hours=7))), "1 Jan 1\u00a000:00"),
        (datetime.max.replace(tzinfo=UTC), "31 Dec 9999\u00a023:59"),
    ],
)
def test_a_moment_at_the_calendars_edge_is_shown_as_it_is(write, value, said):
    now = datetime(2026, 11, 19, tzinfo=UTC)
    assert write("en", languages.moment, value) == said
    assert write("en", languages.deadline, value) == said
    assert write("en", languages.clock_time, value) == f"{value:%H:%M:%S}"
    assert write("en", languages.local_day, value) == value.date()
    assert write("en", languages.age, value, now)


def test_a_deadline_is_the_day_by_whose_end_it_is_due_or_a_moment(write):
    midnight, morning = datetime(2026, 12, 8, 17, tzinfo=UTC), datetime(2026, 12, 9, 1, tzinfo=UTC)
    assert write("en", languages.deadline, midnight) == "end of 8 Dec 2026"
    assert write("en", languages.deadline, morning) == "9 Dec 2026\u00a008:00"
    assert write("en", languages.deadline, None) == "–"


def test_what_is_counted_has_its_thousands_apart(write):
    app = Flask("pages")
    languages.install(app)
    said = "{{ ngettext('%(num)s payment of %(name)s', '%(num)s payments of %(name)s', count, name='<b>') }}"
    for language, count, shown in (("vi", 1_838, "1.838"), ("en", 1_838, "1,838"), ("en", 1, "1")):
        with app.test_request_context(), force_locale(language):
            assert app.jinja_env.from_string(said).render(count=count).startswith(f"{shown} payment"), language
            assert "&lt;b&gt;" in app.jinja_env.from_string(said).render(count=count)
    assert write("en", languages.ngettext, "%(num)s bill", "%(num)s bills", 12_000) == "12,000 bills"
    assert write("vi", languages.ngettext, "%(num)s bill", "%(num)s bills", 1_838) == "1.838 hóa đơn"


@pytest.mark.parametrize(
    ("passed", "text"),
    [
        (timedelta(seconds=20), "just now"),
        (timedelta(minutes=1), "1 minute"),
        (timedelta(minutes=59), "59 minutes"),
        (timedelta(hours=47), "47 hours"),
        (timedelta(days=9), "9 days"),
        (timedelta(hours=54), "2 days"),  # from one in the morning
        (timedelta(hours=56), "3 days"),  # from eleven at night: by the calendar
        (timedelta(seconds=-9), "just now"),
    ],
)
def test_ages(write, passed, text):
    now = datetime(2026, 11, 19, tzinfo=UTC)
    assert write("en", languages.age, now - passed, now) == text
