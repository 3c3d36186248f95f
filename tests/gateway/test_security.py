"""The headers by which a browser is told what it may load, and what it must keep to itself."""

import pytest
from flask import Flask, Response, abort

from gateway import security


@pytest.fixture
def browser():
    app = Flask(__name__, static_folder=None)
    security.install(app)
    app.add_url_rule("/page", view_func=lambda: "a page")
    app.add_url_rule("/font", view_func=lambda: Response("x", headers={"Cache-Control": "max-age=60"}), endpoint="font")
    app.add_url_rule("/gone", view_func=lambda: abort(410), endpoint="gone")
    return app.test_client()


@pytest.mark.parametrize("path", ["/page", "/gone", "/nowhere"])
def test_every_answer_carries_them_errors_too(browser, path):
    headers = browser.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Cross-Origin-Opener-Policy"] == headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]


def test_nothing_inline_nothing_from_elsewhere_and_no_frame(browser):
    policy = dict(part.split(" ", 1) for part in browser.get("/page").headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"
    assert "unsafe" not in str(policy)
    assert "http" not in str(policy)


def test_a_view_keeps_what_it_says_itself(browser):
    answer = browser.get("/font")
    assert answer.headers["Cache-Control"] == "max-age=60"
    assert "Content-Security-Policy" in answer.headers


def test_only_over_https_is_a_browser_told_to_stay_there(browser):
    assert "Strict-Transport-Security" not in browser.get("/page").headers
    secure = browser.get("/page", base_url="https://doisoat.example").headers["Strict-Transport-Security"]
    assert int(secure.partition("max-age=")[2].partition(";")[0]) >= 31_536_000
