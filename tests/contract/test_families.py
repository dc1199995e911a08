"""A family is its own file and a row in the table: nothing else in the server knows its name."""

from pathlib import Path

import pytest

from savor.flavor import families

ROOT = Path(__file__).parents[2]
MODULES = sorted(file.stem for file in Path(next(iter(families.__path__))).glob("[a-z]*.py"))
# Rows for people: the command line's table, and what MLflow calls a chat.
TABLES = {"flavor/table.py", "server/cli/families.py"}


@pytest.mark.parametrize("name", MODULES)
def test_only_the_table_imports_a_family(name: str) -> None:
    sources = [file for room in ("flavor", "accel", "server") for file in (ROOT / room).rglob("*.py")]
    importing = {
        str(file.relative_to(ROOT))
        for file in sources
        if any(f"families.{name}" in line or line.strip() == f"{name}," for line in file.read_text().splitlines())
    }
    assert "flavor/table.py" in importing
    assert importing <= TABLES
