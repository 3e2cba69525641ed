"""The shape of the package: rooms import strictly downwards, no circles, light rooms stay light."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import saesteer

PACKAGE = Path(saesteer.__file__).parent
DESIGN = Path(__file__).parents[1] / "docs" / "design.md"

RANKS = {
    "errors": 0, "names": 0, "parsing": 0, "settings": 0,
    "runs": 1, "text": 1, "statistics": 1,
    "model": 2, "saes": 2, "embeddings": 2,
    "latents": 3, "steering": 3, "llms": 3,
    "training": 4, "concepts": 4, "judges": 4, "effects": 4, "cache": 4,
    "methods": 5, "examples": 5,
    "evaluation": 6, "explainers": 6, "scorers": 6,
    "calibration": 7, "world": 7, "harness": 7,
    "report": 8,
    "pipeline": 9,
    "cli": 12,
}  # fmt: skip
FORBIDDEN_NAMES = {"utils.py", "helpers.py", "common.py", "misc.py"}
WITHOUT_TORCH = sorted(room for room, rank in RANKS.items() if rank <= 1)


def module_name(path: Path) -> str:
    """saesteer.model.hooks for model/hooks.py, saesteer.model for model/__init__.py."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imports(source: str, module: str, is_package: bool, known: set[str]) -> Iterator[str]:
    """The modules of saesteer that a file imports, wherever in the file and under whatever condition."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] == "saesteer")
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = module.split(".") if is_package else module.split(".")[:-1]
                base = ".".join(package[: len(package) - node.level + 1] + ([base] if base else []))
            if base.partition(".")[0] == "saesteer":
                for alias in node.names:
                    inner = f"{base}.{alias.name}"
                    yield inner if inner in known else base


def imports_of(module: str) -> set[str]:
    path = SOURCES[module]
    found = set(imports(path.read_text(encoding="utf-8"), module, path.name == "__init__.py", set(SOURCES)))
    return found - {module}


def room(module: str) -> str | None:
    """The room of a module; None for the package itself."""
    return module.split(".")[1] if "." in module else None


def breach(importer: str, imported: str) -> str | None:
    """Why this import points the wrong way, or None."""
    above, below = room(importer), room(imported)
    if above is None or below is None or above == below or below == "errors":
        return None
    if below not in RANKS:
        return f"{importer} imports {imported}, which is no room"
    if RANKS[above] > RANKS[below]:
        return None
    return f"{importer} (rank {RANKS[above]}) imports {imported} (rank {RANKS[below]})"


def circle(graph: dict[str, set[str]]) -> list[str]:
    """One circle of the graph, or nothing."""
    done: set[str] = set()

    def visit(node: str, path: list[str]) -> list[str]:
        if node in path:
            return [*path[path.index(node) :], node]
        if node in done:
            return []
        for following in sorted(graph.get(node, ())):
            if found := visit(following, [*path, node]):
                return found
        done.add(node)
        return []

    return next((found for node in sorted(graph) if (found := visit(node, []))), [])


@pytest.mark.parametrize("module", SOURCES)
def test_imports_point_to_strictly_lower_ranks(module):
    assert not [why for imported in sorted(imports_of(module)) if (why := breach(module, imported))]


@pytest.mark.parametrize("module", [module for module in SOURCES if room(module)])
def test_rooms_take_nothing_from_the_top_but_the_version(module):
    tree = ast.parse(SOURCES[module].read_text(encoding="utf-8"))
    from_top = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "saesteer" and not node.level
        for alias in node.names
    }
    whole = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert from_top <= {"__version__", *RANKS}
    assert "saesteer" not in whole


def test_every_room_has_a_rank():
    assert {room(module) for module in SOURCES} - {None} <= set(RANKS)


def test_the_page_on_design_says_the_same_ranks():
    page = {}
    for rank, rooms in re.findall(
        r"^\| (\d+) \| ((?:`[a-z]+/?` ?)+)\|", DESIGN.read_text("utf-8"), re.MULTILINE
    ):
        page |= {name: int(rank) for name in re.findall(r"`([a-z]+)/?`", rooms)}
    assert page == RANKS


def test_no_file_imports_in_a_circle():
    assert circle({module: imports_of(module) for module in SOURCES}) == []


def test_files_are_named_by_what_they_hold():
    assert not [path for path in SOURCES.values() if path.name in FORBIDDEN_NAMES]


def test_the_light_rooms_do_not_import_torch():
    rooms = [name for name in WITHOUT_TORCH if f"saesteer.{name}" in SOURCES]
    code = (
        f"import sys, importlib; [importlib.import_module('saesteer.' + name) for name in {rooms}];"
        "print(*({'torch', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")


# The rules above are only as good as these parsers.


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import saesteer.model.hooks as h", {"saesteer.model.hooks"}),
        ("from saesteer.model import hooks, load_model", {"saesteer.model.hooks", "saesteer.model"}),
        ("from saesteer import model", {"saesteer.model"}),
        ("from . import steer", {"saesteer.steering"}),
        ("from ..model.hooks import Edit", {"saesteer.model.hooks"}),
        ("from .. import model", {"saesteer.model"}),
        ("def f():\n  from saesteer.model import load_model", {"saesteer.model"}),
        ("if TYPE_CHECKING:\n  import saesteer.model", {"saesteer.model"}),
        ("import torch\nfrom saesteerer import model\nimport os.path", set()),
        ("target = 'saesteer.model:load_model'", set()),
    ],
)
def test_imports_are_seen_wherever_they_stand(source, expected):
    known = {"saesteer.model", "saesteer.model.hooks", "saesteer.steering.apply"}
    assert set(imports(source, "saesteer.steering.apply", False, known)) == expected


def test_a_package_resolves_its_own_dots():
    found = imports("from .apply import steer", "saesteer.steering", True, {"saesteer.steering.apply"})
    assert set(found) == {"saesteer.steering.apply"}


@pytest.mark.parametrize(
    ("importer", "imported", "allowed"),
    [
        ("saesteer.steering.apply", "saesteer.model.hooks", True),
        ("saesteer.model.hooks", "saesteer.steering.spec", False),
        ("saesteer.model.hooks", "saesteer.saes", False),
        ("saesteer.model.hooks", "saesteer.model.names", True),
        ("saesteer.model.hooks", "saesteer.attic", False),
        ("saesteer.names", "saesteer.errors", True),
        ("saesteer.names", "saesteer.settings", False),
        ("saesteer", "saesteer.cli.main", True),
    ],
)
def test_ranks_are_compared_strictly(importer, imported, allowed):
    assert (breach(importer, imported) is None) is allowed


def test_circles_are_found():
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
