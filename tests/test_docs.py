"""README and the manual: the examples run, the links lead somewhere, and every name is there."""

import argparse
import dataclasses
import inspect
import json
import os
import pkgutil
import re
import shlex
import shutil
import subprocess
import textwrap
from pathlib import Path
from typing import Any, get_args

import pytest
import requests
from sphinx.pycode import ModuleAnalyzer

import fakescale
from fakescale import FakeScale, pytest_plugin, recordings, strategies
from fakescale.account.task_filters import FILTERS
from fakescale.api.operations import operations
from fakescale.api.routes import ROUTES
from fakescale.api.transcript import _LINES
from fakescale.cli import main, serve_parser
from fakescale.cli.commands import COMMANDS
from fakescale.cli.flags import SERVE
from fakescale.server.limits import Limits
from fakescale.traffic.events import Kind
from fakescale.traffic.fault import Terms

ROOT = Path(__file__).parent.parent
PAGES = {
    str(path.relative_to(ROOT)): path.read_text("utf-8")
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
}
ALL = "\n".join(PAGES.values())
REFERENCE = PAGES["docs/reference.md"]


def blocks(language: str, page: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


# The examples. Most of them are tests with fixtures, so pytest itself runs them, each as a file.
# Sybil would need as much code: it evaluates a block, but collects no test in it.


def test_the_examples_run(pytester: pytest.Pytester) -> None:
    examples = {
        f"test_{Path(name).stem.lower()}_{number}": example
        for name, page in PAGES.items()
        for number, example in enumerate(blocks("python", page), 1)
    }
    for name, example in examples.items():
        is_test = "def test_" in example
        body = example if is_test else f"def test_it():\n{textwrap.indent(example, '    ')}"
        pytester.makepyfile(**{name: body})
    # In this process, which has imported most of what the examples do.
    result = pytester.runpytest_inprocess("-v", "-p", "anyio", "-W", "error")
    outcomes = result.parseoutcomes()
    assert outcomes.keys() == {"passed"}
    assert {name for name in examples if f"{name}.py::" in result.stdout.str()} == examples.keys()
    assert len(examples) >= 20


def run_curl(command: str, origin: str) -> Any:
    """Do what a ``curl`` of the docs does, and return the answer."""
    _, *arguments = shlex.split(command.replace("http://127.0.0.1:8675", origin))
    parser = argparse.ArgumentParser()
    parser.add_argument("-s", action="store_true")
    parser.add_argument("-u", default=":")
    parser.add_argument("--json")
    parser.add_argument("--retry")
    parser.add_argument("--retry-connrefused", action="store_true")
    parser.add_argument("url")
    given = parser.parse_args(arguments)
    auth = tuple(given.u.split(":"))
    if given.json is None:
        reply = requests.get(given.url, auth=auth, timeout=10)
    else:  # as --json does
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        reply = requests.post(given.url, data=given.json, headers=headers, auth=auth, timeout=10)
    assert reply.status_code == 200, reply.text
    return reply.json()


SHELL = {
    name: [line for text in blocks("sh", page) for line in text.splitlines() if "curl" in line]
    for name, page in PAGES.items()
    if blocks("sh", page)
}


@pytest.mark.parametrize("name", SHELL)
def test_the_commands_for_a_shell_do_what_they_say(name: str) -> None:
    with FakeScale().serve() as fake:
        origin, before = fake.url.removesuffix("/v1"), fake.now()
        replies = [run_curl(line, origin) for line in SHELL[name]]
        [task] = fake.tasks
        assert task.unique_id == "u"
        listed = next(number for number, line in enumerate(SHELL[name]) if "tasks.list" in line)
        assert replies[listed]["result"] == [task.to_json()]
        assert (fake.now() - before).days == 1
        if shutil.which("curl"):
            line = SHELL[name][listed].replace("http://127.0.0.1:8675", origin)
            done = subprocess.run(shlex.split(line), check=True, capture_output=True)
            assert json.loads(done.stdout) == replies[listed]


def test_the_list_of_operations_is_whole() -> None:
    with FakeScale().serve() as fake:
        shown = run_curl(SHELL["docs/server.md"][-1], fake.url.removesuffix("/v1"))
        assert list(shown["operations"]) == list(operations(FakeScale))


def test_the_example_for_node_runs(tmp_path: Path) -> None:
    [example] = blocks("js", PAGES["docs/server.md"])
    script = tmp_path / "example.mjs"
    script.write_text(example, "utf-8")
    with FakeScale().serve() as fake:
        origin = fake.url.removesuffix("/v1")
        if node := shutil.which("node"):
            environment = {**os.environ, "FAKESCALE_URL": origin}
            done = subprocess.run(
                [node, script], env=environment, check=True, capture_output=True, timeout=60
            )
            assert done.stdout == b"completed 2\n"
        else:  # its calls, by hand
            task = fake.account("node").tasks.create("chat")
            given = {"account": "node", "task_id": task.id, "response": {"annotations": []}}
            for name, arguments in (("tasks.complete", given), ("reset", {"account": "node"})):
                assert f'fakescale("{name}"' in example
                command = ["curl", "--json", json.dumps(arguments), f"{origin}/_fakescale/{name}"]
                run_curl(shlex.join(command), origin)
        assert len(fake.account("node").tasks) == len(fake.requests) == 0


def command_lines() -> set[str]:
    """Return the commands ``fakescale …`` that the pages show, in blocks and in sentences."""
    in_blocks = re.findall(r"^ {4}\$ (fakescale .*)$", ALL, re.M)
    in_blocks += [line for line in "".join(blocks("sh", ALL)).splitlines() if "fakescale -" in line]
    in_sentences = re.findall(r"`(fakescale [^`…]+)`", ALL)
    return {
        re.split(r" [>&]", " ".join(line.split()))[0]
        for line in [*in_blocks, *in_sentences]
        if "COMMAND" not in line.replace("-- COMMAND", "")
    }


@pytest.mark.parametrize("line", sorted(command_lines()))
def test_the_command_takes_what_the_pages_show(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the files of the line can be written here
    monkeypatch.setattr("fakescale.cli.serve.serve", lambda options: None)
    for name, command in COMMANDS.items():
        monkeypatch.setitem(COMMANDS, name, command._replace(run=lambda *_: None))
    try:
        main(shlex.split(line)[1:])
    except SystemExit as ended:
        if ended.code:  # not after --help or --version
            raise


def test_the_calls_for_init_are_done() -> None:
    [example] = blocks("json", PAGES["docs/server.md"])
    with FakeScale().serve() as fake:
        for line in example.splitlines():
            [(name, arguments)] = json.loads(line).items()
            origin = fake.url.removesuffix("/v1")
            command = ["curl", "--json", json.dumps(arguments), f"{origin}/_fakescale/{name}"]
            run_curl(shlex.join(command), origin)
        assert len(fake.projects) == 1
        assert fake.callback_url is not None


def test_the_line_of_a_recording_is_read(tmp_path: Path) -> None:
    [example] = blocks("json", PAGES["docs/recordings.md"])
    (tmp_path / "lines.json").write_text(example, "utf-8")
    assert len([*recordings.read([tmp_path / "lines.json"])]) == len(example.splitlines())


# The pages.


def test_readme_is_short() -> None:
    assert len(PAGES["README.md"]) <= 12_000


def anchors(page: str) -> set[str]:
    """Return the anchors of a page's headings, as code hosts make them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", page, flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", PAGES)
def test_the_links_lead_to_files_and_headings(name: str) -> None:
    for link in re.findall(r"\]\((?!https?:)([^)]+)", PAGES[name]):
        file, _, anchor = link.partition("#")
        target = Path(name).parent / file if file else Path(name)
        assert (ROOT / target).is_file(), link
        assert not anchor or anchor in anchors(PAGES[str(target)]), link


def test_readme_links_to_every_page() -> None:
    pages = PAGES.keys() - {"README.md", "docs/index.md"}
    assert {page for page in pages if f"]({page})" not in PAGES["README.md"]} == set()


def test_the_worked_examples_are_lines_of_the_package() -> None:
    section = PAGES["docs/design.md"].partition("## How to add something")[2].partition("\n## ")[0]
    examples = re.findall(r"^    (.+)$", section, re.M)
    files = [*ROOT.glob("fakescale/**/*.py"), ROOT / "fakescale/account/task_types.json"]
    lines = {line.strip() for file in files for line in file.read_text("utf-8").splitlines()}
    assert len(examples) >= 15
    assert [example for example in examples if example.strip() not in lines] == []


# Every name is there.


def test_every_operation_that_is_named_exists() -> None:
    named = re.findall(r"/_fakescale/([a-z_.]+[a-z])", ALL)
    named += re.findall(r'await fakescale\("([\w.]+)"', ALL)
    assert len(set(named)) >= 8
    assert set(named) - {"health", "openapi.json"} <= set(operations(FakeScale))


def test_every_route_and_filter_is_named() -> None:
    for route in ROUTES:
        assert f"`{route.method} {route.path}`" in REFERENCE
    for name in FILTERS:
        assert f"`{name}`" in REFERENCE


def test_every_fixture_and_option_is_named() -> None:
    fixtures = [
        name
        for name, value in vars(pytest_plugin).items()
        if type(value).__name__ == "FixtureFunctionDefinition"
    ]
    assert len(fixtures) == 5
    for name in fixtures:
        assert f"| `{name}` |" in PAGES["docs/testing.md"]
    options = re.findall(r'"(--(?:fakescale|contract)-[\w-]+)"', inspect.getsource(pytest_plugin))
    told = re.findall(r"^\| `(--(?:fakescale|contract)-[\w-]+)", REFERENCE, re.M)
    assert set(told) == set(options)
    assert len(set(options)) == 9


def test_every_argument_of_faults_is_named_in_order() -> None:
    section = REFERENCE.partition("## Arguments of faults")[2].partition("```")[0]
    told = re.findall(r"`(\w+)`", "".join(re.findall(r"^- .*", section, re.M)))
    assert told == [field.name for field in dataclasses.fields(Terms)]


def test_every_setting_of_a_fake_is_named() -> None:
    table = REFERENCE.partition("## Settings of fakes")[2].partition("\n## ")[0]
    told = re.findall(r"^\| `(\w+)` \| `fakescale_\1 = ", table, re.M)
    assert set(told) == set(pytest_plugin._SETTINGS)


def test_every_kind_of_event_is_named_and_has_a_line() -> None:
    kinds = get_args(Kind)
    rows = re.findall(r"^\| (`(?:request|[a-z]+ [a-z ]+)`.*?) \|", PAGES["docs/testing.md"], re.M)
    assert re.findall(r"`(.*?)`", " ".join(rows)) == list(kinds)
    assert {kind.partition(" ")[0] for kind in kinds} == _LINES.keys()


def test_every_flag_is_named_and_no_other() -> None:
    table = REFERENCE.partition("## Flags of the command")[2].partition("\n## ")[0]
    told = re.findall(r"^\| (?:`-\w`, )?`(--[\w-]+)(?: [A-Z|a-z]+)?` \| `(\w+)` \|", table, re.M)
    assert told == [(flag.name, flag.variable) for flag in SERVE]


def test_a_limit_is_told_as_its_flag_tells_it() -> None:
    for limit in dataclasses.fields(Limits):
        [flag] = [it for it in SERVE if it.name == f"--{limit.name.replace('_', '-')}"]
        meaning, default = flag.help.split(". The default is ")
        told = f"{meaning[0].lower()}{meaning[1:]}; by default {default.rstrip('.')}"
        assert f"| {told} |\n" in REFERENCE


def test_every_command_is_named_and_no_other() -> None:
    table = REFERENCE.partition("## Commands")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)", table, re.M) == ["serve", *COMMANDS]
    for name, command in COMMANDS.items():
        [line] = [it for it in table.splitlines() if it.startswith(f"| `{name}")]
        for flag in (it for it in command.arguments if it.name.startswith("--")):
            told = {"--account", "--test", "--live", "--host", "--port"}
            assert f"`{flag.name}" in line or flag.name in told


def test_the_help_names_pages_that_exist() -> None:
    pages = re.findall(r"docs/[\w-]+\.md", serve_parser("").format_help())
    assert len(pages) == 2
    assert all((ROOT / page).is_file() for page in pages)


# The Python reference.

CLASSES = re.findall(r"autoclass:: ([\w.]+)", REFERENCE)
FUNCTIONS = re.findall(r"autofunction:: ([\w.]+)", REFERENCE)


def test_every_public_name_is_in_the_reference() -> None:
    public = {f"fakescale.{name}" for name in fakescale.__all__}
    public |= {f"fakescale.strategies.{name}" for name in strategies.__all__}
    public |= {f"fakescale.recordings.{name}" for name in recordings.__all__}
    assert public <= {*CLASSES, *FUNCTIONS}


# The table of flags tells the limits.
@pytest.mark.parametrize("name", [name for name in CLASSES if name != "fakescale.Limits"])
def test_every_public_attribute_is_documented(name: str) -> None:
    """Autodoc shows an attribute if it, or that of a base, has a docstring or a comment ``#:``."""
    parts = [
        it for it in pkgutil.resolve_name(name).__mro__ if it.__module__.startswith("fakescale")
    ]
    public, told = set(), set()
    for part in parts:
        analyzer = ModuleAnalyzer.for_module(part.__module__)
        told |= {attr for owner, attr in analyzer.find_attr_docs() if owner == part.__qualname__}
        for attribute in {*vars(part), *getattr(part, "__annotations__", {})}:
            if not attribute.startswith("_"):
                public.add(attribute)
            value = vars(part).get(attribute)
            if callable(value) or isinstance(value, property | classmethod):
                told |= {attribute} if inspect.getdoc(value) else set()
    assert public - told == set()


def test_every_argument_of_the_fake_is_told() -> None:
    for argument in inspect.signature(FakeScale).parameters:
        assert f"``{argument}``" in (FakeScale.__doc__ or "")
