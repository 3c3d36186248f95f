"""Vietnamese and English: English is written in the source, Vietnamese is what a visitor sees first.

The catalog is read from its .po file when the process starts, so that no compiled copy can be stale or missing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import flask_babel  # type: ignore[import-untyped] # the library has no types
from babel.dates import format_date
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from flask import Flask, g, has_app_context, session
from flask_babel import Babel, LazyString, get_locale
from flask_login import current_user
from markupsafe import Markup

from banks.money import Money
from gateway.clock import LOCAL, day_ended

LANGUAGES = {"vi": "Tiếng Việt", "en": "English"}
DEFAULT = "vi"
CATALOGS = Path(__file__).parent / "translations"
_SIGNS = {"VND": "₫"}
_DAY = {"vi": "dd/MM/y", "en": "d MMM y"}
_WEEKDAY = {"vi": "EEEE, dd/MM/y", "en": "EEEE, d MMM y"}
_THIN = "\u00a0"
_EDGES = (date.min, date.max)
_SOURCE = NullTranslations()


@lru_cache(maxsize=4)
def catalog(name: str) -> NullTranslations:
    """Return the messages of `translations/<name>/LC_MESSAGES/messages.po`; English, as the source has it, has none."""
    path = CATALOGS / name / "LC_MESSAGES" / "messages.po"
    if not path.exists():
        return NullTranslations()
    compiled = BytesIO()
    with path.open("rb") as file:
        write_mo(compiled, read_po(file, locale=name))
    compiled.seek(0)
    return Translations(compiled)


def language() -> str:
    """Return "vi" or "en" for the request at hand."""
    if not has_app_context():
        return DEFAULT
    found: str | None = g.get("language")  # a page asks for it hundreds of times
    if found is None:
        found = g.language = str(get_locale() or DEFAULT)[:2]
    return found


def chosen() -> str:
    """Return what the visitor chose: in this session, else for good, else Vietnamese."""
    wanted = session.get("language") or getattr(current_user, "language", "")
    return wanted if wanted in LANGUAGES else DEFAULT


def gettext(message: str, **values: object) -> str:
    """Return `message` in the request's language, its %(names)s filled in."""
    found: str = _words().gettext(message)
    return found % values if values else found


def ngettext(singular: str, plural: str, count: int, **values: object) -> str:
    """Return the form that fits `count` in the request's language, %(num)s and its %(names)s filled in."""
    return _form(singular, plural, count) % {"num": number(count), **values}


def _on_a_page(singular: str, plural: str, count: int, **values: object) -> Markup:
    """Return what `ngettext` does for a template: what is filled in is text, not markup."""
    return Markup(_form(singular, plural, count)) % {"num": number(count), **values}  # noqa: S704 - of the catalog


def _form(singular: str, plural: str, count: int) -> str:
    found: str = _words().ngettext(singular, plural, count)
    return found


def _words() -> NullTranslations:
    return catalog(language()) if has_app_context() else _SOURCE  # outside any request, as the source has it


def lazy_gettext(message: str) -> Any:
    """Return `message`, to be translated when it is shown: for tables of words that stand outside a request."""
    return LazyString(gettext, message)


def money(minor: int | None, currency: str = "VND") -> str:
    """Write an amount: 844.960 ₫ in Vietnamese, 844,960 ₫ in English; a minus sign for money going out."""
    if minor is None:
        return "–"
    whole, _, part = Money(abs(minor), currency).decimal().partition(".")
    group, point = (".", ",") if language() == "vi" else (",", ".")
    grouped = f"{int(whole):,}".replace(",", group)
    sign = "\u2212" if minor < 0 else ""
    return f"{sign}{grouped}{point + part if part else ''}{_THIN}{_SIGNS.get(currency, currency)}"


def short_money(minor: int) -> str:
    """Write round đồng for an axis: 1,5 tỷ or 350 tr in Vietnamese, 1.5 bn or 350 m in English."""
    point = "," if language() == "vi" else "."
    for size, name in ((1_000_000_000, gettext("bn")), (1_000_000, gettext("m")), (1_000, gettext("k"))):
        if minor >= size:
            tenths = minor * 10 // size
            return f"{number(tenths // 10)}{point + str(tenths % 10) if tenths % 10 else ''}{_THIN}{name}"
    return number(minor)


def share(per_mille: int) -> str:
    """Write a share: 97,3 % in Vietnamese, 97.3% in English."""
    whole, tenth = divmod(per_mille, 10)
    return f"{whole},{tenth}{_THIN}%" if language() == "vi" else f"{whole}.{tenth}%"


def month(value: date) -> str:
    """Write a month: Tháng 11/2026, or November 2026 in English."""
    return f"Tháng {value:%m/%Y}" if language() == "vi" else format_date(value, "MMMM y", locale="en")


def number(value: int | None) -> str:
    """Write a count with its thousands set apart."""
    return "–" if value is None else f"{value:,}".replace(",", "." if language() == "vi" else ",")


def day(value: date | None) -> str:
    """Write a date: 19/11/2026, or 19 Nov 2026 in English."""
    return "–" if value is None else format_date(value, _DAY[language()], locale=language())


def weekday(value: date) -> str:
    """Write a date with its weekday, the first letter a capital."""
    written = format_date(value, _WEEKDAY[language()], locale=language())
    return written[:1].upper() + written[1:]


def clock_time(value: datetime | None) -> str:
    """Write the time of day in Vietnam, to the second."""
    return "–" if value is None else f"{_local(value):%H:%M:%S}"


def moment(value: datetime | None) -> str:
    """Write a moment in Vietnam's time, to the minute."""
    if value is None:
        return "–"
    local = _local(value)
    return f"{day(local.date())}{_THIN}{local:%H:%M}"


def deadline(value: datetime | None) -> str:
    """Write until when something is due: a day by its end, as people say it, or a moment within one."""
    ended = day_ended(value) if value is not None and value.date() not in _EDGES else None
    return moment(value) if ended is None else gettext("end of %(day)s", day=day(ended))


def local_day(value: datetime) -> date:
    """Return the day in Vietnam at a moment."""
    return _local(value).date()


def _local(value: datetime) -> datetime:
    """Return a moment by Vietnam's clocks; at the calendar's edges as it is, as no other clock can show it."""
    try:
        return value.astimezone(LOCAL)
    except OverflowError:
        return value


def age(since: datetime | None, now: datetime) -> str:
    """Write how long ago something was: minutes, hours or days, whichever a person would say."""
    if since is None:
        return "–"
    minutes = max(int((now - since).total_seconds() // 60), 0)
    if minutes < 1:
        return gettext("just now")
    if minutes < 60:
        return ngettext("%(num)s minute", "%(num)s minutes", minutes)
    if minutes < 48 * 60:
        return ngettext("%(num)s hour", "%(num)s hours", minutes // 60)
    # As finance counts them: by the calendar, like the spans of ageing.
    return ngettext("%(num)s day", "%(num)s days", (local_day(now) - local_day(since)).days)


@contextmanager
def speaking(name: str) -> Iterator[None]:
    """Use the words of a language outside any request: for a command."""
    app = Flask("words", static_folder=None)
    Babel(app, default_locale=DEFAULT)
    with app.test_request_context(), flask_babel.force_locale(name):
        yield


def install(app: Flask) -> None:
    """Translate the pages of `app` and give its templates the ways to write money, days and moments."""
    Babel(app, default_locale=DEFAULT, default_timezone="Asia/Ho_Chi_Minh", locale_selector=chosen)
    for write in (
        money, short_money, share, number, day, month, weekday, moment, deadline, clock_time, local_day, age,
    ):  # fmt: skip
        app.jinja_env.filters[write.__name__] = write
    app.jinja_env.install_gettext_callables(  # type: ignore[attr-defined] # of its extension for words
        lambda message: _words().gettext(message), lambda *forms: _words().ngettext(*forms), newstyle=True
    )
    app.jinja_env.globals["ngettext"] = _on_a_page
