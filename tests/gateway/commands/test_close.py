"""`doisoat close show | balance`: what keeps a month open is told with the day it is about."""

import json

from click.testing import CliRunner
from sqlalchemy.orm import Session

from gateway import staff_desk
from gateway.commands.close import close
from reconciliation import mismatches


def test_a_month_whose_statement_is_missing_is_refused_and_its_day_named(at_home, tmp_path, monkeypatch):
    config = tmp_path / "doisoat.toml"
    config.write_text('[banks.saomai]\ntitle = "Sao Mai"\n')
    monkeypatch.setenv("DOISOAT_CONFIG", str(config))
    with Session(at_home.engine) as session:
        staff_desk.create_person(
            session, username="ha", name="Hà", role="accountant", password="mat khau cua toi", by="test",
            now=at_home.clock(),
        )  # fmt: skip
        mismatches.ask_one(
            session, code="M13", subject="file:saomai:2024-11-15", source="saomai", facts={"day": "2024-11-15"},
            now=at_home.clock(),
        )  # fmt: skip
        session.commit()
    said = "expected the questions of 2024-11 answered that leave a day unknown, got 1 open: M13, 2024-11-15 first"
    shown = CliRunner().invoke(close, ["show", "saomai", "2024-11"])
    assert shown.exit_code == 0, shown.output
    told = json.loads(shown.stdout)
    assert (told["state"], told["obstacles"], told["figures"]["days"]) == ("open", [said], [])
    refused = CliRunner().invoke(close, ["balance", "saomai", "2024-11", "--by", "ha"])
    assert (refused.exit_code, refused.stderr) == (1, f"Error: {said}\n")
    assert CliRunner().invoke(close, ["show", "saomai", "9999-12"]).exit_code == 1
