"""Every route and every role, read from the routes: what the table allows is open, everything else is refused."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import update
from werkzeug.routing import AnyConverter, IntegerConverter

from gateway.admin import access, office_scope, role_table
from gateway.commands.roles import roles
from reconciliation.roles import ROLES
from reconciliation.staff import Staff

DOCS = Path(__file__).parents[3] / "docs" / "roles.md"
_NO_ROW = 999_999_999


def routes(app):
    """Yield endpoint, method and address of every route of people's pages, with numbers that no row has."""
    adapter = app.url_map.bind("localhost")
    for rule in sorted(app.url_map.iter_rules(), key=lambda one: (one.rule, one.endpoint)):
        if rule.endpoint.startswith("admin."):
            values = {name: _value(rule._converters[name]) for name in rule.arguments}
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                yield rule.endpoint, method, adapter.build(rule.endpoint, values)


def _value(converter):
    if isinstance(converter, IntegerConverter):
        return _NO_ROW
    return sorted(converter.items)[0] if isinstance(converter, AnyConverter) else "none"


def _ask(person, method, address):
    if method == "GET":
        return person.get(address)
    # The token of the session: without it every answer would be the same refusal of the form.
    return person.client.post(address, data={"csrf_token": person.kept})


@pytest.mark.parametrize("role", ROLES)
def test_each_role_opens_what_the_table_allows_and_nothing_else(app, as_role, role):
    seen = 0
    for endpoint, method, address in routes(app):
        if endpoint in access.OPEN_TO_VISITORS or endpoint == "admin.sign_in.leave":
            continue
        answer = _ask(_signed_in(app, as_role, role), method, address)
        if answer.status_code == 303 and answer.location.startswith("/admin/sign-in"):
            del _KEPT[id(app), role]  # the route before has ended the session
            answer = _ask(_signed_in(app, as_role, role), method, address)
        allowed = role in access.RULES[endpoint]  # a route without a rule fails here
        led_home = endpoint == "admin.overview.page" and not allowed
        assert (answer.status_code == 403) == (not allowed and not led_home), (
            role, method, address, answer.status_code,
        )  # fmt: skip
        seen += 1
    assert seen > 80


_KEPT = {}


def _signed_in(app, as_role, role):
    # One session for all routes of a role: some of them end it, and then it is begun anew.
    person = _KEPT.get((id(app), role))
    if person is None:
        person = as_role(role)
        person.kept = person.token("/admin/account/")
        _KEPT[id(app), role] = person
    return person


def test_a_visitor_is_sent_to_sign_in_from_every_route(app, visitor, staff):
    visitor.kept = visitor.token()
    for endpoint, method, address in routes(app):
        if endpoint not in access.OPEN_TO_VISITORS:
            answer = _ask(visitor, method, address)
            assert (answer.status_code, answer.location.split("?")[0]) == (303, "/admin/sign-in"), (method, address)


@pytest.mark.parametrize("role", ["care", "office_manager", "accountant", "auditor"])
def test_who_belongs_to_an_office_opens_only_what_is_cut_to_it(app, session, as_role, role):
    session.execute(update(Staff).where(Staff.role == role).values(office="Điện lực Hồ Sen"))
    session.commit()
    person = as_role(role)
    person.kept = person.token("/admin/account/")
    for endpoint, method, address in routes(app):
        if endpoint in access.OPEN_TO_VISITORS or endpoint in access.OWN or endpoint == "admin.overview.page":
            continue
        allowed = role in access.RULES[endpoint] and endpoint in access.OF_AN_OFFICE
        assert (_ask(person, method, address).status_code == 403) == (not allowed), (role, method, address)


def test_every_row_that_an_office_may_ask_for_is_checked(app):
    for rule in app.url_map.iter_rules():
        if rule.endpoint in access.OF_AN_OFFICE:
            named = {name for name in rule.arguments if name.endswith("_id")}
            assert named <= set(office_scope.ROWS), rule.rule
            assert rule.arguments - named <= {"version", "rest"}, rule.rule


def test_every_area_of_the_table_has_a_name_people_know(app):
    assert set(role_table.of_areas(app)) == set(role_table.AREAS)


def test_the_docs_show_the_table_as_it_is():
    printed = CliRunner().invoke(roles)
    assert printed.exit_code == 0
    assert printed.output == DOCS.read_text("utf-8"), "`make roles` draws docs/roles.md anew"
