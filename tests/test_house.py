"""The rules of the house: which way imports go, and what is public."""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import fakescale
from tests.test_readme import README, ROOT

PACKAGE = ROOT / "fakescale"
TABLE = README.split("| layer | files |\n|---|---|\n")[1].split("\n\n")[0]
# Modules in the order of README's layers, each layer a list.
LAYERS = [re.findall(r"`([\w/]+)`", line.split("|")[2]) for line in TABLE.splitlines()]

# What modules import of the extras, where it is used.
EXTRAS = {"backoff": ["urllib3"], "certificates": ["trustme"]}


def imports(path: Path) -> set[str]:
    """Return the modules of the package that a file imports, and the top names of others."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "fakescale":
            found |= {f"fakescale.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None
            found.add(node.module)
    return found


def test_imports_go_up_the_table_only() -> None:
    assert [len(layer) > 2 for layer in LAYERS] == [True] * 5
    allowed: set[str] = set()
    for layer in LAYERS:
        allowed |= {f"fakescale.{name.replace('/', '.')}" for name in layer}
        for name in layer:
            ours = {it for it in imports(PACKAGE / f"{name}.py") if it.startswith("fakescale")}
            assert ours <= allowed, name


def test_werkzeug_lives_in_its_layers_and_the_heavy_rest_nowhere() -> None:
    for layer, modules in enumerate(LAYERS):
        for name in modules:
            tops = {it.split(".")[0] for it in imports(PACKAGE / f"{name}.py")}
            assert layer >= 2 or "werkzeug" not in tops, name
            third = tops - set(sys.stdlib_module_names) - {"fakescale", "_typeshed"}
            of_tests = {"hypothesis"} if layer == 4 or name == "strategies" else set()
            extra = of_tests.union(EXTRAS.get(name, ()))
            assert third <= {"werkzeug", "jsonschema_rs", "pytest"} | extra, name


def test_public_names_are_what_they_say() -> None:
    for name in fakescale.__all__:
        assert getattr(fakescale, name).__name__ == name
        assert getattr(fakescale, name).__doc__
    assert fakescale.__all__ == sorted(fakescale.__all__)


def test_a_start_does_not_wait_for_what_only_judges_bodies() -> None:
    code = "import sys, fakescale; fakescale.FakeScale(); print('jsonschema_rs' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"


def test_importing_the_package_imports_nothing_of_it() -> None:
    code = "import sys, fakescale; print([n for n in sys.modules if n.startswith('fakescale.')])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


def test_every_public_name_has_a_docstring() -> None:
    for path in PACKAGE.rglob("*.py"):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        module = importlib.import_module(name)
        assert module.__doc__, path


def test_no_test_sleeps() -> None:
    for path in [*(ROOT / "tests").rglob("*.py"), *(PACKAGE / "contract").glob("*.py")]:
        assert "sleep" + "(" not in path.read_text("utf-8"), path
