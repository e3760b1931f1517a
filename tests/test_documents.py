"""What the pages on security and reliability state is held by tests that are there."""

import re

import pytest

from mipro_studio import ROOT
from mipro_studio.benchmarks import faults

NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
PAGES = ("docs/security.md", "docs/reliability.md")


def rows(page: str) -> list[str]:
    """Lines of tables, their heads apart."""
    lines = (ROOT / page).read_text().splitlines()
    heads = {n - 1 for n, line in enumerate(lines) if line.startswith("|---")}
    return [line for n, line in enumerate(lines) if line.startswith("|") and n not in heads and "|---" not in line]


@pytest.mark.parametrize("page", PAGES)
def test_every_test_that_a_page_names_is_there(page: str) -> None:
    named = NAMED.findall((ROOT / page).read_text())
    assert len(named) > 10
    for file, name in named:
        assert (ROOT / file).is_file(), file
        assert not name or re.search(rf"^\s*(async )?def {name}\(", (ROOT / file).read_text(), re.M), (
            f"{file}::{name}"
        )


def test_every_statement_on_security_names_its_test() -> None:
    statements = rows("docs/security.md")
    assert len(statements) >= 20
    assert [line for line in statements if not NAMED.search(line)] == []


def test_every_fault_that_was_found_names_the_tests_that_would_have_found_it() -> None:
    found = [line for line in rows("docs/reliability.md") if re.match(r"\| F\d+ \|", line)]
    assert [line.split()[1] for line in found] == [f"F{number}" for number in range(1, 20)]
    assert [line for line in found if not any(name for _, name in NAMED.findall(line))] == []


def test_the_fault_table_has_the_rows_of_the_command() -> None:
    page = (ROOT / "docs/reliability.md").read_text()
    assert [row.name for row in faults.ROWS if f"| {row.name} |" not in page] == []


def test_the_command_prints_its_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert faults.main(["--quick", "--only", "store bits"]) == 0
    said = capsys.readouterr().out
    assert "| store bits |" in said and "60 fault points, 0 not as promised." in said
