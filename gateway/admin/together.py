"""Together: alike cases settled, given away or put to rest in one go, each in a savepoint of its own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from flask import Blueprint, current_app, redirect, render_template, request
from flask_login import current_user
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from werkzeug.wrappers import Response

from gateway import composing
from gateway.admin import answer_form, case_history, case_offers, desk_queue, mismatches, settling, usual_words
from gateway.admin.answer_form import Unreadable
from gateway.admin.listing import SIZE
from gateway.admin.settling_words import NOT_REMARKED, NOT_SETTLED
from gateway.database import insist
from gateway.languages import gettext, ngettext
from gateway.request_session import db
from reconciliation import case_links, case_sides, case_versions, remarks, undoing, usual_answers
from reconciliation.case_sides import Sides
from reconciliation.case_versions import Version
from reconciliation.mismatches import Mismatch, NotSettled
from reconciliation.remarks import NotRemarked
from reconciliation.usual_answers import Usual

blueprint = Blueprint("together", __name__, url_prefix="/mismatches/together")


@dataclass(frozen=True, slots=True)
class Shown:
    """One case of a preview: what will be booked for it, or why it stays."""

    case: Mismatch
    answer: Usual | None
    says: str
    sides: Sides
    version: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one case: its state now, or why it stays."""

    case: Mismatch
    problem: str
    undo: dict[str, str] | None = None
    now: int | None = None
    """The case that stands in its place once it was taken back, or in which taking it back waits for approval."""
    waits: bool = False
    """Whether taking it back waits for approval."""


@blueprint.post("/preview")
def preview() -> str:
    """Show what the usual answer will book for each of the chosen cases, and which of them are not alike."""
    now = current_app.extensions["doisoat"].clock()
    shown, first, cases = [], None, _cases()
    sides = case_sides.of(db(), cases)
    for case in cases:
        answer, both = usual_answers.usual(db(), case, now=now), sides[case.id]
        if answer is None:
            shown.append(Shown(case, None, str(NOT_SETTLED["not_open"]), both))
        elif not case_offers.may_give(answer):
            shown.append(Shown(case, None, _instead(gettext("This is for bookkeepers."), answer), both))
        elif first is not None and (case.code, answer.alike) != first:
            other = gettext("It is not settled as the first one is.")
            shown.append(Shown(case, None, _instead(other, answer), both))
        else:
            first = first or (case.code, answer.alike)
            version = str(case_versions.version(db(), case))
            shown.append(Shown(case, answer, usual_words.sentence(answer), both, version))
    answers = [one.answer for one in shown if one.answer is not None]
    return render_template(
        "admin/together.html", shown=shown, total=sum(one.minor for one in answers), count=len(answers),
        why=usual_words.because(answers[0]) if answers else "", outcome=None, kept=desk_queue.carried(),
        raised=_raised(),
    )  # fmt: skip


@blueprint.post("/settle")
def settle() -> Response | str | tuple[str, int]:
    """Give each case the answer that was shown; those that can't be are named and stay."""
    now, by = current_app.extensions["doisoat"].clock(), current_user.username
    try:
        why = answer_form.why()
    except Unreadable as problem:
        return mismatches.show_queue(problem=str(problem)), 400

    def act(case: Mismatch) -> None:
        read = Version.of(request.form.get(f"version{case.id}", ""))
        if read is None:
            raise NotSettled("not_open", "expected the version of a case, got none")
        case_versions.hold(db(), case.id, read)
        asked, answer = usual_answers.same(db(), case.id, request.form.get(f"usual{case.id}", ""), now=now)
        if not case_offers.may_give(answer):
            raise NotSettled("not_open", "expected an answer that this person may give")
        usual_answers.carry_out(db(), asked, answer, why=why, by=by, now=now)

    problems = _each(act)
    outcome = [
        Outcome(case, problems.get(case.id, ""), None if case.id in problems else case_offers.undo_line(case.id))
        for case in _cases()
    ]
    left = [*problems, *(one for one in answer_form.chosen("left")[:SIZE] if one not in problems)]
    staying = db().scalars(select(Mismatch.id).where(Mismatch.id.in_(left), Mismatch.state == "open")).all()
    return render_template(
        "admin/together.html", shown=(), outcome=outcome, said=_said(outcome, now, stay=len(left)),
        staying=sorted(staying), kept=desk_queue.carried(), now=now, raised=_raised(),
    )  # fmt: skip


@blueprint.post("/undo")
def undo() -> str:
    """Take back what the person did last with each case; those that can't be are named and stay as they are."""
    now, by = current_app.extensions["doisoat"].clock(), current_user.username
    stands: dict[int, int] = {}

    def act(case: Mismatch) -> None:
        key = request.form.get(f"act{case.id}", "")
        if not case_offers.may_take_back(key.partition("-")[0]):
            raise NotSettled("not_last", "expected an act that this person may take back")
        stands[case.id] = undoing.undo(db(), case.id, key, why="taken back", by=by, now=now)

    problems = _each(act)
    outcome = [
        Outcome(case, problems[case.id])
        if case.id in problems
        else Outcome(
            case, "", now=stands[case.id], waits=case_history.undone(case.id, stands[case.id]) == case_history.ASKED
        )
        for case in _cases()
    ]
    return render_template(
        "admin/together.html", shown=(), outcome=outcome, title=gettext("Undone together"), said=_undone(outcome),
        kept=desk_queue.carried(), now=now, raised=_raised(),
    )  # fmt: skip


@blueprint.post("/assign")
def assign() -> Response | tuple[str, int]:
    """Give the chosen cases to one person, or to nobody."""
    to, now = request.form.get("to", "")[:64], current_app.extensions["doisoat"].clock()
    return _back(_each(lambda case: remarks.assign(db(), case.id, to, by=current_user.username, now=now)))


@blueprint.post("/rest")
def rest() -> Response | tuple[str, int]:
    """Let the chosen cases rest until a day, for one reason."""
    now, by = current_app.extensions["doisoat"].clock(), current_user.username
    try:
        until, why = date.fromisoformat(request.form.get("until", "")), answer_form.why()
    except Unreadable as problem:
        return mismatches.show_queue(problem=str(problem)), 400
    except ValueError:
        return mismatches.show_queue(problem=str(NOT_REMARKED["no_day"])), 400
    return _back(_each(lambda case: remarks.expect(db(), case.id, until, why, by=by, now=now)))


def _instead(why: str, answer: Usual) -> str:
    """Return why a case stays, with what is usual for it instead."""
    return f"{why} {gettext('Usual for this one: %(sentence)s', sentence=usual_words.sentence(answer))}"


def _said(outcome: Sequence[Outcome], now: datetime, *, stay: int) -> str:
    """Return what was done in all: how many cases are settled, wait for approval, rest, and stay as they were."""
    done = [one.case for one in outcome if not one.problem]
    settled = sum(case.state == "resolved" for case in done)
    proposed = sum(case.state == "proposed" for case in done)
    resting = sum(case.state == "open" and case.rests(now) for case in done)
    told = (
        (settled, ngettext("You settled %(num)s case.", "You settled %(num)s cases.", settled)),
        (proposed, ngettext(
            "%(num)s answer is proposed and waits for approval.", "%(num)s answers are proposed and wait for approval.",
            proposed,
        )),
        (resting, ngettext("You let %(num)s case rest.", "You let %(num)s cases rest.", resting)),
        (stay, _stays(stay)),
    )  # fmt: skip
    return _counted(told)


def _undone(outcome: Sequence[Outcome]) -> str:
    """Return what was taken back in all: how many cases, how many wait for approval of it, and stay as they were."""
    waits, stay = sum(one.waits for one in outcome), sum(bool(one.problem) for one in outcome)
    back = len(outcome) - waits - stay
    return _counted((
        (back, ngettext(
            "You took back what you did with %(num)s case.", "You took back what you did with %(num)s cases.", back
        )),
        (waits, ngettext(
            "Taking %(num)s answer back waits for approval.", "Taking %(num)s answers back waits for approval.", waits
        )),
        (stay, _stays(stay)),
    ))  # fmt: skip


def _stays(cases: int) -> str:
    return ngettext("%(num)s case stays as it was.", "%(num)s cases stay as they were.", cases)


def _counted(told: Sequence[tuple[int, str]]) -> str:
    return " ".join(words for count, words in told if count)


def _cases() -> Sequence[Mismatch]:
    """Return the chosen cases: as many as a page holds, in the order in which their payments are locked."""
    chosen = answer_form.chosen("case")[:SIZE]
    wanted = select(Mismatch).where(Mismatch.id.in_(chosen)).execution_options(populate_existing=True)
    return db().scalars(wanted.order_by(Mismatch.payment_id.nulls_last(), Mismatch.id)).all()


def _raised() -> Mapping[int, int]:
    """Return which of the chosen cases were opened only to take an answer back, and whose."""
    return case_links.raised_by_undoing(db(), answer_form.chosen("case")[:SIZE])


def _each(act: Callable[[Mismatch], object]) -> dict[int, str]:
    """Do `act` with each case; return what was in the way of those that stay, by their number."""
    wiring = current_app.extensions["doisoat"]
    problems: dict[int, str] = {}

    def work() -> None:
        db().rollback()
        problems.clear()
        for case in _cases():
            try:
                with db().begin_nested():
                    act(case)
            except (NotSettled, NotRemarked) as problem:
                problems[case.id] = settling.said(problem)
            except IntegrityError as problem:
                if "uq_settlements_" not in str(problem.orig):
                    raise
                problems[case.id] = str(NOT_SETTLED["not_open"])
        composing.compose_promises(db(), wiring.settings)
        db().commit()

    insist(work)
    return problems


def _back(problems: dict[int, str]) -> Response | tuple[str, int]:
    if problems:
        said = "; ".join(f"#{number}: {problem}" for number, problem in sorted(problems.items()))
        return mismatches.show_queue(problem=said), 409
    return redirect(desk_queue.address(None), 303)
