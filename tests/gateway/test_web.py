"""The web as one WSGI application: machines and people apart, proxies believed in their exact number, health told."""

from dataclasses import replace
from datetime import timedelta

import pytest
from werkzeug.test import Client

from gateway import bill_import, carrier_metrics
from gateway.carrier_settings import CarrierSettings
from gateway.security import CONTENT_SECURITY_POLICY
from gateway.settings import SmsSettings
from gateway.web import create_app, create_machines, create_people
from gateway.wiring import Wiring
from reconciliation import carrier_balances
from tests.gateway.samples import an_event

MACHINES = [
    "/healthz",
    "/readyz",
    "/metrics",
    "/webhooks/standard",
    "/webhooks/nobody",
    "/api/v1/bills",
    "/nowhere",
]
PEOPLE = [
    "/",
    "/mandate/",
    "/mandate/nowhere",
    "/admin/",
    "/admin/sign-in",
    "/admin/payments",
    "/admin/nowhere",
    "/assets/nowhere",
]


@pytest.mark.parametrize("path", MACHINES)
def test_machines_get_no_cookie(web, path):
    for method in ("GET", "POST"):
        answer = web.open(path, method=method, headers={"Cookie": "session=anything"})
        assert answer.headers.getlist("Set-Cookie") == []
        assert answer.status_code < 500


@pytest.mark.parametrize("path", PEOPLE)
def test_people_get_the_policy_with_every_answer(web, path):
    answer = web.get(path)
    assert answer.status_code < 500
    assert answer.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY


def test_the_two_applications_know_nothing_of_each_other_s_addresses(wiring):
    machines = {rule.rule for rule in create_machines(wiring).url_map.iter_rules()}
    people = {rule.rule for rule in create_people(wiring).url_map.iter_rules()}
    theirs = ("/admin", "/assets", "/mandate/")
    assert [rule for rule in machines if rule == "/" or rule.startswith(theirs)] == []
    assert [rule for rule in people if rule != "/" and not rule.startswith(theirs)] == []
    assert {"/webhooks/<name>", "/api/v1/bills", "/sms/receipts/<provider>/<token>", "/readyz"} <= machines


def test_a_form_from_elsewhere_is_refused_and_a_callback_needs_no_token(web, wiring):
    assert web.post("/admin/sign-in", data={"username": "lan", "password": "x"}).status_code == 400
    signed = an_event(wiring)
    assert web.post("/webhooks/standard", data=signed.body, headers=dict(signed.headers)).status_code == 200


def test_the_root_is_the_customers_and_leads_staff_to_their_pages(web):
    answer = web.get("/")
    assert answer.status_code == 200
    assert 'href="/admin/"' in answer.text


@pytest.mark.parametrize(
    ("proxies", "forwarded", "seen"),
    [
        (0, "203.0.113.9", "10.0.0.1"),
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "6.6.6.6, 203.0.113.9", "203.0.113.9"),
        (2, "6.6.6.6, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
        (2, "203.0.113.9", "10.0.0.1"),
        (1, "", "10.0.0.1"),
    ],
)
def test_as_many_proxies_are_believed_as_there_are(wiring, settings, rows, proxies, forwarded, seen):
    web = Client(create_app(Wiring(replace(settings, trusted_proxies=proxies), wiring.database_url, wiring.valkey_url)))
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    web.post("/webhooks/standard", data=b"{}", headers=headers, environ_overrides={"REMOTE_ADDR": "10.0.0.1"})
    assert rows("SELECT remote FROM refusals") == [seen]


@pytest.mark.parametrize(("proxies", "secure"), [(0, False), (1, True)])
def test_a_proxy_s_word_for_https_counts_only_when_there_is_one(wiring, settings, proxies, secure):
    web = Client(create_app(Wiring(replace(settings, trusted_proxies=proxies), wiring.database_url, wiring.valkey_url)))
    answer = web.get("/admin/sign-in", headers={"X-Forwarded-Proto": "https"})
    assert ("Strict-Transport-Security" in answer.headers) is secure


def test_it_is_ready_while_the_database_answers(web, wiring, cut_off):
    assert (web.get("/healthz").status_code, web.get("/readyz").data) == (200, b"ready\n")
    deaf = Client(create_app(Wiring(wiring.settings, wiring.database_url, cut_off.valkey_url)))
    assert (deaf.get("/readyz").status_code, b"doorbell" in deaf.get("/readyz").data) == (200, True)
    gone = Client(create_app(cut_off))
    assert gone.get("/readyz").status_code == 503
    assert gone.get("/healthz").status_code == 200, "alive, though not ready"


HERE, ELSEWHERE = ({"REMOTE_ADDR": address} for address in ("127.0.0.1", "203.0.113.7"))


def test_figures_are_told_to_this_machine_or_to_whoever_has_the_token(web, monkeypatch):
    assert web.get("/metrics", environ_base=HERE).status_code == 200
    assert web.get("/metrics", environ_base=ELSEWHERE).status_code == 403
    monkeypatch.setenv("DOISOAT_SECRET_METRICS_TOKEN", "sandbox-metrics-token")
    for place in (HERE, ELSEWHERE):
        assert web.get("/metrics", environ_base=place).status_code == 403
        with_token = {"Authorization": "Bearer sandbox-metrics-token"}
        assert web.get("/metrics", environ_base=place, headers=with_token).status_code == 200


def test_figures_are_told_in_the_form_of_prometheus(web):
    answer = web.get("/metrics", environ_base=HERE)
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain")
    assert b"# HELP doisoat_callbacks_total" in answer.data


def test_balances_are_among_the_figures_while_they_are_known(settings, wiring, web, session):
    names = ("low", "unknown", "new")
    declared = {name: CarrierSettings(name, "speedsms", "https://sms.example") for name in names}
    told = Wiring(replace(settings, sms=SmsSettings(declared=declared)), wiring.database_url, wiring.valkey_url)
    now = told.clock()
    carrier_balances.told(session, "low", 53_380, alarm_minor=500_000, now=now)
    carrier_balances.told(session, "unknown", 900_000, alarm_minor=500_000, now=now - timedelta(hours=2))
    carrier_balances.not_told(session, "unknown", "the carrier answered 500", now=now)
    session.commit()
    lines = carrier_metrics.written(told).decode().splitlines()
    told.engine.dispose()
    assert [line for line in lines if line.startswith("doisoat_sms_carrier_balance")] == [
        'doisoat_sms_carrier_balance{carrier="low"} 53380.0',
        'doisoat_sms_carrier_balance_low{carrier="low"} 1.0',
        'doisoat_sms_carrier_balance_low{carrier="unknown"} 0.0',
        'doisoat_sms_carrier_balance_low{carrier="new"} 0.0',
    ]


def test_it_is_put_together_without_a_word_to_the_database(cut_off):
    create_app(cut_off)


def test_a_fault_of_ours_is_answered_without_its_trace(web, monkeypatch, caplog):
    def fail(*_):
        raise RuntimeError("ZQ 0912345678")

    monkeypatch.setattr(bill_import, "take_in", fail)
    answer = web.post(
        "/api/v1/bills", json={"bills": [{}]}, headers={"Authorization": "Bearer sandbox-api-token-for-tests"}
    )
    assert answer.status_code == 500
    assert b"ZQ" not in answer.data
