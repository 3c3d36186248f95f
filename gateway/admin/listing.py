"""Lists: a search, filters, and pages that hold their place while rows keep arriving (keyset paging).

A page knows the rows before and after it by their ids, never by counting, so that the millionth page costs what the
first one does.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import urlencode

from flask import render_template, request, url_for
from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session
from werkzeug.routing import IntegerConverter

from gateway.languages import gettext
from gateway.languages import lazy_gettext as _
from gateway.written_days import a_day, a_month

SIZE = 50
COUNTED = 1_000
"""Rows are counted up to here, unless a list says otherwise; beyond it the page says "more than"."""
_AMOUNT = re.compile(r"[0-9]{1,3}(?:[.,  ][0-9]{3})+|[0-9]{1,15}", re.ASCII)
_MOST = 10**18 - 1
"""What a column of đồng holds: a larger amount is nobody's."""
_MAX_SEARCH = 100


_A_DAY = _("a day from 1900-01-01 to 2999-12-31, such as 2026-11-18")
"""What `a_day` reads."""


class RowId(IntegerConverter):
    """A row's number in an address, `<row:bill_id>`: one that no table can hold names no page."""

    regex = "[0-9]{1,18}"


@dataclass(frozen=True, slots=True)
class Filter:
    """One thing a list can be narrowed by: a choice of values with their names, or a day when there are none.

    A quiet one is asked for by links alone: the form shows it only while it is asked. One with a `default` stands at it
    unless the address says otherwise.
    """

    name: str
    label: Any
    choices: Mapping[str, Any] | None = None
    quiet: bool = False
    default: str = ""
    since: str = ""
    """The filter that begins the days which this one ends."""
    unasked: Any = None
    """What its empty choice is called, where that is not "all"."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address asks of a list: the search, the filters that make sense, and the place."""

    search: str
    filters: Sequence[Filter]
    values: Mapping[str, str]
    after: int | None = None
    before: int | None = None

    @classmethod
    def of_request(cls, *filters: Filter) -> "Asked":
        """Read the request's address; a value that no filter knows is left out, and `odd` says so."""
        values = {}
        for one in filters:
            value = request.args.get(one.name, "").strip()
            if value and (value in one.choices if one.choices is not None else a_day(value) is not None):
                values[one.name] = value
            elif one.default:
                values[one.name] = one.default
        for one in filters:
            if one.since and values.get(one.name, values.get(one.since, "")) < values.get(one.since, ""):
                del values[one.name]  # days that end before they begin: `odd` says so
        search = request.args.get("q", "").strip()[:_MAX_SEARCH].replace("\0", "")
        return cls(search, filters, values, _id(request.args.get("after")), _id(request.args.get("before")))

    def odd(self, *also: str) -> list[str]:
        """Return what the request's address asks that this list does not know, each with what it expects instead.

        `also` are names that an address may have beside the list's own.
        """
        known = sorted({"q", "after", "before", *also, *(one.name for one in self.filters)})
        said = [
            gettext("expected one of the fields %(known)s, got “%(got)s”", known=", ".join(known), got=name[:40])
            for name in request.args if name not in known
        ]  # fmt: skip
        for one in self.filters:
            got = request.args.get(one.name, "").strip()
            if got and self[one.name] != got:
                expected = str(_A_DAY) if one.choices is None else ", ".join(one.choices)
                if one.since in self.values and a_day(got) is not None:
                    first = next(each for each in self.filters if each.name == one.since)
                    named = _named(first.label, first.name)
                    expected = gettext("no day before %(name)s=%(since)s", name=named, since=self[one.since])
                said.append(gettext("%(name)s: expected %(expected)s, got “%(got)s”",
                                    name=_named(one.label, one.name), expected=expected, got=got[:40]))  # fmt: skip
        for name in ("after", "before"):
            got = request.args.get(name, "")
            if got and _id(got) is None:
                said.append(gettext("%(name)s: expected %(expected)s, got “%(got)s”",
                                    name=_named(gettext("Place in the list"), name),
                                    expected=gettext("a whole number"), got=got[:40]))  # fmt: skip
        return said

    def __getitem__(self, name: str) -> str:
        return self.values.get(name, "")

    def __bool__(self) -> bool:
        defaults = {one.name: one.default for one in self.filters}
        return bool(self.search or any(value != defaults.get(name) for name, value in self.values.items()))

    def day(self, name: str = "day") -> date | None:
        """Return the day a filter asks for."""
        return a_day(self.values.get(name, ""))

    def between(
        self, wanted: Select[*tuple[Any, ...]], column: InstrumentedAttribute[date], since: str, until: str
    ) -> Select[*tuple[Any, ...]]:
        """Return `wanted` of the day that the filter `since` asks for, or of the days from it to that of `until`."""
        first, last = self.day(since), self.day(until)
        if last is None:
            return wanted if first is None else wanted.where(column == first)
        return wanted.where(column <= last) if first is None else wanted.where(column.between(first, last))

    def amount(self) -> int | None:
        """Return the search read as an amount in đồng ("844.960 ₫", "844960"), or None."""
        plain = self.search.replace("₫", "").replace("đ", "").strip()
        amount = int(re.sub(r"\D", "", plain)) if _AMOUNT.fullmatch(plain) else None
        return amount if amount is not None and amount <= _MOST else None

    def spellings(self) -> list[str]:
        """Return the search as typed and in capitals, since codes are written in capitals."""
        return sorted({self.search, self.search.upper()})

    def link(self, **changes: object) -> str:
        """Return this list's address with filters changed; the place is not kept."""
        wanted = {"q": self.search, **self.values, **changes}
        kept: dict[str, Any] = {name: value for name, value in wanted.items() if value}
        return url_for(request.endpoint or "", **(request.view_args or {}), **kept)

    @property
    def cleared(self) -> str:
        """The list's address without search and filters."""
        return url_for(request.endpoint or "", **(request.view_args or {}))


@dataclass(frozen=True, slots=True)
class Page:
    """The rows of one page, how many there are in all (up to `most`), and the addresses beside it."""

    rows: Sequence[Any]
    total: int
    asked: Asked
    most: int
    minor: int | None = None
    """What the rows come to in đồng, where they were all counted and have amounts."""
    previous: str | None = None
    next: str | None = None
    problems: Sequence[str] = ()
    """What the address asks that the list does not know: it lists nothing then, and says so."""

    @property
    def many(self) -> bool:
        """Tell whether there are more rows than were counted."""
        return self.total > self.most


def page_of(
    session: Session,
    wanted: Select[*tuple[Any, ...]],
    key: InstrumentedAttribute[int],
    asked: Asked,
    *,
    newest_first: bool = True,
    size: int = SIZE,
    amount: ColumnElement[int] | InstrumentedAttribute[int] | None = None,
    most: int | None = None,
    few: bool = False,
) -> Page:
    """Return one page of `wanted`, ordered by `key`, at the place that was asked for; `amount` is summed up.

    Rows are counted up to `most`, COUNTED unless it is given. `few` says that they are few among their table's: they
    are found first and sorted then, as a walk along the key would pass hundreds of thousands of others.
    """
    most = COUNTED if most is None else most
    backwards = asked.before is not None
    place = asked.before if backwards else asked.after
    falling = newest_first != backwards
    order = key + 0 if few else key  # what is reckoned has no index to walk along
    rows_wanted = (
        wanted.order_by(order.desc() if falling else order.asc()).limit(size + 1).add_columns(key.label("_key"))
    )
    if place is not None:
        rows_wanted = rows_wanted.where(key < place if falling else key > place)
    rows = list(session.execute(rows_wanted).all())
    more = len(rows) > size
    rows = rows[:size]
    if backwards:
        rows.reverse()
    total, minor = counted(session, wanted, key, amount, most=most)
    has_previous = more if backwards else place is not None
    has_next = backwards or more
    return Page(
        rows, total, asked, most, minor,
        previous=asked.link(before=rows[0][-1]) if rows and has_previous else None,
        next=asked.link(after=rows[-1][-1]) if rows and has_next else None,
    )  # fmt: skip


def listed(
    session: Session,
    wanted: Select[*tuple[Any, ...]],
    key: InstrumentedAttribute[int],
    asked: Asked,
    **how: Any,
) -> Page:
    """Return one page as `page_of` does; nothing but what is wrong for an address that the list does not know."""
    if problems := asked.odd():
        return Page([], 0, asked, COUNTED, problems=problems)
    return page_of(session, wanted, key, asked, **how)


def narrowed(path: str, **asked: str | None) -> str:
    """Return the address of a list at `path`, narrowed by what is asked; None asks nothing.

    As `url_for` does, but that looks for the path each time, and an overview has hundreds of such links.
    """
    return f"{path}?{urlencode({name: value for name, value in asked.items() if value is not None})}"


def answered(template: str, page: Page, **shown: Any) -> tuple[str, int]:
    """Return a list's page and its status: 400 for an address that the list does not know."""
    return render_template(template, page=page, **shown), 400 if page.problems else 200


def counted(
    session: Session,
    wanted: Select[*tuple[Any, ...]],
    key: InstrumentedAttribute[int],
    amount: ColumnElement[int] | InstrumentedAttribute[int] | None = None,
    *,
    most: int,
) -> tuple[int, int | None]:
    """Return how many rows `wanted` has, `most` + 1 for any more than that, and what `amount` of them comes to."""
    columns = [key] if amount is None else [key, amount.label("amount")]
    some = wanted.with_only_columns(*columns).order_by(None).limit(most + 1).subquery()
    sums = select(func.count()) if amount is None else select(func.count(), func.sum(some.c.amount))
    found = session.execute(sums.select_from(some)).one()
    return found[0], int(found[1] or 0) if amount is not None and found[0] <= most else None


def values_of(session: Session, column: InstrumentedAttribute[str], most: int = 500) -> list[str]:
    """Return what stands in an indexed column, "" left out: each value is one step of the index, however many rows."""
    found: list[str] = []
    while len(found) < most:
        following = session.scalar(select(func.min(column)).where(column > (found[-1] if found else "")))
        if following is None:
            break
        found.append(following)
    return found


def asked_day(name: str = "day") -> tuple[date | None, str]:
    """Return the day the address asks for, and what is wrong with it: a page shows its usual day and says so."""
    return _period(gettext("Day"), name, a_day, str(_A_DAY))


def asked_month(name: str = "month") -> tuple[date | None, str]:
    """Return the first day of the month the address asks for, and what is wrong with it, as `asked_day` does."""
    return _period(gettext("Month"), name, a_month, gettext("a month from 1900-01 to 2999-12, such as 2026-11"))


def asked_choice(label: str, name: str, choices: Collection[str], usual: str) -> tuple[str, str]:
    """Return which of `choices` the address asks for, the usual one without, and what is wrong with what it asks."""
    got = request.args.get(name, "").strip()
    if not got or got in choices:
        return got or usual, ""
    return usual, gettext("%(name)s: expected %(expected)s, got “%(got)s”",
                          name=_named(label, name), expected=", ".join(choices), got=got[:40])  # fmt: skip


def _named(label: object, name: str) -> str:
    """Return a field by what people call it, with its name in addresses."""
    return f"{label} ({name})"


def _period(label: str, name: str, read: Callable[[str], date | None], expected: str) -> tuple[date | None, str]:
    got = request.args.get(name, "").strip()
    found = read(got)
    if found is not None or not got:
        return found, ""
    return None, gettext("%(name)s: expected %(expected)s, got “%(got)s”",
                         name=_named(label, name), expected=expected, got=got[:40])  # fmt: skip


def _id(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch("[0-9]{1,18}", text, re.ASCII) else None
