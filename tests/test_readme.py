"""README is the manual: its examples run, and it names all there is."""

import argparse
import dataclasses
import datetime as dt
import inspect
import json
import os
import re
import shlex
import shutil
import subprocess
import textwrap
from pathlib import Path
from typing import Any

import pytest
import requests
import requests.cookies

from fakescale import FakeScale, __main__, pytest_plugin
from fakescale.account.tasks import FILTERS
from fakescale.api.operations import operations
from fakescale.api.v1 import ROUTES
from fakescale.receiver import Received
from fakescale.traffic.callbacks import Attempt, Delivery
from fakescale.traffic.faults import Faults
from fakescale.traffic.journal import Exchange

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def public(cls: type) -> set[str]:
    return {name for name in vars(cls) if not name.startswith("_")}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: text.strip().splitlines()[-1])
def test_the_examples_run(pytester: pytest.Pytester, example: str) -> None:
    if "def test_" not in example:
        example = "def test_example():\n" + textwrap.indent(example, "    ")
    # Pytester forgets what an example imports, and half forgotten this one breaks.
    assert requests.cookies
    pytester.makepyfile(example)
    pytester.runpytest_inprocess("-p", "no:randomly").assert_outcomes(passed=1)


def run_curl(command: str, origin: str) -> Any:
    """Do what a ``curl`` of README does, and return the answer."""
    _, *arguments = shlex.split(command.replace("http://127.0.0.1:8675", origin))
    parser = argparse.ArgumentParser()
    parser.add_argument("-s", action="store_true")
    parser.add_argument("--json")
    parser.add_argument("url")
    given = parser.parse_args(arguments)
    if given.json is None:
        reply = requests.get(given.url, timeout=10)
    else:  # as --json does
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        reply = requests.post(given.url, data=given.json, headers=headers, timeout=10)
    assert reply.status_code == 200, reply.text
    return reply.json()


def block(language: str) -> str:
    [text] = re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    return str(text)


def test_the_commands_for_a_shell_do_what_they_say() -> None:
    with FakeScale().serve() as fake:
        origin, before = fake.url.removesuffix("/v1"), fake.now()
        lines = block("sh").splitlines()
        replies = [run_curl(line, origin) for line in lines]
        assert replies[1]["result"] == [fake.tasks.list()[0].to_json()]
        assert fake.now() - before >= dt.timedelta(hours=25)
        assert list(replies[-1]["operations"]) == list(operations(FakeScale))
        if shutil.which("curl"):
            line = lines[1].replace("http://127.0.0.1:8675", origin)
            done = subprocess.run(shlex.split(line), check=True, capture_output=True)
            assert json.loads(done.stdout) == replies[1]


def test_the_example_for_node_runs(tmp_path: Path) -> None:
    script = tmp_path / "example.mjs"
    script.write_text(block("js"), "utf-8")
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
                assert f'fakescale("{name}"' in script.read_text("utf-8")
                command = ["curl", "--json", json.dumps(arguments), f"{origin}/_fakescale/{name}"]
                run_curl(shlex.join(command), origin)
        assert len(fake.account("node").tasks) == len(fake.requests) == 0


def test_every_operation_that_is_named_exists() -> None:
    named = re.findall(r"/_fakescale/([a-z_.]+[a-z])", README)
    named += re.findall(r'await fakescale\("([\w.]+)"', README)
    assert len(set(named)) >= 8
    assert set(named) - {"health", "openapi.json"} <= set(operations(FakeScale))


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 4
    assert "def test_labels_are_exported(fakescale)" in EXAMPLES[0]


def test_every_route_and_filter_is_named() -> None:
    for route in ROUTES:
        assert f"`{route.method} {route.path}`" in README
    for name in FILTERS:
        assert f"`{name}`" in README


def test_every_fixture_and_option_is_named() -> None:
    fixtures = [
        name
        for name, value in vars(pytest_plugin).items()
        if type(value).__name__ == "FixtureFunctionDefinition"
    ]
    assert len(fixtures) == 5
    for name in fixtures:
        assert f"| `{name}` |" in README
    options = re.findall(r'"(--(?:fakescale|contract)-\w+)"', inspect.getsource(pytest_plugin))
    assert len(set(options)) == 6
    for option in options:
        assert f"`{option}" in README


@pytest.mark.parametrize("cls", [Exchange, Received])
def test_every_field_of_a_request_is_named(cls: type) -> None:
    missing = [name for name in public(cls) if not re.search(rf"`([\w.]*\.)?{name}\b", README)]
    assert missing == []


def test_every_field_of_a_callback_is_named() -> None:
    for cls in (Delivery, Attempt):
        missing = [it.name for it in dataclasses.fields(cls) if f"`{it.name}`" not in README]
        assert missing == []


def test_every_argument_of_the_fake_is_named() -> None:
    for name in inspect.signature(FakeScale).parameters:
        assert f"`{name}`" in README


def test_every_argument_of_a_fault_is_named() -> None:
    for name in {*inspect.signature(Faults.add).parameters} - {"self"}:
        assert f"`{name}`" in README


def test_every_flag_is_named_and_no_other() -> None:
    parser = __main__._parser()
    flags = {flag for action in parser._actions for flag in action.option_strings[-1:]} - {"--help"}
    assert isinstance(parser, argparse.ArgumentParser)
    assert set(re.findall(r"^\| `(--[\w-]+)", README, re.MULTILINE)) == flags
