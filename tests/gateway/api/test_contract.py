"""The contract, tried from its description alone: whatever fits it is served, whatever does not is refused as told."""

import logging
import threading
from datetime import date

import pytest
import schemathesis
from limits import RateLimitItemPerMinute
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from werkzeug.serving import make_server

from gateway.api import callers
from gateway.api.operations import OPERATIONS
from gateway.database import transaction
from gateway.web import create_app
from reconciliation import api_tokens, closes, mismatches, remarks, webhook_endpoints, webhook_events
from tests.gateway.samples import a_debit_bill

MOST_EXAMPLES = 12
CHECKS = {
    # A body may be of the described form and still say what can't be: amounts that do not add up.
    "positive_data_acceptance": {"expected-statuses": ["2xx", "404", "409", "422"]},
}


@pytest.fixture
def contract(wiring, token_of, paid, issue, monkeypatch):
    """The description as it is served over HTTP, of a gateway with something of everything in its books."""
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    monkeypatch.setattr(callers, "PACE", RateLimitItemPerMinute(1_000_000))
    with transaction(wiring.engine) as session:
        url, hears, now = "http://127.0.0.1:9/", webhook_endpoints.TYPES, wiring.clock()
        webhook_endpoints.add(session, url, hears, sealer=wiring.sealer, by="test", now=now)
    paid(1)
    issue(a_debit_bill(2))
    with transaction(wiring.engine) as session:
        webhook_events.gather(session, now=wiring.clock())
        asked = mismatches.ask_one(session, code="M13", subject="link:x", source="standard", now=wiring.clock())
        remarks.comment(session, asked, "chờ ngân hàng", by="lan", now=wiring.clock())
        wrong = remarks.comment(session, asked, "của ca khác", by="lan", now=wiring.clock())
        remarks.withdraw(session, asked, wrong.id, "nhầm", by="lan", now=wiring.clock())
        day = date(2026, 11, 17)
        session.add(closes.Close(bank="standard", period="day", day=day, version=1, created_at=wiring.clock()))
    config = SchemathesisConfig.from_dict(
        {
            "seed": 1,
            "headers": {"Authorization": f"Bearer {token_of(*api_tokens.SCOPES)}"},
            "generation": {"max-examples": MOST_EXAMPLES, "deterministic": True, "database": "none"},
            "checks": CHECKS,
        }
    )
    server = make_server("127.0.0.1", 0, create_app(wiring), threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield schemathesis.openapi.from_url(f"http://127.0.0.1:{server.port}/api/v1/openapi.json", config=config)
    server.shutdown()
    thread.join()
    server.server_close()


def test_every_answer_is_as_described(contract):
    tried, checked, wrong = set(), set(), []
    for event in from_schema(contract).execute():
        assert not isinstance(event, events.FatalError), event
        if isinstance(event, events.NonFatalError):
            wrong.append(f"{event.label}: {event.value!r}")
        if isinstance(event, events.ScenarioFinished):
            tried.add(event.recorder.label)
            for case_id, checks in event.recorder.checks.items():
                for check in checks:
                    checked.add(check.name)
                    if check.failure_info is not None:
                        case = event.recorder.cases[case_id].value
                        said = event.recorder.interactions[case_id].response
                        got = said.content[:300] if said else None
                        wrong.append(f"{case.as_curl_command()}\n{check.name}: {check.failure_info.failure}\n{got}")
    assert not wrong, "\n\n".join(wrong[:20])
    assert {f"{one.method} {one.path}" for one in OPERATIONS} <= tried
    assert {
        "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
        "positive_data_acceptance", "negative_data_rejection", "ignored_auth", "unsupported_method",
    } <= checked  # fmt: skip
