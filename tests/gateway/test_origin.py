"""Where a call must come from, asked beside the proof: addresses, and a certificate as our proxy tells it."""

import json
from dataclasses import replace
from ipaddress import ip_network

import pytest
from werkzeug.test import Client

from banks.errors import Unproven
from banks.records import RawRequest
from gateway.origin import Origin, network_of
from gateway.web import create_app
from gateway.wiring import Wiring
from tests.gateway.samples import an_event

BANK = Origin(allow_from=(ip_network("203.0.113.0/24"), ip_network("2001:db8:7::/48")))
MTLS = Origin(mtls_header="x-client-subject", mtls_identity="CN=bank")
PROXY = {"REMOTE_ADDR": "127.0.0.1"}


def call(now, remote="", **headers):
    return RawRequest("POST", b"", {name.replace("_", "-"): value for name, value in headers.items()}, b"", now, remote)


def comes_through(origin, raw, *, peer="127.0.0.1", forwarded="203.0.113.9", proxies=1):
    environ = {"werkzeug.proxy_fix.orig": {"REMOTE_ADDR": peer}, "HTTP_X_FORWARDED_FOR": forwarded}
    try:
        origin.check(raw, environ, proxies)
    except Unproven:
        return False
    return True


@pytest.mark.parametrize(
    ("remote", "allowed"),
    [
        ("203.0.113.0", True), ("203.0.113.255", True), ("::ffff:203.0.113.7", True), ("2001:db8:7::1", True),
        ("203.0.112.255", False), ("203.0.114.0", False), ("2001:db8:8::1", False), ("127.0.0.1", False), ("", False),
        ("203.0.113.7 ", False), ("203.0.113.7, 203.0.113.8", False), ("unknown", False), ("2.3", False),
    ],
)  # fmt: skip
def test_an_address_is_in_the_list_or_not(now, remote, allowed):
    assert comes_through(BANK, call(now, remote)) == allowed
    assert comes_through(Origin(), call(now, remote)), "nothing is asked where nothing is declared"


@pytest.mark.parametrize(
    ("written", "same"),
    [
        ("::ffff:203.0.113.0/120", "203.0.113.0/24"), ("::ffff:203.0.113.7", "203.0.113.7/32"),
        ("::ffff:0:0/96", "0.0.0.0/0"), ("203.0.113.0/24", "203.0.113.0/24"),
    ],
)  # fmt: skip
def test_an_ipv4_network_may_be_written_inside_ipv6(now, written, same):
    assert network_of(written) == ip_network(same)
    origin = Origin(allow_from=(network_of(written),))
    assert comes_through(origin, call(now, "203.0.113.7"))
    assert comes_through(origin, call(now, "::ffff:203.0.113.7"))
    assert network_of("2001:db8:7::/48") == ip_network("2001:db8:7::/48")


def test_a_certificate_is_believed_from_the_named_proxy_alone(now):
    good = call(now, x_client_subject="CN=bank")
    assert comes_through(MTLS, good)
    assert comes_through(MTLS, good, peer="::1")
    for wrong in ("CN=bank2", "cn=bank", "CN=bank,CN=bank", "CN=ban", "", "đ"):
        assert not comes_through(MTLS, call(now, x_client_subject=wrong))
    assert not comes_through(MTLS, call(now))
    for past in ({"peer": "10.0.0.5"}, {"peer": ""}, {"forwarded": ""}, {"proxies": 0}, {"proxies": 2}):
        assert not comes_through(MTLS, good, **past)
    named = replace(MTLS, mtls_proxy=(ip_network("10.0.0.5"),))
    assert comes_through(named, good, peer="10.0.0.5")
    assert not comes_through(named, good), "another proxy is named, so this machine's is not believed"
    with pytest.raises(Unproven):
        MTLS.check(good, {}, 1)


def test_both_are_asked_where_both_are_declared(now):
    both = replace(BANK, mtls_header="x-client-subject", mtls_identity="CN=bank")
    assert comes_through(both, call(now, "203.0.113.9", x_client_subject="CN=bank"))
    assert not comes_through(both, call(now, "203.0.112.9", x_client_subject="CN=bank"))
    assert not comes_through(both, call(now, "203.0.113.9", x_client_subject="CN=other"))


# ── at the door ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def guarded(wiring, settings):
    """Make the same gateway whose bank `standard` must come from `origin`, past so many proxies."""

    made = []

    def make(origin, proxies=0):
        banks = {**settings.banks, "standard": replace(settings.banks["standard"], origin=origin)}
        own = replace(settings, banks=banks, trusted_proxies=proxies)
        made.append(Wiring(own, wiring.database_url, wiring.valkey_url, pooled=1))
        return Client(create_app(made[-1]))

    yield make
    for one in made:
        one.engine.dispose()
        one.valkey.close()


def post(web, signed, remote="127.0.0.1", **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.post(
        "/webhooks/standard", data=signed.body, headers={**signed.headers, **named},
        environ_overrides={"REMOTE_ADDR": remote},
    )  # fmt: skip


def test_a_right_signature_from_elsewhere_is_refused_in_the_senders_form_and_kept(guarded, wiring, rows):
    web, signed = guarded(BANK), an_event(wiring)
    answer = post(web, signed, "198.51.100.7")
    assert (answer.status_code, answer.json["error"]) == (401, "unproven")
    assert "allow_from" not in answer.text
    assert rows("SELECT source, remote, reason FROM refusals") == [
        ("standard", "198.51.100.7", "expected an address in allow_from, got another")
    ]
    assert rows("SELECT id FROM deliveries") == []
    assert post(web, signed, "203.0.113.7").status_code == 200


def test_the_right_address_proves_nothing_by_itself(guarded, wiring, rows):
    signed = an_event(wiring)
    forged = replace(signed, body=signed.body.replace(b"transfer", b"wallet"))
    assert post(guarded(BANK), forged, "203.0.113.7").status_code == 401
    through = {"X_Forwarded_For": "203.0.113.7", "X_Client_Subject": "CN=bank"}
    assert post(guarded(MTLS, 1), forged, **through).status_code == 401
    assert rows("SELECT id FROM deliveries") == []


def test_behind_a_proxy_the_callers_own_address_counts(guarded, wiring):
    web, signed = guarded(BANK, 1), an_event(wiring)
    assert post(web, signed, X_Forwarded_For="203.0.113.7").status_code == 200
    assert post(web, signed, X_Forwarded_For="203.0.113.7, 198.51.100.7").status_code == 401, "the proxy's word is last"
    assert post(web, signed).status_code == 401


def test_a_header_is_believed_when_our_proxy_sets_it(guarded, wiring, rows):
    web, signed = guarded(MTLS, 1), an_event(wiring)
    assert post(web, signed, X_Forwarded_For="203.0.113.7", X_Client_Subject="CN=bank").status_code == 200
    assert post(web, signed, X_Client_Subject="CN=bank").status_code == 401
    assert post(web, signed, "198.51.100.7", X_Forwarded_For="a", X_Client_Subject="CN=bank").status_code == 401
    assert post(web, signed, X_Forwarded_For="203.0.113.7").status_code == 401
    reasons = rows("SELECT reason FROM refusals ORDER BY id")
    assert [reason.partition(", got ")[2] for reason in reasons] == [
        "a connection past it", "a connection past it", "none"
    ]  # fmt: skip
    assert json.dumps(reasons).count("CN=") == 0
