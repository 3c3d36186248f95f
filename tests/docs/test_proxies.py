"""The sample proxies take from a caller the headers that we believe of a proxy."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BELIEVED = ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Client-Cert-Subject")
DROPS = {
    "nginx.conf": ("ignore_invalid_headers on;", "underscores_in_headers off;"),
    "haproxy.cfg": ("http-request del-header _ -m reg", "http-request del-header X-Client-Cert-Subject"),
}
SETS = {"nginx.conf": "proxy_set_header {} ", "haproxy.cfg": "http-request set-header {} "}


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


def test_both_pages_say_what_a_proxy_must_do() -> None:
    for page in ("runbook.md", "banks/declaring.md"):
        text = (ROOT / "docs" / page).read_text("utf-8")
        for word in ("trusted_proxies", "allow_from", "X_Forwarded_For", "nginx.conf", "haproxy.cfg"):
            assert word in text, (page, word)
