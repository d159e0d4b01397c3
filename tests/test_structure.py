"""The shape of the source: no circles, no crowded folders, no name for two things, no promise that nobody uses."""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path

import pytest

import trimtab

SOURCE = Path(trimtab.__file__).parent
TESTS = Path(__file__).parent
MAX_MODULES = 15
ROLES = {
    # What a module is in its package; the package says of what.
    "__init__", "base", "registry", "settings", "options", "context", "run", "engine", "worker", "measure",
    # Measures: one name in `evaluation`, `analysis`, `study/measures`, `report/measures` and the charts.
    "answers", "dose", "doses", "projection", "side_effects", "robustness", "methods", "heuristics",
    "random_directions",
    # Verbs of the command line have the name of what they call.
    "monitor", "pairs", "vectors",
}  # fmt: skip
"""Names that may repeat in the tree."""
FROM = re.compile(r"^ *from (trimtab[\w.]*) import (\([^)]*\)|[^(\n]+)", re.MULTILINE)
MAX_LINES = 330


def module_name(file: Path) -> str:
    parts = ["trimtab", *file.relative_to(SOURCE).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(file): file for file in sorted(SOURCE.rglob("*.py"))}


@cache
def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def _imports_of(node: ast.AST) -> set[str]:
    """Modules that are imported when a module is: not in functions, not for type checkers."""
    found: set[str] = set()
    for child in ast.iter_child_nodes(node):
        if _is_type_checking(child) or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.Import):
            found |= {alias.name for alias in child.names}
        elif isinstance(child, ast.ImportFrom) and child.module:
            for alias in child.names:
                whole = f"{child.module}.{alias.name}"
                found.add(whole if whole in FILES else child.module)
        else:
            found |= _imports_of(child)
    return found


def graph() -> dict[str, set[str]]:
    """The modules of trimtab that each module imports when it is imported."""
    return {
        name: {used for used in _imports_of(parsed(file)) if used in FILES} - {name} for name, file in FILES.items()
    }


def circles(edges: dict[str, set[str]]) -> list[list[str]]:
    """Groups of modules that reach one another (Tarjan's strongly connected components of two and more)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for used in sorted(edges[name]):
            if used not in index:
                visit(used)
                low[name] = min(low[name], low[used])
            elif used in stack:
                low[name] = min(low[name], index[used])
        if low[name] == index[name]:
            at = stack.index(name)
            if len(group := stack[at:]) > 1:
                found.append(sorted(group))
            del stack[at:]

    for name in sorted(edges):
        if name not in index:
            visit(name)
    return found


def test_no_modules_import_one_another_in_a_circle() -> None:
    assert not circles(graph())


def test_circles_are_found() -> None:
    edges = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a", "e"}, "e": {"d"}, "f": {"a"}}
    assert circles(edges) == [["a", "b", "c"], ["d", "e"]]


def test_no_folder_has_more_modules_than_can_be_taken_in_at_a_glance() -> None:
    counts = Counter(file.parent for file in FILES.values() if file.stem != "__init__")
    crowded = {str(folder.relative_to(SOURCE)): count for folder, count in counts.items() if count > MAX_MODULES}
    assert not crowded


def _places_of_stems() -> dict[str, list[str]]:
    """Where modules of one name are; a leading underscore makes no other name."""
    places = defaultdict(list)
    for name, file in FILES.items():
        stem = file.stem if file.stem.startswith("__") else file.stem.lstrip("_")
        places[stem].append(name)
    return places


def test_no_two_modules_have_the_same_name_except_for_roles_and_measures() -> None:
    assert not {stem: where for stem, where in _places_of_stems().items() if len(where) > 1 and stem not in ROLES}


def test_names_that_may_repeat_do() -> None:
    assert not {role for role in ROLES if len(_places_of_stems()[role]) < 2}


def test_no_module_is_longer_than_can_be_read_in_one_go() -> None:
    lengths = {name: len(file.read_text(encoding="utf-8").splitlines()) for name, file in FILES.items()}
    assert not {name: lines for name, lines in lengths.items() if lines > MAX_LINES}


def _named_modules(file: Path) -> set[str]:
    """Modules of trimtab that a file imports anywhere, or names in a string such as `"trimtab.module:attribute"`."""
    found: set[str] = set()
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value.partition(":")[0])
    return found & set(FILES)


@cache
def users() -> dict[str, set[str]]:
    """Of every module, those that name it, and the pages of the docs that import it."""
    found: dict[str, set[str]] = {name: set() for name in FILES}
    for name, file in FILES.items():
        for used in _named_modules(file) - {name}:
            found[used].add(name)
    for page in (TESTS.parent / "docs").glob("*.md"):
        for module, _ in _taken_from_packages(page):
            found[module].add(page.name)
    return found


def _folder(name: str) -> str:
    return name.rpartition(".")[0]


def _is_within(user: str, folder: str) -> bool:
    return f"{user}.".startswith(f"{folder}.")


def _may_lack_the_underscore(name: str) -> bool:
    """Whether a module's folder says what it is: packages, roles, verbs, entries of registries."""
    if FILES[name].stem == "__init__" or name.count(".") == 1 or FILES[name].stem in ROLES:
        return True
    return _is_within(name, "trimtab.cli") or _folder(name) in REGISTRY_FOLDERS or name in REGISTERED


REGISTRY_FOLDERS = {"trimtab.vectors.aggregations", "trimtab.steering.scales"}
"""Folders of which every file is an entry of the registry in their `__init__`."""
REGISTERED = {
    node.value.partition(":")[0]
    for file in FILES.values()
    for node in ast.walk(parsed(file))
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"trimtab[\w.]*:\w+", node.value)
}
"""Modules that a registry imports by name."""


def test_modules_that_only_their_folder_uses_begin_with_an_underscore() -> None:
    assert not {
        name: sorted(by)
        for name, by in users().items()
        if by and not FILES[name].stem.startswith("_") and not _may_lack_the_underscore(name)
        and all(_is_within(user, _folder(name)) and user != _folder(name) for user in by)
    }  # fmt: skip


def test_modules_with_an_underscore_are_used_in_their_folder_only() -> None:
    private = [name for name, file in FILES.items() if file.stem.startswith("_") and not file.stem.startswith("__")]
    outside = {name: {user for user in users()[name] if not _is_within(user, _folder(name))} for name in private}
    assert not {name: sorted(by) for name, by in outside.items() if by}


def test_every_module_that_mypy_is_told_to_ignore_is_there() -> None:
    tomllib = pytest.importorskip("tomllib")
    settings = tomllib.loads((TESTS.parent / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mypy"]
    (ignored,) = (entry["module"] for entry in settings["overrides"] if entry.get("ignore_errors"))
    roots = [TESTS.parent / root for root in settings["mypy_path"]]
    files = {name: f"{name.replace('.', '/')}.py" for name in ignored}
    assert not [name for name, file in files.items() if not any((root / file).is_file() for root in roots)]


def _promised(package: str) -> list[str] | None:
    """`__all__` of a package, without importing it; None if it has none."""
    for node in parsed(FILES[package]).body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            return list(ast.literal_eval(node.value))
    return None


def top_packages() -> list[str]:
    return sorted(name for name, file in FILES.items() if file.stem == "__init__" and name.count(".") == 1)


def with_names() -> list[str]:
    """Packages whose `__init__` brings names together."""
    return [name for name in top_packages() if any(map(_gathers, parsed(FILES[name]).body))]


def _gathers(node: ast.stmt) -> bool:
    return isinstance(node, ast.Import | ast.ImportFrom) and getattr(node, "module", "") != "__future__"


@pytest.mark.parametrize("package", with_names())
def test_packages_that_gather_names_list_them(package: str) -> None:
    assert _promised(package)


@cache
def _taken_from_packages(file: Path) -> tuple[tuple[str, str], ...]:
    """(module, name) of every `from trimtab… import …` in a file, read as text: quicker than parsing all tests."""
    found = []
    for module, listed in FROM.findall(file.read_text(encoding="utf-8")):
        names = re.sub(r"#.*", "", listed.strip("()")).replace("\n", " ").split(",")
        found += [(module, name.split(" as ")[0].strip()) for name in names]
    return tuple(found)


@cache
def _words_of_the_docs() -> frozenset[str]:
    pages = [TESTS.parent / "README.md", *(TESTS.parent / "docs").rglob("*.md")]
    return frozenset(re.findall(r"\w+", " ".join(page.read_text(encoding="utf-8") for page in pages)))


def _named_elsewhere(package: str) -> set[str]:
    """Names that other packages, tests, docs and examples take from a package."""
    files = [file for name, file in FILES.items() if not f"{name}.".startswith(f"{package}.")]
    files += [file for folder in ("tests", "bench", "examples") for file in (TESTS.parent / folder).rglob("*.py")]
    taken = {name for file in files for module, name in _taken_from_packages(file) if module == package}
    return taken | _words_of_the_docs() | set(trimtab.__all__)


def _named_in_signatures(package: str) -> set[str]:
    """Names in annotations of a package's functions and fields: who calls those may want to name their types."""
    found: set[str] = set()
    gathered = _named_modules(FILES[package])
    for name, file in FILES.items():
        if _is_within(name, package) or name in gathered:
            for node in ast.walk(parsed(file)):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
                    arguments = [*node.args.args, *node.args.kwonlyargs, *node.args.posonlyargs]
                    notes = [node.returns, *(argument.annotation for argument in arguments)]
                elif isinstance(node, ast.AnnAssign):
                    notes = [node.annotation]
                else:
                    continue
                found |= {part.id for note in notes if note for part in ast.walk(note) if isinstance(part, ast.Name)}
    return found


@pytest.mark.parametrize("package", with_names())
def test_what_a_package_offers_is_used_outside_of_it_or_a_type_of_what_is(package: str) -> None:
    assert not set(_promised(package) or ()) - _named_elsewhere(package) - _named_in_signatures(package)
