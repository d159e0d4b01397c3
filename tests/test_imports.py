"""The direction of imports, as docs/architecture.md draws it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import trimtab

SOURCE = Path(trimtab.__file__).parent
ORDER = [
    "errors",
    "_util",
    "inputs",
    "data",
    "models",
    "vectors",
    "steering",
    "engines",
    "baking",
    "llm",
    "stats",
    "analysis",
    "judges",
    "evaluation",
    "generation",
    "monitors",
    "report",
    "store",
    "importing",
    "study",
    "sharing",
    "notebook",
    "harnesses",
    "serve",
    "cli",
]
TABLES_ONLY = {"stats", "analysis", "report"}


def imported_modules(file: Path) -> set[str]:
    """Every module that a file imports, wherever in it the import stands."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute"
            found.add(node.module or "")
            if node.module == "trimtab":
                found |= {f"trimtab.{alias.name}" for alias in node.names}
    return found


def packages() -> list[str]:
    return sorted(p.name for p in SOURCE.iterdir() if (p / "__init__.py").is_file())


def test_every_package_has_its_place_in_the_order() -> None:
    assert set(packages()) == set(ORDER) - {"errors"}


@pytest.mark.parametrize("package", packages())
def test_packages_import_only_what_comes_before_them(package: str) -> None:
    allowed = {*ORDER[: ORDER.index(package) + 1]}
    if package in TABLES_ONLY:
        allowed = {"errors", "_util", "stats", "analysis", package}
    for file in (SOURCE / package).rglob("*.py"):
        used = {m.split(".")[1] for m in imported_modules(file) if m.startswith("trimtab.")}
        assert used <= allowed, f"{file.name} imports {sorted(used - allowed)}"


@pytest.mark.parametrize("package", sorted(TABLES_ONLY))
def test_analysis_and_report_never_import_torch_or_transformers(package: str) -> None:
    code = f"import sys, trimtab.{package}; assert not {{'torch', 'transformers'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_trimtab_and_its_help_import_nothing_heavy() -> None:
    code = (
        "import sys, contextlib, io, trimtab\n"
        "from trimtab.cli.main import main\n"
        "with contextlib.redirect_stdout(io.StringIO()) as out: code = main(['--help'])\n"
        "assert code == 0 and 'study' in out.getvalue()\n"
        "assert not {'torch', 'transformers', 'pandas', 'numpy', 'altair', 'pyarrow', 'pydantic'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_all_names_of_the_public_api_resolve_and_no_others_are_promised() -> None:
    for name in trimtab.__all__:
        assert getattr(trimtab, name) is not None
    assert set(trimtab.__all__) == set(trimtab._HOMES)
    with pytest.raises(AttributeError, match="nothing_here"):
        _ = trimtab.nothing_here
