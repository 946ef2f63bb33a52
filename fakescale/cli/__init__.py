"""The command ``fakescale``: its parser, and the way from the arguments to the status.

``flags`` has the flags, ``commands`` has the commands, ``serve`` serves.
"""

import argparse
import contextlib
import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from fakescale.cli.flags import CLIENT, SERVE, Flag, fill
from fakescale.cli.tables import escaped

_MANUAL = "docs/server.md and docs/reference.md in the source of fakescale"
_DESCRIPTION = """\
fakescale is a fake of Scale AI's task API, held in memory.
`fakescale` alone is `fakescale serve`: it serves the fake. The other commands ask a fake
that is being served. Each has more to say: fakescale COMMAND --help"""
_EXAMPLES = """\
examples:
  fakescale -p 8000                                    serve on port 8000
  fakescale --load state.json --dump state.json        keep the state over a restart
  fakescale requests --refused --bodies                see what a client sent wrong
  fakescale complete ID '{"annotations": []}'          complete a task with your labels
  fakescale redeliver ID                               send the callback of a task again
  fakescale advance 25h                                move the fake's clock a day ahead
"""
_VARIABLES = """\
The name in brackets is an environment variable. A flag wins over it. Several values are joined
by commas there, and a flag without a value is 1 or 0."""


class Failure(Exception):
    """The command fails: the text is one line for standard error."""

    def __init__(self, text: object, status: int = 2) -> None:
        super().__init__(str(text))
        #: The status of the process.
        self.status = status


def run() -> NoReturn:
    """Run the command as a process of its own; Ctrl-C ends even a long start at once."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):  # there is none
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    for name in ("SIGINT", "SIGTERM"):
        number = getattr(signal, name)
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _interrupt)
    main()
    sys.exit(0)


def _interrupt(number: int, _: object) -> None:
    # An exception could be lost in a function that C calls, and takes long through a large heap.
    if "fakescale.saving" in sys.modules:
        sys.modules["fakescale.saving"].remove_temporary()
    if number == signal.SIGINT:
        with contextlib.suppress(OSError):
            # On a terminal, ^C or a line of progress stands there already.
            os.write(2, (b"\n" if os.isatty(2) else b"") + b"fakescale: interrupted\n")
    os._exit(128 + number)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command with ``arguments``, by default those of the process.

    Raises SystemExit with status 1 if the fake refuses a call, or the state cannot be written to
    the file of ``--dump``. Raises it with status 2 for wrong arguments, if no fake answers, and if
    the fake cannot be served.
    """
    given = [*(sys.argv[1:] if arguments is None else arguments)]
    try:
        name, rest = _command(given)
        if name in ("", "serve"):
            _serve(name, rest)
        else:
            _ask(name, rest)
    except Failure as error:
        _end(error, error.status)
    except argparse.ArgumentTypeError as error:
        _end(error, 2)
    except KeyboardInterrupt:
        _end("interrupted", 128 + signal.SIGINT)
    except BrokenPipeError:
        # A reader like `head` may close the pipe. The interpreter would complain at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _end(text: object, status: int) -> NoReturn:
    print(f"fakescale: {escaped(str(text))}", file=sys.stderr)
    sys.exit(status)


def _command(given: Sequence[str]) -> tuple[str, list[str]]:
    """Return the name of the command, "" without one, and the other arguments.

    Flags may come before the name.
    """
    for index, word in enumerate(given):
        before = given[index - 1] if index else ""
        if word.startswith("-") or _takes_value(before):
            continue
        from fakescale.cli.commands import COMMANDS  # not needed to serve

        if word in COMMANDS or word == "serve":
            return word, [*given[:index], *given[index + 1 :]]
        if before.startswith("-") and not _is_flag(before):
            break  # the parser says so
        near = _near(word, ["serve", *COMMANDS])
        known = near or f"; `fakescale --help` lists the commands{_port_hint(word)}"
        raise Failure(f"{word!r} is not a command{known}")
    return "", [*given]


def _port_hint(word: str) -> str:
    return f". For a port: fakescale -p {word}" if word.isdecimal() else ""


def _takes_value(word: str) -> bool:
    return any(word in flag.names and flag.kind is not None for flag in (*SERVE, *CLIENT))


def _is_flag(word: str) -> bool:
    return any(word in flag.names for flag in (*SERVE, *CLIENT))


def _near(word: str, known: Sequence[str]) -> str:
    """Return the end of a message that names the nearest of ``known``, or ""."""
    import difflib

    near = difflib.get_close_matches(word, known, 1)
    return f": did you mean {near[0]}?" if near else ""


# The parsers.


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    lists_commands = False

    def format_help(self) -> str:
        if self.lists_commands:  # here, since a start to serve need not import them
            self.description = f"{_DESCRIPTION}\n\n{_commands()}"
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        raise Failure(f"{message.removeprefix('argument ')} (see `{self.prog} --help`)")


def _formatter(prog: str) -> argparse.HelpFormatter:
    return argparse.RawDescriptionHelpFormatter(prog, max_help_position=26)


def _parser(name: str, description: str, epilog: str, flags: Sequence[Flag]) -> _Parser:
    parser = _Parser(
        prog=f"fakescale {name}".strip(),
        description=description,
        epilog=f"{epilog}\nThe manual: {_MANUAL}",
        formatter_class=_formatter,
        allow_abbrev=False,
        usage=None if name else "fakescale [COMMAND] [FLAG ...]",
        add_help=False,
    )
    groups: dict[str, Any] = {}
    for flag in flags:
        title = flag.group or "Arguments"
        if title not in groups:
            groups[title] = parser.add_argument_group(title)
        flag.add_to(groups[title])
    more = parser.add_argument_group("More")
    more.add_argument("-h", "--help", action="help", help="Print this and end.")
    more.add_argument("-V", "--version", action=_Version, help="Print the version and end.")
    return parser


class _Version(argparse.Action):
    def __init__(self, **given: Any) -> None:
        super().__init__(**{**given, "nargs": 0, "default": argparse.SUPPRESS})

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        import fakescale

        print(f"fakescale {fakescale.__version__}")
        parser.exit()


def serve_parser(name: str = "serve") -> argparse.ArgumentParser:
    """Return the parser of ``fakescale serve``, or of ``fakescale`` alone for the name ""."""
    parser = _parser(name, "Serve the fake.", f"{_VARIABLES}\n\n{_EXAMPLES}", SERVE)
    parser.lists_commands = not name
    return parser


def _commands() -> str:
    """Return the list of the commands for ``fakescale --help``."""
    from fakescale.cli.commands import COMMANDS

    lines = ["Serve:", "  serve       Serve the fake, with the flags below."]
    group = ""
    for name, command in COMMANDS.items():
        if command.group != group:
            group = command.group
            lines.append(f"{group}:")
        lines.append(f"  {name:<11} {command.help}")
    return "\n".join(lines)


def _parse(parser: argparse.ArgumentParser, given: Sequence[str], flags: Sequence[Flag]) -> Any:
    # Intermixed, since flags may stand among the words of an action; it would parse twice.
    words = [flag for flag in flags if flag.several and not flag.name.startswith("-")]
    parse = parser.parse_known_intermixed_args if words else parser.parse_known_args
    rest: list[Any] = []
    if words and "--" in given:  # all after it are words, also those that look like flags
        end = given.index("--")
        given, rest = given[:end], [(words[0].kind or str)(it) for it in given[end + 1 :]]
    options, unknown = parse(given)
    if rest:
        setattr(options, words[0].key, [*getattr(options, words[0].key), *rest])
    if unknown:
        word = unknown[0].partition("=")[0]
        known = [name for flag in flags for name in flag.names]
        if not word.startswith("-"):
            raise Failure(f"{unknown[0]!r} is one argument too many (see `{parser.prog} --help`)")
        near = _near(word, [*known, "--help", "--version"])
        is_of_serve = any(word in flag.names for flag in SERVE)
        of = ": it is a flag of `fakescale serve`" if is_of_serve and not near else near
        raise Failure(f"{word} is not a flag of `{parser.prog}`{of}")
    if hasattr(options, "port") and not hasattr(options, "url"):
        options.url = None  # a flag wins over the variable of the other
    fill(options, flags)
    return options


# The ways to go.


def _serve(name: str, given: Sequence[str]) -> None:
    options = _parse(serve_parser(name), given, SERVE)
    if options.quiet and options.verbose:
        raise Failure("--quiet and --verbose exclude each other")
    from fakescale.cli.serve import CannotStart, serve

    try:
        serve(options)
    except CannotStart as error:
        raise Failure(error) from None


def _ask(name: str, given: Sequence[str]) -> None:
    from fakescale.cli.client import Client, NoServer, Refused
    from fakescale.cli.commands import COMMANDS

    command = COMMANDS[name]
    flags = (*command.arguments, *(it for it in CLIENT if command.asks or it.key == "json"))
    example = f"example:\n  {command.example}\n" if command.example else ""
    options = _parse(_parser(name, command.help, example, flags), given, flags)
    origin = ""
    if command.asks:
        origin = options.url or f"http://127.0.0.1:{options.port}"
    try:
        result = command.run(Client(origin, options.control_token if origin else None), options)
        _print(result, command.columns, options)
    except Refused as error:
        raise Failure(error, 1) from None
    except NoServer as error:
        raise Failure(error) from None


def _print(result: Any, columns: Sequence[str], options: argparse.Namespace) -> None:
    from fakescale.cli.tables import line, table

    has_bodies = getattr(options, "bodies", False)
    if isinstance(result, Iterator):
        for row in result:
            print(json.dumps(row) if options.json else line(row, columns, bodies=has_bodies))
            sys.stdout.flush()
    elif isinstance(result, str) and not options.json:
        print(result)
    elif options.json or not (columns and isinstance(result, list)):
        if result is not None:
            print(json.dumps(result, indent=1))
    elif has_bodies and result:
        print("\n".join(line(row, columns, bodies=True) for row in result))
    else:
        print(table(result, columns, "nothing yet"))
    sys.stdout.flush()
