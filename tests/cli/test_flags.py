"""The table of flags: forms, help, environment variables, near misses."""

import argparse
import datetime as dt
from collections.abc import Mapping
from typing import Any

import pytest

from fakescale.cli import main, serve_parser
from fakescale.cli.commands import COMMANDS
from fakescale.cli.flags import CLIENT, SERVE, Flag, fill

# A text for each flag of serve, and the value that it stands for.
VALUES: dict[str, tuple[str, Any]] = {
    "--host": ("localhost", "localhost"),
    "--port": ("9000", 9000),
    "--api-key": ("live_a, test_b", ["live_a", "test_b"]),
    "--allow-host": ("box", ["box"]),
    "--control-token": ("secret", "secret"),
    "--complete-after": ("2h", dt.timedelta(hours=2)),
    "--callback-host": ("a,,b,", ["a", "b"]),
    "--seed": ("7", "7"),
    "--labeler": ("lively", "lively"),
    "--log": ("json", "json"),
    "--proxy": ("0", 0),
    "--max-body": ("1MB", 10**6),
    "--idle-seconds": ("2m", 120.0),
}


def filled(given: list[str], environ: Mapping[str, str]) -> argparse.Namespace:
    options = serve_parser().parse_args(given)
    fill(options, SERVE, environ)
    return options


@pytest.mark.parametrize("flag", SERVE, ids=lambda flag: flag.name)
def test_a_variable_stands_for_each_flag(flag: Flag, tmp_path: Any) -> None:
    file = tmp_path / "x"
    text, value = VALUES.get(flag.name, ("1", True) if flag.kind is None else ("7", 7))
    if flag.metavar == "FILE":
        text, value = str(file), [file] if flag.several else file
    assert getattr(filled([], {flag.variable: text}), flag.key) == value
    assert getattr(filled([], {}), flag.key) == flag.default
    shown = serve_parser().format_help()
    assert f"[{flag.variable}]" in shown
    if flag.kind is None:
        assert getattr(filled([flag.name], {flag.variable: "0"}), flag.key) is True
        assert getattr(filled([], {flag.variable: "off"}), flag.key) is False


def test_a_flag_wins_over_its_variable() -> None:
    environ = {"FAKESCALE_PORT": "1", "FAKESCALE_API_KEY": "live_a"}
    options = filled(["-p2", "-k", "live_b", "-k", "live_c"], environ)
    assert (options.port, options.api_key) == (2, ["live_b", "live_c"])


def test_an_empty_variable_is_not_set_unless_it_is_the_token() -> None:
    options = filled([], {"FAKESCALE_PORT": "", "FAKESCALE_CONTROL_TOKEN": ""})
    assert (options.port, options.control_token) == (8675, "")


def test_kubernetes_may_have_a_service_of_this_name() -> None:
    assert filled([], {"FAKESCALE_PORT": "tcp://10.0.0.1:8675"}).port == 8675


@pytest.mark.parametrize(
    ("variable", "text", "expected"),
    [
        ("FAKESCALE_PORT", "http", "FAKESCALE_PORT: 'http' is not a port: it must be 0 to 65535"),
        ("FAKESCALE_QUIET", "2", "FAKESCALE_QUIET: '2' is not 1 or 0"),
        ("FAKESCALE_LOG", "x", "FAKESCALE_LOG: 'x' is not one of: text or json"),
        ("FAKESCALE_MAX_BODY", "0", "FAKESCALE_MAX_BODY: '0' is not over 0 and at most 10**9"),
    ],
)
def test_a_wrong_variable_is_named(
    variable: str,
    text: str,
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(SystemExit) as ended:
        main([])
    assert (ended.value.code, capsys.readouterr().err) == (2, f"fakescale: {expected}\n")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("--prot 8000", "--prot is not a flag of `fakescale`: did you mean --port?"),
        ("--prot=8000", "--prot is not a flag of `fakescale`: did you mean --port?"),
        ("--versoin", "--versoin is not a flag of `fakescale`: did you mean --version?"),
        ("--xyzzy", "--xyzzy is not a flag of `fakescale`"),
        ("taks", "'taks' is not a command: did you mean tasks?"),
        ("8000", "'8000' is not a command; `fakescale --help` lists the commands. For a port:"),
        ("serve 8000", "'8000' is one argument too many (see `fakescale serve --help`)"),
        ("-p", "-p/--port: expected one argument (see `fakescale --help`)"),
        ("-p http", "-p/--port: 'http' is not a port: it must be 0 to 65535"),
        ("tasks --callback-host x", "--callback-host is not a flag of `fakescale tasks`: it is a"),
        ("tasks --jsn", "--jsn is not a flag of `fakescale tasks`: did you mean --json?"),
        ("tasks -n x", "-n/--limit: 'x' is not a whole number"),
        ("show", "the following arguments are required: ID (see `fakescale show --help`)"),
        ("advance soon", "TIME: 'soon' is not a duration"),
        ("create chat a", "NAME=VALUE: 'a' is not NAME=VALUE"),
        ("complete x {", "RESPONSE: it is not JSON"),
        ("tasks -u ftp://x", "-u/--url: 'ftp://x' is not a URL"),
        ("load /nowhere", "cannot load /nowhere: No such file or directory"),
        ("dump /nowhere/x", "FILE: '/nowhere/x' cannot be written: No such file or directory"),
        ("--log jsn", "--log: invalid choice: 'jsn'"),
        ("--quiet --verbose", "--quiet and --verbose exclude each other"),
    ],
)
def test_a_wrong_use_is_told_in_one_line(
    given: str, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(given.split())
    assert ended.value.code == 2
    said = capsys.readouterr()
    [line] = said.err.splitlines()
    assert line.startswith(f"fakescale: {expected}")
    assert said.out == ""


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    told = {}
    for given in ("-h", "serve -h", "-V", "tasks --version", *(f"{it} -h" for it in COMMANDS)):
        with pytest.raises(SystemExit) as ended:
            main(given.split())
        assert ended.value.code == 0
        told[given] = capsys.readouterr().out
    assert told["-V"] == told["tasks --version"] == "fakescale 0.1.0\n"
    for name, command in COMMANDS.items():
        assert f"  {name:<11} {command.help}" in told["-h"]
        assert command.help in told[f"{name} -h"]
    assert "examples:" in told["-h"]


def test_every_help_is_whole_sentences_and_no_form_is_twice() -> None:
    for flags in (SERVE, *((*it.arguments, *CLIENT) for it in COMMANDS.values() if it.asks)):
        forms = [form for flag in flags for form in flag.names]
        assert len(set(forms)) == len(forms)
        for flag in flags:
            assert flag.help[0].isupper()
            assert flag.help.endswith((".", "rejected."))


def test_no_flag_means_two_things() -> None:
    kinds: dict[str, set[Any]] = {}
    for flag in (*SERVE, *CLIENT, *(it for row in COMMANDS.values() for it in row.arguments)):
        for form in flag.names:
            kinds.setdefault(form, set()).add(flag.kind is None)
    # The way to the command's name must know which flags take a value.
    assert all(len(it) == 1 for name, it in kinds.items() if name.startswith("-"))
