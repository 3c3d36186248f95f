"""Forms larger than they may be: each page says how large one may be, and leads back."""

import pytest

MORE = "x" * (6 << 20)


@pytest.fixture(autouse=True)
def _as_in_the_house(app):
    app.config["MAX_CONTENT_LENGTH"] = 1 << 20


@pytest.mark.parametrize(("act", "told"), [("callback", "try-title"), ("statement", "try-title")])
def test_a_sample_that_is_too_large_brings_the_banks_page_back(as_role, act, told):
    person = as_role("liaison")
    answer = person.client.post(f"/admin/banks/saomai/try-{act}", data={"body": MORE})
    assert answer.status_code == 413
    assert "Mẫu chỉ được tối đa 5 MB." in answer.text
    assert told in answer.text
    assert person.client.post(f"/admin/banks/nobody/try-{act}", data={"body": MORE}).status_code == 404


def test_who_may_try_no_sample_is_not_shown_the_page(as_role):
    answer = as_role("care").client.post("/admin/banks/saomai/try-callback", data={"body": MORE})
    assert answer.status_code == 403
    assert "5 MB" not in answer.text


def test_any_other_form_is_told_its_limit_and_the_way_back(accountant):
    path, home = "/admin/mismatches/together/rest", "http://localhost/admin/mismatches/?state=open"
    answer = accountant.client.post(path, data={"why": MORE}, headers={"Referer": home})
    assert answer.status_code == 413
    assert "tối đa 1 MiB" in answer.text
    assert 'href="/admin/mismatches/?state=open"' in answer.text
    strange = accountant.client.post(path, data={"why": MORE}, headers={"Referer": "https://example.com/admin/"})
    assert "example.com" not in strange.text


def test_a_visitor_is_sent_to_sign_in(app):
    answer = app.test_client().post("/admin/banks/saomai/try-callback", data={"body": MORE})
    assert (answer.status_code, answer.location.partition("?")[0]) == (303, "/admin/sign-in")
