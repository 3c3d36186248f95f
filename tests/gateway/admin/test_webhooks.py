"""The pages of webhooks: added with a key shown once, tried, sent again, disabled, by administrators alone."""

import re

import pytest
from sqlalchemy import text

from gateway import bell
from reconciliation import webhook_endpoints, webhook_events, webhook_sending
from reconciliation.webhook_endpoints import Endpoint
from reconciliation.webhook_events import Event
from reconciliation.webhook_sending import Answered
from tests.gateway.admin.conftest import NOW

URL = "https://hooks.example.vn/doisoat"


@pytest.fixture(autouse=True)
def rung(monkeypatch, app):
    rung = []
    app.extensions["doisoat"].valkey = None
    app.extensions["doisoat"].settings.webhooks_private = False
    monkeypatch.setattr(bell, "ring", lambda _valkey, queue: rung.append(queue))
    return rung


@pytest.fixture
def endpoint(session, sealer):
    made, _ = webhook_endpoints.add(session, URL, ["day.closed"], sealer=sealer, by="test", now=NOW)
    session.commit()
    return made.id


@pytest.fixture
def refused(session, endpoint):
    """One event that the endpoint refused, and its id."""
    webhook_events.ping(session, session.get_one(Endpoint, endpoint), now=NOW)
    [one] = webhook_sending.claim(session, each=9, most=9, lease=NOW - NOW, now=NOW)
    webhook_sending.record(session, one, Answered(410, "go away <b>", 12), now=NOW)
    session.commit()
    return one.uid


def test_an_address_is_added_and_its_key_shown_this_once(as_role, session):
    visitor = as_role("administrator")
    answer = visitor.send("/admin/webhooks/", url=URL, event="day.closed")
    assert answer.status_code == 201
    [key] = set(re.findall(r"whsec_[\w+/=]+", answer.text))
    [made] = webhook_endpoints.every(session)
    assert (made.url, made.events, made.made_by) == (URL, ["day.closed"], "administrator")
    page = visitor.page("/admin/webhooks/")
    assert key not in page.text
    assert "một ngày của ngân hàng được ký khóa sổ" in page.select_one("tbody tr").text


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"url": URL}, "Hãy chọn những sự kiện cần báo."),
        ({"url": URL, "event": "ping"}, "Hãy chọn những sự kiện cần báo."),
        ({"url": "http://10.0.0.1/", "event": "day.closed"}, "Hãy nhập địa chỉ trên Internet"),
        ({"url": "https://10.0.0.1/", "event": "day.closed"}, "Hãy nhập địa chỉ trên Internet"),
    ],
)
def test_what_can_not_be_added_is_said_in_words(as_role, session, app, fields, said):
    settings = app.extensions["doisoat"].settings
    settings.sandbox, settings.second_factor_roles = False, frozenset()
    answer = as_role("administrator").send("/admin/webhooks/", **fields)
    assert answer.status_code == 400
    assert said in answer.text
    assert webhook_endpoints.every(session) == []


def test_the_log_shows_what_became_of_each_event(as_role, endpoint, refused):
    page = as_role("auditor").page(f"/admin/webhooks/{endpoint}")
    [row] = page.select("tbody tr")
    assert refused in row.text
    assert "không được nhận" in row.text
    assert "410 go away <b>" in row.text
    assert "it answered 410 Gone" in page.select_one("dl").text
    assert not page.select("main form[method=post]")
    assert not as_role("auditor").page(f"/admin/webhooks/{endpoint}?state=delivered").select("tbody tr")


def test_it_is_enabled_and_sent_events_again(as_role, session, endpoint, refused, rung):
    visitor = as_role("administrator")
    path = f"/admin/webhooks/{endpoint}"
    assert visitor.send(f"{path}/enable").status_code == 303
    assert visitor.send(f"{path}/replay", event=refused).status_code == 303
    assert [one.uid for one in webhook_sending.claim(session, each=9, most=9, lease=NOW - NOW, now=NOW)] == [refused]
    session.rollback()
    assert visitor.send(f"{path}/replay", since="2026-11-18T08:00").status_code == 303
    for odd in ("soon", "0001-01-01T00:00", "9999-12-31T00:00"):
        assert visitor.send(f"{path}/replay", since=odd).status_code == 400, odd
    assert visitor.send(f"{path}/test").status_code == 303
    assert len(webhook_sending.claim(session, each=9, most=9, lease=NOW - NOW, now=NOW)) == 2
    assert rung == ["webhooks"] * 4


def test_answers_before_an_event_was_sent_again_stay_in_the_log(as_role, session, endpoint, refused):
    visitor = as_role("administrator")
    path = f"/admin/webhooks/{endpoint}"
    assert visitor.send(f"{path}/enable").status_code == 303
    assert visitor.page(path).select("tbody details") == []
    assert visitor.send(f"{path}/replay", event=refused).status_code == 303
    [claimed] = webhook_sending.claim(session, each=9, most=9, lease=NOW - NOW, now=NOW)
    webhook_sending.record(session, claimed, Answered(200, "ok", 3), now=NOW)
    session.commit()
    [row] = visitor.page(path).select("tbody tr")
    assert [one.text.split()[0] for one in row.select("td.number, td.long, td.long li")] == ["2", "200", "410"]
    assert "gửi lại bởi Người administrator" in row.select_one("td.long").text
    assert "gửi lại" not in row.select_one("td.long li").text


def test_one_that_waits_for_its_next_try_is_sent_now(as_role, session, endpoint, refused):
    visitor = as_role("administrator")
    path = f"/admin/webhooks/{endpoint}"
    assert visitor.send(f"{path}/enable").status_code == 303
    again = f"tbody form[action='{path}/replay'] button"
    assert [button.text for button in visitor.page(path).select(again)] == ["Gửi lại"]
    assert visitor.send(f"{path}/replay", event=refused).status_code == 303
    assert visitor.page(path).select(again) == [], "it is due already"
    [claimed] = webhook_sending.claim(session, each=9, most=9, lease=NOW - NOW, now=NOW)
    webhook_sending.record(session, claimed, Answered(503, "busy", 3), now=NOW)
    session.commit()
    assert webhook_sending.claim(session, each=9, most=9, lease=NOW - NOW, now=NOW) == []
    assert [button.text for button in visitor.page(path).select(again)] == ["Gửi ngay"]
    assert visitor.send(f"{path}/replay", event=refused).status_code == 303
    assert [one.uid for one in webhook_sending.claim(session, each=9, most=9, lease=NOW - NOW, now=NOW)] == [refused]


def test_its_key_is_replaced_and_it_is_disabled_with_a_reason(as_role, session, sealer, endpoint):
    visitor = as_role("administrator")
    path = f"/admin/webhooks/{endpoint}"
    answer = visitor.send(f"{path}/rotate")
    [key] = set(re.findall(r"whsec_[\w+/=]+", answer.text))
    found = session.get_one(Endpoint, endpoint, populate_existing=True)
    keys = webhook_endpoints.keys(found, sealer, now=NOW)
    assert (keys[0], len(keys)) == (key, 2)
    assert "Khóa cũ còn ký đến" in visitor.page(path).text
    assert visitor.send(f"{path}/disable", why=" ").status_code == 400
    assert visitor.send(f"{path}/disable", why="đổi nhà cung cấp").status_code == 303
    session.rollback()
    found = session.get_one(Endpoint, endpoint, populate_existing=True)
    assert (found.state, found.why) == ("disabled", "đổi nhà cung cấp")


def test_auditors_change_nothing_and_others_see_nothing(as_role, endpoint):
    acts = (
        "",
        f"{endpoint}/rotate",
        f"{endpoint}/disable",
        f"{endpoint}/enable",
        f"{endpoint}/test",
        f"{endpoint}/replay",
    )
    auditor = as_role("auditor")
    assert [auditor.send(f"/admin/webhooks/{act}").status_code for act in acts] == [403] * 6
    for role in ("accountant", "chief_accountant", "care"):
        other = as_role(role)
        assert [other.get(f"/admin/webhooks/{path}").status_code for path in ("", endpoint)] == [403, 403]
    assert as_role("administrator").get("/admin/webhooks/999").status_code == 404
    assert as_role("administrator").send("/admin/webhooks/999/test").status_code == 404


def test_so_many_are_sent_again_at_once_and_the_page_goes_on_from_there(as_role, session, endpoint, monkeypatch):
    for uid in ("evt_1", "evt_2", "evt_3"):
        session.add(Event(uid=uid, type="day.closed", event_key=uid, body="{}", at=NOW))
    session.commit()
    monkeypatch.setattr(webhook_sending, "MOST_AGAIN", 2)
    visitor, path = as_role("administrator"), f"/admin/webhooks/{endpoint}"
    answer = visitor.send(f"{path}/replay", since="2026-11-01T08:00")
    assert answer.status_code == 200
    assert "Số sự kiện được gửi lại: 2" in answer.text
    form = {name: re.search(f'name="{name}" value="([^"]+)"', answer.text)[1] for name in ("since", "after")}
    assert visitor.send(f"{path}/replay", **form).status_code == 303
    assert visitor.send(f"{path}/replay", since=form["since"], after="x").status_code == 400
    noted = session.scalars(text("SELECT facts->>'sendings' FROM audit WHERE action LIKE '%replayed' ORDER BY id"))
    assert noted.all() == ["2", "1"]
