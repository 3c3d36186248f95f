"""The carriers that the docs declare are settings as they stand."""

import re
from pathlib import Path

import pytest

from gateway.settings import load

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```toml\n(.*?)^```", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize(("page", "names"), [("README.md", ["esms", "spare"]), ("docs/sms.md", ["vnpt"])])
def test_the_carriers_of_the_docs_are_settings(page: str, names: list[str], tmp_path: Path) -> None:
    declared = [block for block in BLOCK.findall((ROOT / page).read_text("utf-8")) if "[sms.carriers" in block]
    assert len(declared) == 1
    path = tmp_path / "doisoat.toml"
    path.write_text(declared[0])
    carriers = load({"DOISOAT_CONFIG": str(path)}).sms.carriers
    assert list(carriers) == names
    for carrier in carriers.values():
        assert carrier.reads_receipts
        assert all(f"DOISOAT_SECRET_SMS_{carrier.name}_{one}".upper() in declared[0] for one in carrier.secrets)
