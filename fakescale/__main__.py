"""The command ``fakescale``: the fake in its own process.

The file is over 300 lines because a third of it is the table of the flags.
"""

import argparse
import contextlib
import dataclasses
import datetime as dt
import gc
import json
import logging
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from fakescale import saving
from fakescale.account.printed import printed_tasks, read_file
from fakescale.fake import FakeScale
from fakescale.server.access_log import AccessLog
from fakescale.server.limits import Limits
from fakescale.server.lines import Lines
from fakescale.server.server import Server, entrance_by, running
from fakescale.values.errors import ApiError
from fakescale.values.hosts import HOST, HOSTS, is_loopback
from fakescale.values.keys import read_key

if TYPE_CHECKING:
    from fakescale.server.certificates import Authority
    from fakescale.server.proxy import Proxy

_TOKEN_VARIABLE = "FAKESCALE_CONTROL_TOKEN"  # noqa: S105
# The signals that end the command: on Windows, SIGBREAK comes when the console is closed.
_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")


class _Started(NamedTuple):
    fake: FakeScale
    authority: "Authority | None"
    server: Server
    proxy: "Proxy | None"
    log: Lines


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command: serve until SIGINT or SIGTERM, or print the OpenAPI document.

    ``arguments`` are by default those of the process. Exits with status 2 for wrong arguments,
    and if the fake cannot be served. Exits with status 1 if the state cannot be written to the
    file of ``--dump``.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command == "openapi":
        from fakescale.api.openapi import document

        url = f"http://{options.host}:{options.port}/v1"
        _print(json.dumps(document(url, strict=options.strict), indent=1))
        return
    if options.strict:
        parser.error("--strict needs the command `openapi`")
    if options.quiet and options.verbose:
        parser.error("--quiet and --verbose exclude each other")
    try:
        with _interrupting():
            _serve(_start(options), options)
    except _CannotStart as error:
        parser.exit(2, f"fakescale: {error}\n")
    except KeyboardInterrupt as interrupt:  # before the server serves
        number = interrupt.args[0] if interrupt.args else signal.SIGINT
        parser.exit(128 + number, "fakescale: interrupted\n")


# The flags.


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 0xFFFF:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: it must be 0 to 65535")
    return int(text)


def _seconds(text: str) -> dt.timedelta:
    try:
        return dt.timedelta(seconds=float(text))
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds") from None


def _writable(text: str) -> Path:
    try:
        return saving.check(text)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text!r} cannot be written: {error.strerror}") from None


class _Flag(NamedTuple):
    """A flag: the arguments of ``add_argument`` that it needs."""

    name: str
    help: str
    type: Callable[[str], object] | None = None
    default: object = None
    metavar: str | None = None
    action: Literal["append", "store_true"] | None = None

    def add_to(self, parser: argparse.ArgumentParser) -> None:
        """Add the flag to ``parser``."""
        given: dict[str, Any] = {
            name: value for name, value in self._asdict().items() if value is not None
        }
        parser.add_argument(given.pop("name"), **given)


def _limit_flag(limit: "dataclasses.Field[Any]") -> _Flag:
    return _Flag(
        f"--{limit.name.replace('_', '-')}",
        f"{limit.metadata['meaning']} The default is %(default)s.",
        type=type(limit.default),
        default=limit.default,
        metavar="NUMBER",
    )


# In the order of --help.
_FLAGS = (
    _Flag("--host", "Listen on this address (default: %(default)s).", default="127.0.0.1"),
    _Flag(
        "--port",
        "Listen on this port; 0 picks a free one (default: %(default)s).",
        type=_port,
        default=8675,
    ),
    _Flag(
        "--api-key",
        "Accept only this API key: live_NAME, test_NAME or NAME|test. May be given more than once."
        " By default, any such key is accepted.",
        default=[],
        metavar="KEY",
        action="append",
    ),
    _Flag(
        "--complete-after",
        "Complete live tasks with made-up responses after this time. By default, they stay"
        " pending.",
        type=_seconds,
        metavar="SECONDS",
    ),
    _Flag(
        "--callback-host",
        "Send callbacks to this host too, besides loopback. May be given more than once. If --host"
        " is not loopback, loopback gets callbacks only if it is named here: localhost.",
        default=[],
        metavar="HOST",
        action="append",
    ),
    _Flag(
        "--load",
        "Load this file at the start: a dump that --dump wrote, or tasks as the API prints them,"
        " in a JSON array or a page. Tasks go to the account of the first --api-key.",
        type=Path,
        metavar="FILE",
    ),
    _Flag(
        "--dump",
        "Write the state to this file at the end, for --load. If that fails, the state goes to the"
        " temporary directory, and the status is 1.",
        type=_writable,
        metavar="FILE",
    ),
    _Flag(
        "--allow-host",
        "Answer requests whose Host header names this host too, besides loopback names and the"
        " --host. May be given more than once.",
        default=[],
        metavar="HOST",
        action="append",
    ),
    _Flag(
        "--secure-result-urls",
        "Serve result files only to requests with an API key. By default, anyone may fetch them.",
        action="store_true",
    ),
    _Flag(
        "--control-token",
        "Refuse control calls without the header `Authorization: Bearer TOKEN`. The default is"
        f" the environment variable {_TOKEN_VARIABLE}, if it is set.",
        metavar="TOKEN",
    ),
    _Flag(
        "--tls",
        "Serve https as well as http, with the certificate of a CA that is made for this run."
        " The path of the CA file to trust is printed; the file is removed at the end.",
        action="store_true",
    ),
    _Flag(
        "--tls-ca",
        "Do as --tls does, but write the CA file to this path instead of a temporary file.",
        type=_writable,
        metavar="FILE",
    ),
    _Flag(
        "--proxy",
        "Do as --tls does, and run a proxy on this port of loopback; 0 picks a free one. Clients"
        f" with HTTPS_PROXY set to it reach the fake at https://{HOST}.",
        type=_port,
        metavar="PORT",
    ),
    *map(_limit_flag, dataclasses.fields(Limits)),
    _Flag("--verbose", "Log the bodies of requests and answers too.", action="store_true"),
    _Flag("--quiet", "Log no requests and callbacks, only errors.", action="store_true"),
    _Flag(
        "--strict",
        "With `openapi`, describe what a client should send, for generators of clients, instead"
        " of all that is accepted.",
        action="store_true",
    ),
)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fakescale", description="Serve a fake of Scale AI's task API, held in memory."
    )
    parser.add_argument(
        "command",
        nargs="?",
        choices=["openapi"],
        help="Print the OpenAPI document of the API, and exit.",
    )
    for flag in _FLAGS:
        flag.add_to(parser)
    parser.set_defaults(control_token=os.environ.get(_TOKEN_VARIABLE))
    return parser


# The start.


class _CannotStart(Exception):
    """The command cannot start; the text is one line that says why."""


def _start(options: argparse.Namespace) -> _Started:
    try:
        fake = _make_fake(options)
        authority = _make_authority(options)
    except (ValueError, ImportError) as error:
        raise _CannotStart(error) from None
    if options.load is not None:
        _load(fake, options.load, options.api_key)
    log = Lines(sys.stderr)
    level = logging.WARNING if options.quiet else logging.INFO
    logging.basicConfig(stream=log, format="%(asctime)s %(message)s", level=level)
    report: Any = (
        (lambda exchange: None) if options.quiet else AccessLog(log, bodies=options.verbose)
    )
    host, port = options.host, options.port
    entrance = entrance_by(authority)
    with _listening(host, port):
        server = Server(fake, host, port, fake.limits, entrance=entrance, report=report)
    proxy = None
    if authority is not None and options.proxy is not None:
        from fakescale.server.proxy import Proxy

        with _listening("127.0.0.1", options.proxy):
            proxy = Proxy(fake, authority, options.proxy, fake.limits, report=report)
    fake.origin = server.origin
    return _Started(fake, authority, server, proxy, log)


def _make_fake(options: argparse.Namespace) -> FakeScale:
    limits = {it.name: getattr(options, it.name) for it in dataclasses.fields(Limits)}
    return FakeScale(
        api_keys=options.api_key,
        complete_after=options.complete_after,
        limits=Limits(**limits),
        callback_hosts=options.callback_host,
        allow_hosts=options.allow_host,
        secure_result_urls=options.secure_result_urls,
        control_token=options.control_token,
    )


def _make_authority(options: argparse.Namespace) -> "Authority | None":
    """Return the authority of the certificates, or None if no flag asks for TLS."""
    if not options.tls and options.tls_ca is None and options.proxy is None:
        return None
    from fakescale.server.certificates import Authority

    return Authority(*HOSTS, options.host, *options.allow_host)


@contextlib.contextmanager
def _listening(host: str, port: int) -> Iterator[None]:
    """Turn the error of an address that cannot be listened on into _CannotStart."""
    try:
        yield
    except (OSError, UnicodeError) as error:
        raise _CannotStart(f"cannot listen on {host}:{port}: {error}") from None


def _load(fake: FakeScale, file: Path, keys: Sequence[str]) -> None:
    is_test = bool(keys) and read_key(keys[0]).is_test
    try:
        content = read_file(file.read_text("utf-8-sig"))
        if is_test and not (isinstance(content, dict) and "fakescale" in content):
            fake.test.tasks.load(printed_tasks(content))
        else:
            fake.load(content)
    except (OSError, UnicodeDecodeError, ApiError) as error:
        raise _CannotStart(f"cannot load {file}: {error}") from None


# The run.


def _serve(started: _Started, options: argparse.Namespace) -> None:
    fake, authority, server, proxy, log = started
    server.stop_at(*_signals(), again=_end_at_once)
    # The objects made so far live to the end, so collections should not walk them. The fake
    # holds no cycles, and young ones are collected early: no full collection is worth its pause.
    gc.freeze()
    gc.set_threshold(700, 10, 10_000)
    with contextlib.ExitStack() as stack:
        stack.enter_context(log)
        logging.captureWarnings(True)  # else one could wait for the reader of standard error
        ca = stack.enter_context(_saved(authority, options.tls_ca)) if authority else None
        stack.callback(_dump, fake, options.dump, log)  # once all that follows has ended
        if proxy is not None:
            stack.enter_context(running(proxy))
        stack.enter_context(fake.running())
        # A pipe that nobody reads must not hold up the start.
        output = stack.enter_context(Lines(sys.stdout, pause=0))
        # A key that was given may be a secret, and the output may be a log.
        key = '"$KEY:"' if options.api_key else f"'{fake.api_key}:'"
        output.write(_announcement(server, key, ca, proxy))
        if options.control_token is None and not is_loopback(server.host):
            log.write(
                f"fakescale: control over HTTP is off, since {server.host} is not a loopback"
                " address and there is no --control-token\n"
            )
        server.serve_forever()


def _signals() -> list[int]:
    numbers = {name: getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)}
    if "SIGHUP" in numbers and signal.getsignal(numbers["SIGHUP"]) == signal.SIG_IGN:  # by nohup
        del numbers["SIGHUP"]
    return [*numbers.values()]


@contextlib.contextmanager
def _interrupting() -> Iterator[None]:
    """Let the signals interrupt the start, until the server stops at them."""

    def interrupt(number: int, _: object) -> None:
        raise KeyboardInterrupt(number)

    before = {number: signal.signal(number, interrupt) for number in _signals()}
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is interrupt and handler is not None:
                signal.signal(number, handler)


def _end_at_once(number: int) -> None:
    saving.remove_temporary()
    os._exit(128 + number)


def _dump(fake: FakeScale, file: Path | None, log: Lines) -> None:
    """Write the state to ``file``; exits with status 1 if that fails."""
    if file is None:
        return
    failure = saving.save_or_tell(file, json.dumps(fake.dump()))
    if failure is not None:
        log.write(f"fakescale: {failure}\n")
        raise SystemExit(1)


def _announcement(server: Server, key: str, ca: str | None, proxy: "Proxy | None") -> str:
    """Return the lines with the URL, and a curl command with ``key`` as its user."""
    url = f"{server.origin}/v1"
    trust = "" if ca is None else f"--cacert {shlex.quote(ca)} "
    lines = [f"fakescale listens on {url}", f"  curl {trust}-u {key} {url}/tasks"]
    if proxy is not None and ca is not None:
        from fakescale.server.proxy import environment

        variables = environment(proxy.origin, ca).items()
        lines.append(f"fakescale is https://{HOST} for processes that you start after")
        lines.append("  export " + " ".join(f"{name}={shlex.quote(it)}" for name, it in variables))
    return "".join(f"{line}\n" for line in lines)


@contextlib.contextmanager
def _saved(authority: "Authority", file: Path | None) -> Iterator[str]:
    """Keep the CA certificate in ``file``, by default a temporary one, and yield the path."""
    with contextlib.ExitStack() as stack:
        if file is None:
            path = stack.enter_context(authority.saved())
            saving.temporary.add(path)
        else:
            path = str(file.absolute())
            try:
                # Other users and containers must be able to read it.
                written = saving.save(file, authority.pem, 0o644)
            except OSError as error:
                raise _CannotStart(f"cannot write {file}: {error.strerror}") from None
            if written is not None:
                saving.temporary.add(str(written))
                stack.callback(_remove, written)
        yield path


def _remove(file: Path) -> None:
    with contextlib.suppress(OSError):  # one that is mounted on its own stays
        file.unlink()


def _print(text: str) -> None:
    """Print ``text``; a reader like ``head`` may close the pipe before the end."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # Otherwise the interpreter complains when it flushes at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
