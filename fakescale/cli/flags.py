"""The flags of the command: one table, from which the parser and the environment come."""

import argparse
import dataclasses
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from fakescale.cli import kinds
from fakescale.server.limits import Limits


class Flag(NamedTuple):
    """A flag, or a positional argument if its name begins without a hyphen."""

    #: The long form, for example ``--port``.
    name: str
    #: Whole sentences for ``--help``.
    help: str
    #: The heading in ``--help``.
    group: str = ""
    #: The short form.
    short: str | None = None
    #: Reads the value from its text; None for a flag without a value.
    kind: Callable[[str], Any] | None = None
    #: The name of the value in ``--help``.
    metavar: str | None = None
    #: The value without the flag and the variable.
    default: Any = None
    #: The only possible values.
    choices: Collection[str] | None = None
    #: Whether it can be given more than once.
    several: bool = False
    #: Whether a positional argument may be missing.
    optional: bool = False
    #: Whether an environment variable stands for it.
    has_variable: bool = True

    @property
    def key(self) -> str:
        """The name of the parsed value."""
        return self.name.removeprefix("--").replace("-", "_")

    @property
    def variable(self) -> str:
        """The name of the environment variable."""
        return f"FAKESCALE_{self.key.upper()}"

    @property
    def names(self) -> list[str]:
        """All forms, the short one first."""
        return [it for it in (self.short, self.name) if it]

    def add_to(self, parser: "argparse._ActionsContainer") -> None:
        """Add the flag to ``parser``, which leaves it out of its result unless it is given."""
        told = self.help
        if self.default not in (None, [], False):
            told += f" The default is {self.default}."
        given: dict[str, Any] = {"help": told.replace("%", "%%")}
        if not self.name.startswith("-"):
            given["nargs"] = "*" if self.several else "?" if self.optional else None
            given |= {"type": self.kind, "default": [] if self.several else None}
            parser.add_argument(self.name, metavar=self.metavar, **given)
            return
        if self.has_variable:
            given["help"] += f" [{self.variable}]"
        if self.kind is None:
            given["action"] = "store_true"
        else:
            action = "append" if self.several else "store"
            given |= {"type": self.kind, "metavar": self.metavar, "action": action}
            given["choices"] = self.choices
        parser.add_argument(*self.names, default=argparse.SUPPRESS, **given)

    def from_environment(self, environ: Mapping[str, str]) -> Any:
        """Return the value of the variable, or the default if it is unset or empty.

        Several values are joined by commas. An empty token stays, for the fake to refuse: it must
        not switch the protection off. Raises ArgumentTypeError for a wrong value.
        """
        text = environ.get(self.variable, "") if self.has_variable else ""
        if text.startswith("tcp://"):  # Kubernetes sets FAKESCALE_PORT so for a service fakescale
            text = ""
        if not text and not (self is CONTROL_TOKEN and self.variable in environ):
            return self.default
        try:
            if self.several:
                return [self._read(it.strip()) for it in text.split(",") if it.strip()]
            return self._read(text)
        except argparse.ArgumentTypeError as error:
            raise argparse.ArgumentTypeError(f"{self.variable}: {error}") from None

    def _read(self, text: str) -> Any:
        value = (self.kind or kinds.switch)(text)
        if self.choices and value not in self.choices:
            expected = " or ".join(self.choices)
            raise argparse.ArgumentTypeError(f"{text!r} is not one of: {expected}")
        return value


def fill(
    options: argparse.Namespace, flags: Iterable[Flag], environ: Mapping[str, str] = os.environ
) -> None:
    """Set the flags that were not given, from the environment or to their defaults."""
    for flag in flags:
        if not hasattr(options, flag.key):
            setattr(options, flag.key, flag.from_environment(environ))


_LISTEN = "Address"
_WHO = "Access"
_TASKS = "Tasks and callbacks"
_STATE = "State"
_LOG = "Log"
_TLS = "TLS"
_LIMITS = "Limits"

HOST = Flag("--host", "Listen on this address.", _LISTEN, "-H", str, "HOST", "127.0.0.1")
PORT = Flag(
    "--port", "Listen on this port; 0 picks a free one.", _LISTEN, "-p", kinds.port, "PORT", 8675
)
CONTROL_TOKEN = Flag(
    "--control-token",
    "Refuse control calls without the header `Authorization: Bearer TOKEN`.",
    _WHO,
    kind=str,
    metavar="TOKEN",
)


def _size(number: int) -> str:
    mebi, rest = divmod(number, 2**20)
    return f"{number // 2**10}KiB" if rest else f"{mebi}MiB"


# The kind of a limit by its unit, the name of its value, and the text of its default.
_UNITS: Mapping[str, tuple[Callable[[str], Any], str, Callable[[Any], str]]] = {
    "bytes": (kinds.size, "SIZE", _size),
    "seconds": (kinds.seconds, "TIME", "{:g}s".format),
    "number": (kinds.count, "NUMBER", str),
}


def _limit(limit: "dataclasses.Field[Any]") -> Flag:
    """Return the flag of a field of `Limits`."""
    number: Any = limit.default
    kind, metavar, show = _UNITS[limit.metadata["unit"]]
    name = limit.name
    return Flag(
        f"--{name.replace('_', '-')}",
        f"{limit.metadata['meaning']} The default is {show(number)}.",
        _LIMITS,
        kind=kinds.limit(name, kind),
        metavar=metavar,
    )


#: The flags of ``fakescale serve``, in the order of ``--help``.
SERVE: tuple[Flag, ...] = (
    HOST,
    PORT,
    Flag(
        "--api-key",
        "Accept only this API key: live_NAME, test_NAME or NAME|test. By default, any such key is"
        " accepted. May be given more than once.",
        _WHO,
        "-k",
        str,
        "KEY",
        [],
        several=True,
    ),
    Flag(
        "--allow-host",
        "Answer requests whose Host header names this host too, besides loopback names and the"
        " --host. May be given more than once.",
        _WHO,
        kind=str,
        metavar="HOST",
        default=[],
        several=True,
    ),
    CONTROL_TOKEN,
    Flag(
        "--secure-result-urls",
        "Serve result files only to requests with an API key. By default, anyone may fetch them.",
        _WHO,
        default=False,
    ),
    Flag(
        "--complete-after",
        "Complete live tasks with made-up responses after this time, for example 2h or 90s. By"
        " default, they stay pending.",
        _TASKS,
        kind=kinds.duration,
        metavar="TIME",
    ),
    Flag(
        "--labeler",
        "Let this labeler complete live tasks, after --complete-after. lively answers with many"
        " objects, and fails some tasks.",
        _TASKS,
        kind=str,
        metavar="lively",
        choices=("lively",),
    ),
    Flag(
        "--callback-host",
        "Send callbacks to this host too, besides loopback. If --host is not loopback, loopback"
        " gets callbacks only if it is named here: localhost. May be given more than once.",
        _TASKS,
        kind=str,
        metavar="HOST",
        default=[],
        several=True,
    ),
    Flag(
        "--seed",
        "Draw the ids of tasks and the made-up responses from this text.",
        _TASKS,
        kind=str,
        metavar="SEED",
    ),
    Flag(
        "--load",
        "Load this file at the start: a dump that --dump wrote, or tasks as the API prints them,"
        " in a JSON array or a page. Tasks go to the account of the first --api-key. A file that"
        " --dump names too need not exist yet.",
        _STATE,
        kind=Path,
        metavar="FILE",
    ),
    Flag(
        "--init",
        "Do the control calls in this file at the start, after --load. Each line is like"
        ' {"tasks.create": {"type": "chat"}}. The file may also be one that --load takes. May be'
        " given more than once.",
        _STATE,
        kind=Path,
        metavar="FILE",
        default=[],
        several=True,
    ),
    Flag(
        "--dump",
        "Write the state to this file at the end, for --load. If that fails, the state goes to the"
        " temporary directory, and the status is 1.",
        _STATE,
        kind=kinds.writable,
        metavar="FILE",
    ),
    Flag(
        "--demo",
        "Begin with projects, batches, tasks, callbacks and requests to look at, made up from the"
        " --seed.",
        _STATE,
        default=False,
    ),
    Flag("--verbose", "Log the bodies of requests and answers too.", _LOG, "-v", default=False),
    Flag("--quiet", "Log no requests and callbacks, only errors.", _LOG, "-q", default=False),
    Flag(
        "--log",
        "Log lines of text, or one JSON object a line.",
        _LOG,
        kind=str,
        metavar="text|json",
        default="text",
        choices=("text", "json"),
    ),
    Flag(
        "--tls",
        "Serve https as well as http, with the certificate of a CA that is made for this run."
        " The path of the CA file to trust is printed; the file is removed at the end.",
        _TLS,
        default=False,
    ),
    Flag(
        "--tls-ca",
        "Do as --tls does, but write the CA file to this path instead of a temporary file.",
        _TLS,
        kind=kinds.writable,
        metavar="FILE",
    ),
    Flag(
        "--proxy",
        "Do as --tls does, and run a proxy on this port of loopback; 0 picks a free one. Clients"
        " with HTTPS_PROXY set to it reach the fake at https://api.scale.com.",
        _TLS,
        kind=kinds.port,
        metavar="PORT",
    ),
    *map(_limit, dataclasses.fields(Limits)),
)

_SERVER = "The server to ask"
#: The flags of every command that asks a server.
CLIENT: tuple[Flag, ...] = (
    Flag(
        "--url",
        "Ask the fakescale at this address. The default is the --port on 127.0.0.1.",
        _SERVER,
        "-u",
        kinds.origin,
        "URL",
    ),
    PORT._replace(help="Ask the fakescale on this port of 127.0.0.1.", group=_SERVER),
    CONTROL_TOKEN._replace(
        help="Send this control token: the one that the server was started with.", group=_SERVER
    ),
    Flag("--json", "Print JSON, for programs.", "Output", "-j", default=False),
)
