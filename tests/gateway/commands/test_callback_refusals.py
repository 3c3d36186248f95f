"""`doisoat callback refusals`: the newest refused calls with their reasons, and nothing of what was sent."""

from datetime import timedelta

import pytest
from click.testing import CliRunner

from banks.records import RawRequest
from gateway.commands.callback import callback
from gateway.refusals import Refusals


@pytest.fixture
def refuse(at_home, now):
    desk = Refusals(at_home.engine, at_home.sealer)

    def do(bank, minutes, reason):
        at = now + timedelta(minutes=minutes)
        call = RawRequest("POST", b"", {}, b'{"phone":"0912345678"}', at, "203.0.113.9")
        assert desk.keep(bank, call, reason, b"{}", at)

    return do


def listed(*words):
    result = CliRunner().invoke(callback, ["refusals", *words])
    assert result.exit_code == 0, result.stderr
    assert "0912345678" not in result.output
    return [line.split("\t") for line in result.stdout.splitlines()]


def test_the_newest_refusals_stand_first_with_bank_address_and_reason(refuse, now):
    assert listed() == []
    assert CliRunner().invoke(callback, ["refusals"]).stderr == "no call was refused\n"
    refuse("saomai", 0, "expected a signature in header x-signature, got none")
    refuse("vnpay", 1, "no hash")
    refuse("saomai", 2, "\x1b[2J is not the signature")
    shown = listed()
    assert [line[1:3] for line in shown] == [
        ["saomai", "203.0.113.9"],
        ["vnpay", "203.0.113.9"],
        ["saomai", "203.0.113.9"],
    ]
    local = now + timedelta(hours=7, minutes=2)
    assert shown[0][0] == f"{local:%Y-%m-%d %H:%M:%S}"
    assert [line[3] for line in shown] == [
        r"\x1b[2J is not the signature", "no hash", "expected a signature in header x-signature, got none",
    ]  # fmt: skip
    assert [line[3] for line in listed("--bank", "vnpay")] == ["no hash"]
    assert [line[3] for line in listed("--last", "1")] == [r"\x1b[2J is not the signature"]
