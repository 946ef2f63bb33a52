"""The rules of the package: the direction of its imports (docs/design.md), its public names."""

import ast
import functools
import graphlib
import importlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

import fakescale
from tests.test_docs import ROOT

PACKAGE = ROOT / "fakescale"
RULE = re.search(r"^    (values < .*)$", (ROOT / "docs/design.md").read_text("utf-8"), re.MULTILINE)
assert RULE is not None
# The names of the rule, from left to right. The names within one step do not import each other.
STEPS = [re.split(r",\s*", step) for step in RULE[1].split(" < ")]
# These may import all others, also within their own step.
USERS = {"contract", "cli", "pytest_plugin", "__main__"}
# The only places that may import werkzeug, or use sockets.
WERKZEUG = {"api", "receiver"}
SOCKETS = {"server", "traffic.delivery", "redirection", "contract"}

# Docstrings name their noun first.
BACKWARD = re.compile(
    r'^ *"""(Return what|Return how|Return those|What|How|Of |Where it).*', re.MULTILINE
)

# The packages that these modules may import, as they are imported only when they are used.
EXTRAS = {
    "redirection.backoff": ["urllib3"],
    "server.adapter": ["requests", "urllib3"],
    "recordings.yaml_items": ["yaml"],
    "server.certificates": ["trustme"],
}


def modules() -> dict[str, Path]:
    """Return the file of each module, by the module's name within the package."""
    files = {path.relative_to(PACKAGE).with_suffix(""): path for path in PACKAGE.rglob("*.py")}
    return {".".join(it.parts).removesuffix(".__init__"): path for it, path in files.items()}


MODULES = modules()


@functools.cache
def imports(name: str) -> set[str]:
    """Return all imports of a module, anywhere in it; those of the package as module names."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[name].read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None
            assert node.level == 0
            base = node.module.removeprefix("fakescale").removeprefix(".")
            for alias in node.names:
                inner = f"{base}.{alias.name}".removeprefix(".")
                ours = inner if inner in MODULES else base
                found.add(f"fakescale.{ours}" if node.module.startswith("fakescale") else base)
    return found


def ours(name: str) -> set[str]:
    """Return the modules of the package that a module imports, without the package itself."""
    names = {it.partition(".")[2] for it in imports(name) if it.split(".")[0] == "fakescale"}
    return names - {"", "__init__"}


def lies_in(name: str, places: Iterable[str]) -> bool:
    """Return whether a module is one of the places, or is inside one."""
    return any(name == place or name.startswith(f"{place}.") for place in places)


def test_the_rule_names_every_module() -> None:
    named = [name for step in STEPS for name in step]
    assert set(named) == {name.partition(".")[0] for name in MODULES} - {"__init__"}
    assert len(set(named)) == len(named)


def test_imports_go_to_the_left_only() -> None:
    step_of = {name: number for number, step in enumerate(STEPS) for name in step}
    for name in MODULES.keys() - {"__init__"}:
        top = name.partition(".")[0]
        for imported in ours(name):
            other = imported.partition(".")[0]
            allowed = other == top or top in USERS or step_of[other] < step_of[top]
            assert allowed, f"{name} imports {imported}"


def test_no_imports_form_a_circle() -> None:
    # Imports inside functions, and those for types only, count too.
    static_order = graphlib.TopologicalSorter({name: ours(name) for name in MODULES}).static_order()
    assert set(static_order) == set(MODULES)


def test_third_party_packages_and_sockets_are_used_only_in_their_places() -> None:
    for name in MODULES:
        tops = {it.partition(".")[0] for it in imports(name)}
        assert "werkzeug" not in tops or lies_in(name, WERKZEUG), name
        assert "socket" not in tops or lies_in(name, SOCKETS), name
        third = tops - set(sys.stdlib_module_names) - {"fakescale", "_typeshed", "werkzeug"}
        of_tests = {"hypothesis", "pytest"} if lies_in(name, ["contract", "strategies"]) else set()
        plugin = {"pytest"} if lies_in(name, ["pytest_plugin"]) else set()
        assert third <= {"jsonschema_rs", "orjson", "qs_codec"}.union(
            of_tests, plugin, EXTRAS.get(name, ())
        ), name


def test_a_public_name_is_the_name_of_its_object() -> None:
    for name in fakescale.__all__:
        assert getattr(fakescale, name).__name__ == name
        assert getattr(fakescale, name).__doc__
    assert fakescale.__all__ == sorted(fakescale.__all__)


def test_dir_lists_the_public_names_and_the_version() -> None:
    assert {*fakescale.__all__, "__version__", "__doc__"} <= {*dir(fakescale)}
    for name in dir(fakescale):
        assert hasattr(fakescale, name)


def test_the_version_is_that_of_the_distribution() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert fakescale.__version__ == project["version"]


def test_a_start_does_not_import_the_checker_of_bodies() -> None:
    code = "import sys, fakescale; fakescale.FakeScale(); print('jsonschema_rs' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"


def test_importing_the_package_imports_nothing_of_it() -> None:
    heavy = "[n for n in sys.modules if n.startswith(('fakescale.', 'importlib.metadata'))]"
    code = f"import sys, fakescale; dir(fakescale); print({heavy})"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


def test_every_module_has_a_docstring() -> None:
    for path in PACKAGE.rglob("*.py"):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        module = importlib.import_module(name)
        assert module.__doc__, path


def test_no_test_sleeps() -> None:
    for path in [*(ROOT / "tests").rglob("*.py"), *(PACKAGE / "contract").glob("*.py")]:
        assert "sleep" + "(" not in path.read_text("utf-8"), path


def test_docstrings_begin_with_their_noun() -> None:
    """A docstring such as "Return what …" must be read twice (docs/design.md)."""
    bad = [
        f"{file.relative_to(ROOT)}: {found[0]}"
        for file in [*PACKAGE.rglob("*.py"), *(ROOT / "tests").rglob("*.py")]
        for found in BACKWARD.finditer(file.read_text("utf-8"))
    ]
    assert bad == []
