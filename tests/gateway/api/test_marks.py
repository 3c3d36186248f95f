"""/api/v1/marks: fetched as the file has them, acknowledged by number, by nobody without the token."""

import csv
import io

import pytest

TOKEN = {"Authorization": "Bearer sandbox-api-token-for-tests"}


@pytest.fixture
def fetch(web):
    return lambda since="": web.get(f"/api/v1/marks{since}", headers=TOKEN)


@pytest.fixture
def acknowledge(web):
    return lambda number: web.post("/api/v1/marks/acknowledged", json={"number": number}, headers=TOKEN)


def test_what_waits_is_fetched_acknowledged_and_fetched_again_on_demand(fetch, acknowledge, paid):
    paid(1, 2)
    first = fetch()
    read = list(csv.DictReader(io.StringIO(first.data.decode())))
    assert [(row["record"], row["number"], row["action"], row["paid"], row["state"]) for row in read] == [
        ("item", "1", "mark", "100000", "paid"),
        ("item", "2", "mark", "100000", "paid"),
        ("total", "2", "", "", ""),
    ]
    assert (read[2]["items"], read[2]["marked"], read[2]["unmarked"]) == ("2", "200000", "0")
    assert acknowledge(2).json == {"acknowledged": 2}
    assert acknowledge(2).json == {"acknowledged": 2}
    assert fetch().data.count(b"\r\n") == 1
    assert fetch("?since=0").data == first.data


def test_the_audit_names_whose_token_acknowledged(fetch, acknowledge, paid, rows):
    paid(1)
    fetch()
    assert acknowledge(1).status_code == 200
    assert rows("SELECT actor, facts FROM audit WHERE action = 'marks_acknowledged'") == [
        ("api:api_token", {"number": 1, "batches": 1})
    ]
    assert rows("SELECT by FROM transitions WHERE kind = 'mark_batch'") == ["api:api_token"]
    assert acknowledge(5).status_code == 422
    assert rows("SELECT count(*) FROM audit WHERE action = 'marks_acknowledged'") == [1]


@pytest.mark.parametrize(("number", "status"), [(1, 422), (-1, 422), ("1", 400), (True, 400), (None, 400)])
def test_what_was_never_sent_is_not_acknowledged(acknowledge, number, status):
    answer = acknowledge(number)
    assert (answer.status_code, answer.content_type) == (status, "application/problem+json")


def test_since_is_a_number(fetch):
    assert fetch("?since=now").status_code == 400


def test_nobody_reads_or_acknowledges_without_the_token(web, paid, one):
    paid(1)
    assert web.get("/api/v1/marks").status_code == 401
    assert web.post("/api/v1/marks/acknowledged", json={"number": 1}).status_code == 401
    assert one("SELECT count(*) FROM marks") == 0
