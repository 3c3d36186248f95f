"""The sample proxies take from a caller the headers that we believe of a proxy."""

import re
from pathlib import Path

import pytest

from gateway import processes
from gateway.settings import Settings

ROOT = Path(__file__).parents[2]
BELIEVED = ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Client-Cert-Subject")
DROPS = {
    "nginx.conf": ("ignore_invalid_headers on;", "underscores_in_headers off;"),
    "haproxy.cfg": ("http-request del-header _ -m reg", "http-request del-header X-Client-Cert-Subject"),
}
SETS = {"nginx.conf": "proxy_set_header {} ", "haproxy.cfg": "http-request set-header {} "}

LOGS = {
    "nginx.conf": ("log_format doisoat ", "$uri", ("$request ", '$request"', "$request_uri", "$args", "$query_string",
                                                   "$arg_", "$http_referer", "$is_args")),
    "haproxy.cfg": ("log-format ", "%HPO", ("%r", "%HU", "%HQ", "%HP ", "%{+Q}r", "httplog", "capture", "query")),
}  # fmt: skip
"""How the form of a log's line begins, what tells the path, and what would tell more of an address than that."""


def lines_of(name: str) -> list[str]:
    """Return the lines of a sample without comments, with one space between words."""
    text = (ROOT / "deploy" / "proxies" / name).read_text("utf-8")
    return [" ".join(line.split()) for line in text.splitlines() if not re.match(r"\s*(#|$)", line)]


@pytest.mark.parametrize("name", DROPS)
def test_a_sample_proxy_drops_what_a_caller_could_say_in_its_place(name: str) -> None:
    lines = lines_of(name)
    sets = [line for line in lines if line.startswith(SETS[name].format("X-")[:-1])]
    for header in BELIEVED:
        assert len([line for line in sets if line.startswith(SETS[name].format(header))]) == 1, header
    for drop in DROPS[name]:
        assert drop in lines
        assert lines.index(drop) < lines.index(sets[0]) or "Subject" in drop, "dropped before ours is set"


@pytest.mark.parametrize("name", LOGS)
def test_a_sample_proxy_writes_down_no_search(name: str) -> None:
    lines, (form, path, more) = lines_of(name), LOGS[name]
    [beginning] = [number for number, line in enumerate(lines) if line.startswith(form)]
    assert path in " ".join(lines[beginning : beginning + 2])
    assert [word for word in more if any(word in line for line in lines)] == []


def test_nginx_logs_by_that_form_alone_and_keeps_errors_that_hold_an_address_out() -> None:
    lines = lines_of("nginx.conf")
    logs = [line for line in lines if line.startswith(("access_log ", "error_log "))]
    assert [line.rsplit(" ", 1)[1] for line in logs] == ["doisoat;", "crit;"]
    assert lines.index(logs[0]) > lines.index("server {"), "what stands outside says nothing of this server"


def test_our_own_server_keeps_no_log_of_addresses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told: dict[str, object] = {}

    class Serving:
        def __init__(self, _target: str, **options: object) -> None:
            told.update(options)

        def serve(self) -> None:
            told["served"] = True

    monkeypatch.setattr("granian.Granian", Serving)
    monkeypatch.setattr(processes, "check_port", lambda _host, _port: None)
    monkeypatch.setattr(processes, "_count_together", lambda _home: None)
    processes.serve_web(Settings(home=tmp_path))
    assert (told["log_access"], told["served"]) == (False, True)


def test_both_pages_say_what_a_proxy_must_do() -> None:
    for page in ("runbook.md", "banks/declaring.md"):
        text = (ROOT / "docs" / page).read_text("utf-8")
        for word in ("trusted_proxies", "allow_from", "X_Forwarded_For", "nginx.conf", "haproxy.cfg"):
            assert word in text, (page, word)
