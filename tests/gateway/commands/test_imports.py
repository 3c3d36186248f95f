"""`doisoat statement list | progress | undo | reread`: what is told, what the audit trail keeps, who is refused."""

import pytest
from click.testing import CliRunner

from gateway import jobs, staff_desk
from gateway.commands.statement import statement
from gateway.database import transaction
from reconciliation import inbox, large_statements
from tests.gateway.samples import a_bill, a_statement


@pytest.fixture
def run(at_home, now):
    with transaction(at_home.engine) as session:
        staff_desk.create_person(
            session, username="ketoan", name="Lan", role="accountant", password="mat khau cua toi", by="test", now=now
        )

    def do(*words):
        result = CliRunner().invoke(statement, words)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return do


@pytest.fixture
def read(at_home, monkeypatch, issue):
    """Issue a bill, keep a statement that pays it, and read it."""
    monkeypatch.setattr(jobs, "wiring", lambda: at_home)
    issue(a_bill(1))
    path = at_home.settings.home / "day.xml"
    path.write_bytes(a_statement((1, 100_000)))
    with transaction(at_home.engine) as session:
        kept = inbox.keep_file(
            session, source="standard", name="day.xml", path=path, sealer=at_home.sealer, now=at_home.clock()
        )
    assert jobs.read_statements() == 1
    return kept


def test_how_far_a_large_file_has_come_is_told(run, at_home, issue, monkeypatch):
    monkeypatch.setattr(large_statements, "LARGE", 2)
    monkeypatch.setattr(large_statements, "PIECE", 2)
    monkeypatch.setattr(jobs, "wiring", lambda: at_home)
    whole, told = large_statements.book_piece, []

    def looking(*given, **named):
        told.append(run("progress").stdout)
        return whole(*given, **named)

    monkeypatch.setattr(large_statements, "book_piece", looking)
    issue(a_bill(1))
    path = at_home.settings.home / "day.xml"
    path.write_bytes(a_statement(*[(1, 100_000)] * 3))
    with transaction(at_home.engine) as session:
        inbox.keep_file(
            session, source="standard", name="day.xml", path=path, sealer=at_home.sealer, now=at_home.clock()
        )
    assert jobs.read_statements() == 1
    assert [line.split("\t")[4] for line in told] == ["0 of 3 lines booked", "2 of 3 lines booked"]
    assert run("progress").stdout == ""


def test_an_import_is_listed_undone_and_read_anew(run, read, rows, at_home):
    (line,) = run("list", "--bank", "standard").stdout.splitlines()
    number, delivery, bank, account, *_, lines, state = line.split("\t")
    assert (delivery, bank, lines, state) == (f"delivery:{read}", "standard", "1 lines", "accepted")
    assert account.startswith("···")
    assert run("list", "--bank", "nobody").stdout == ""

    undone = run("undo", delivery, "--by", "ketoan", "--why", "the wrong day")
    assert undone.exit_code == 0, undone.stderr
    assert undone.stdout.splitlines() == [
        f"undone: statements {number}; lines 1, payments that stood on them alone 1, payments reported again 0,"
        " matches 1, messages that had left 0",
        f"to read its file anew: doisoat statement reread {read} --by USER --why TEXT",
    ]
    assert rows("SELECT state FROM bills") == ["open"]
    assert run("undo", number, "--by", "ketoan", "--why", "again").stdout == ("nothing to undo: it was undone before\n")
    assert run("list").stdout.rstrip().endswith("withdrawn\tthe import was undone: the wrong day")

    assert run("reread", str(read), "--by", "ketoan", "--why", "right after all").stdout == (
        f"delivery {read} waits to be read\n"
    )
    assert jobs.read_statements() == 1
    assert rows("SELECT state FROM bills") == ["paid"]
    said = "SELECT concat_ws(' ', actor, action, facts->>'why') FROM audit"
    acts = rows(f"{said} WHERE action <> 'staff_created' ORDER BY id")
    assert acts == ["ketoan import_undone the wrong day", "ketoan file_read_anew right after all"]
    again = run("reread", str(read), "--by", "ketoan", "--why", "once more")
    assert again.exit_code == 1
    assert "expected the file's imports to be undone first, got accepted statements:" in again.stderr


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (
            ("undo", "1", "--by", "nobody", "--why", "x"),
            1,
            "who may say which statements count (accountant or chief_accountant), got 'nobody'",
        ),
        (
            ("reread", "1", "--by", "nobody", "--why", "x"),
            1,
            "expected the name of a person who may say which statements count",
        ),
        (("undo", "999", "--by", "ketoan", "--why", "x"), 1, "expected a statement that was read, got '999'"),
        (("reread", "999", "--by", "ketoan", "--why", "x"), 1, "expected the number of a file's delivery, got 999"),
        (
            ("accept", "999", "--by", "ketoan", "--why", "x"),
            1,
            "expected the number of a statement that was read, got 999",
        ),
        (
            ("accept", "1", "--by", "nobody", "--why", "x"),
            1,
            "expected the name of a person who may say which statements count",
        ),
        (("undo", "1", "--by", "ketoan"), 2, "Missing option '--why'"),
        (("undo", "1", "--why", "x"), 2, "Missing option '--by'"),
    ],
)
def test_what_can_not_be_done_is_refused_in_one_line(run, rows, words, status, said):
    result = run(*words)
    assert result.exit_code == status
    assert said in result.stderr
    assert rows("SELECT action FROM audit WHERE action <> 'staff_created'") == []


@pytest.fixture
def bring(run, at_home, monkeypatch):
    """Take a file of the bank `standard` in by hand."""
    config, path = at_home.settings.home / "banks.toml", at_home.settings.home / "brought.xml"
    config.write_text("[banks.standard]\n")
    monkeypatch.setenv("DOISOAT_CONFIG", str(config))
    monkeypatch.setattr(jobs, "wiring", lambda: at_home)

    def do(body, *, bank="standard", by="ketoan"):
        path.write_bytes(body)
        return run("import", str(path), "--bank", bank, "--by", by)

    return do


def test_a_statement_brought_by_hand_is_read_like_any_other_and_once(bring, issue, rows, one):
    issue(a_bill(1))
    body = a_statement((1, 100_000))
    brought = bring(body)
    assert (brought.exit_code, brought.stderr) == (0, "")
    assert jobs.read_statements() == 1
    assert rows("SELECT state FROM bills") == ["paid"]
    acts = one("SELECT actor || ' ' || action || ' ' || (facts->>'file') FROM audit WHERE action <> 'staff_created'")
    assert acts == "ketoan file_taken_in brought.xml"
    again = bring(body)
    assert (again.exit_code, "got the bytes of one that is kept" in again.stderr) == (1, True)
    assert one("SELECT count(*) FROM deliveries") == 1


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [
        ({"bank": "nobank"}, 1, "in the books (standard), got 'nobank'"),
        (
            {"by": "nobody"},
            1,
            "who may say which statements count (accountant or chief_accountant), got 'nobody'",
        ),
        ({"cut": 300}, 65, "brought.xml: "),
    ],
)
def test_a_file_that_can_not_be_taken_in_is_not_kept(bring, one, changes, status, said):
    result = bring(a_statement((1, 100_000))[: changes.pop("cut", None)], **changes)
    assert (result.exit_code, said in result.stderr) == (status, True)
    assert one("SELECT count(*) FROM deliveries") == 0


def test_who_only_looks_brings_no_statement(bring, at_home, now, one):
    with transaction(at_home.engine) as session:
        staff_desk.create_person(
            session, username="kiemtoan", name="Hoa", role="auditor", password="mat khau cua toi", by="test", now=now
        )
    result = bring(a_statement((1, 100_000)), by="kiemtoan")
    assert (result.exit_code, "got 'kiemtoan'" in result.stderr) == (1, True)
    assert one("SELECT count(*) FROM deliveries") == 0
