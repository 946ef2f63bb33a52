"""The command ``fakescale serve``: the fake in its own process.

The file is over 300 lines, since the start, the run and the end share what they start.
"""

import argparse
import contextlib
import dataclasses
import errno
import gc
import logging
import os
import shlex
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from fakescale import saving
from fakescale.account.printed import printed_tasks, read_file
from fakescale.api.page import PAGE
from fakescale.cli.progress import progress
from fakescale.fake import FakeScale
from fakescale.server.access_log import AccessLog, json_line
from fakescale.server.limits import DEFAULTS, Limits
from fakescale.server.lines import Lines
from fakescale.server.server import Server, entrance_by, running
from fakescale.values.answer import decode, encode
from fakescale.values.errors import ApiError, Conflict
from fakescale.values.hosts import HOST, HOSTS, is_loopback
from fakescale.values.keys import read_key

if TYPE_CHECKING:
    from fakescale.server.certificates import Authority
    from fakescale.server.proxy import Proxy

# The signals that end the command: on Windows, SIGBREAK comes when the console is closed.
_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
# The flags that a server beyond loopback may lack, each with the reason to give it.
_BEYOND_LOOPBACK = {
    "control_token": "control calls are refused without --control-token TOKEN",
    "allow_host": "requests that name this host, other than by an IP address, are refused without"
    " --allow-host NAME",
    "callback_host": "callbacks are sent to no host, not even to loopback, without"
    " --callback-host HOST",
}


class CannotStart(Exception):
    """The command cannot start; the text is one line that says why."""


class Started(NamedTuple):
    """A fake and its servers, which listen and do not serve yet."""

    fake: FakeScale
    authority: "Authority | None"
    server: Server
    proxy: "Proxy | None"
    log: "Log"


class Log:
    """The log of the command: lines on standard error that never wait for a reader."""

    def __init__(self, *, as_json: bool = False) -> None:
        #: The stream of the lines.
        self.lines = Lines(sys.stderr)
        self.as_json = as_json

    def say(self, text: str, level: str = "info") -> None:
        """Write a line of the command itself."""
        told = {"event": "note", "message": text}
        line = json_line(time.time(), level, told) if self.as_json else f"fakescale: {text}\n"
        self.lines.write(line)

    def take(self, *, quiet: bool) -> None:
        """Take the lines of `logging` from now on."""
        handler = logging.StreamHandler(self.lines)
        handler.setFormatter(
            _Json() if self.as_json else logging.Formatter("%(asctime)s %(message)s")
        )
        level = logging.WARNING if quiet else logging.INFO
        logging.basicConfig(handlers=[handler], level=level)


class _Json(logging.Formatter):
    """Each record as a JSON object; ``facts`` of a record are its members."""

    def format(self, record: logging.LogRecord) -> str:
        facts = {"event": "note", "message": record.getMessage()}
        if record.exc_info:
            facts["traceback"] = self.formatException(record.exc_info)
        facts |= getattr(record, "facts", {})
        return json_line(record.created, record.levelname.lower(), facts).rstrip("\n")


def serve(options: argparse.Namespace) -> None:
    """Serve a fake until a signal comes; raises CannotStart before it serves."""
    _run(start(options), options)


# The start.


def start(options: argparse.Namespace) -> Started:
    """Return the fake of ``options``, loaded, and its servers; raises CannotStart."""
    try:
        fake = _make_fake(options)
        authority = _make_authority(options)
    except OSError as error:  # OpenSSL reads certificates from files only
        reason = error.strerror or error
        raise CannotStart(
            f"TLS needs a temporary directory that can be written: {reason}"
        ) from None
    except (ValueError, ImportError) as error:
        raise CannotStart(error) from None
    log = Log(as_json=options.log == "json")
    log.take(quiet=options.quiet)
    if options.load is not None:
        if options.load == options.dump and not options.load.exists():
            log.say(f"{options.load} does not exist yet; the state is empty")
        else:
            _load(fake, options.load, options)
    report: Any = (
        (lambda exchange, seconds: None)
        if options.quiet
        else AccessLog(log.lines, bodies=options.verbose, as_json=log.as_json)
    )
    host, port = options.host, options.port
    entrance = entrance_by(authority)
    with _listening("--port", host, port):
        server = Server(fake, host, port, fake.limits, entrance=entrance, report=report)
    proxy = None
    if authority is not None and options.proxy is not None:
        from fakescale.server.proxy import Proxy

        with _listening("--proxy", "127.0.0.1", options.proxy):
            proxy = Proxy(fake, authority, options.proxy, fake.limits, report=report)
    if options.labeler is not None:
        from fakescale import labelers

        fake._begin_with(getattr(labelers, options.labeler)(seed=options.seed))
    if options.demo:
        _demo(fake, options, log)
    fake.origin = server.origin
    try:
        for file in options.init:
            _init(fake, file, options)
    except CannotStart:
        server.socket.close()
        raise
    return Started(fake, authority, server, proxy, log)


def _demo(fake: FakeScale, options: argparse.Namespace, log: Log) -> None:
    """Fill a fake with things to look at, unless it was loaded with them."""
    from fakescale import demo

    try:
        demo.fill(fake, seed=options.seed)
    except Conflict:
        log.say("the loaded state has the demo already")


def _make_fake(options: argparse.Namespace) -> FakeScale:
    given = {it.name: getattr(options, it.name) for it in dataclasses.fields(Limits)}
    limits = {name: value for name, value in given.items() if value is not None}
    return FakeScale(
        seed=options.seed,
        api_keys=options.api_key,
        complete_after=options.complete_after,
        limits=dataclasses.replace(DEFAULTS, **limits),
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
def _listening(flag: str, host: str, port: int) -> Iterator[None]:
    """Turn the error of an address that cannot be listened on into CannotStart."""
    try:
        yield
    except (OSError, UnicodeError) as error:
        hint = ""
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            hint = f"; {flag} 0 picks a free port"
        raise CannotStart(f"cannot listen on {host}:{port}: {error}{hint}") from None


def _load(fake: FakeScale, file: Path, options: argparse.Namespace) -> None:
    with _reading(file), _without_collections(), progress(f"loading {file}") as note:
        text = file.read_text("utf-8-sig")
        note(f"{len(text) / 1e6:.1f} MB")
        _add(fake, read_file(text), options)


def _add(fake: FakeScale, content: Any, options: argparse.Namespace) -> None:
    """Load a dump, or tasks into the world of the first key."""
    is_test = bool(options.api_key) and read_key(options.api_key[0]).is_test
    if is_test and not (isinstance(content, dict) and "fakescale" in content):
        fake.test.tasks._load(printed_tasks(content), is_json=True)
    else:
        fake._load(content)


@contextlib.contextmanager
def _without_collections() -> Iterator[None]:
    """Collect no garbage, since all that is loaded stays, and walking it takes a while."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _init(fake: FakeScale, file: Path, options: argparse.Namespace) -> None:
    """Do the control calls in ``file``, or load it."""
    with _reading(file):
        text = file.read_text("utf-8-sig")
        try:
            content: Any = decode(text)
        except ValueError:
            content = None
        # A whole file of JSON that is no dump and no page holds calls, as a line does.
        if isinstance(content, list) or (
            isinstance(content, dict) and {"fakescale", "docs"} & content.keys()
        ):
            _add(fake, content, options)
        elif content is not None:
            _call(fake, content)
        else:
            for number, line in enumerate(text.splitlines(), 1):
                if line.strip():
                    with _reading(f"{file}, line {number}"):
                        _call(fake, read_file(line))


def _call(fake: FakeScale, calls: Any) -> None:
    """Do control calls, each a member: the operation and its arguments."""
    from fakescale.api.control import run
    from fakescale.api.operations import operations
    from fakescale.values.frozen import freeze

    if not isinstance(calls, dict) or not all(isinstance(it, dict) for it in calls.values()):
        raise ValueError('it must be like {"tasks.create": {"type": "chat"}}')
    known = operations(type(fake))
    for name, arguments in calls.items():
        if name not in known:
            raise ValueError(f"there is no operation {name!r}")
        run(fake, known[name], freeze(arguments))


@contextlib.contextmanager
def _reading(file: object) -> Iterator[None]:
    """Turn the error of a file that cannot be loaded into CannotStart, which names it."""
    try:
        yield
    except OSError as error:
        raise CannotStart(f"cannot load {file}: {error.strerror or error}") from None
    except (ValueError, ApiError) as error:
        raise CannotStart(f"cannot load {file}: {error}") from None


# The run.


def _run(started: Started, options: argparse.Namespace) -> None:
    fake, authority, server, proxy, log = started
    server.stop_at(*_signals(), again=_end_at_once)
    # The objects made so far live to the end, so collections should not walk them. The fake
    # holds no cycles, and young ones are collected early: no full collection is worth its pause.
    gc.freeze()
    gc.set_threshold(700, 10, 10_000)
    with contextlib.ExitStack() as stack:
        stack.enter_context(log.lines)
        logging.captureWarnings(True)  # else one could wait for the reader of standard error
        ca = stack.enter_context(_saved(authority, options.tls_ca)) if authority else None
        stack.callback(_end, fake, options, log)  # once all that follows has ended
        if proxy is not None:
            stack.enter_context(running(proxy))
        stack.enter_context(fake.running())
        # A pipe that nobody reads must not hold up the start.
        output = stack.enter_context(Lines(sys.stdout, pause=0))
        # A key that was given may be a secret, and the output may be a log.
        key = '"$KEY:"' if options.api_key else f"'{fake.api_key}:'"
        output.write(_announcement(server, key, ca, proxy) + _page(server, options))
        if not is_loopback(server.host):
            for name, reason in _BEYOND_LOOPBACK.items():
                if not getattr(options, name):
                    log.say(f"{reason} (listening on {server.host})", "warning")
        server.serve_forever()


def _signals() -> list[int]:
    numbers = {name: getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)}
    if "SIGHUP" in numbers and signal.getsignal(numbers["SIGHUP"]) == signal.SIG_IGN:  # by nohup
        del numbers["SIGHUP"]
    return [*numbers.values()]


def _end_at_once(number: int) -> None:
    saving.remove_temporary()
    os._exit(128 + number)


def _end(fake: FakeScale, options: argparse.Namespace, log: Log) -> None:
    """Write the dump, or tell how many tasks are gone; exits with status 1 if that fails."""
    if options.dump is None:
        number = sum(
            len(fake.world(name, test=is_test).tasks)
            for name in fake.accounts()
            for is_test in (False, True)
        )
        if number and not options.quiet:
            are = "task is" if number == 1 else "tasks are"
            log.say(f"{number} {are} gone; --dump FILE keeps the state for --load")
        return
    with progress(f"dumping the state to {options.dump}"):
        failure = saving.save_or_tell(options.dump, encode(fake.dump()))
    if failure is not None:
        log.say(failure, "error")
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


def _page(server: Server, options: argparse.Namespace) -> str:
    """Return the line with the address of the page, with the control token for a person to use.

    A fragment is neither sent nor logged. But a file with the output may be read by others.
    """
    is_shown = options.control_token is not None and sys.stdout is not None and sys.stdout.isatty()
    fragment = f"#token={quote(options.control_token, safe='')}" if is_shown else ""
    return f"  look at {server.origin}{PAGE}{fragment}\n"


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
                written = saving.save(file, authority.pem.encode(), 0o644)
            except OSError as error:
                raise CannotStart(f"cannot write {file}: {error.strerror}") from None
            if written is not None:
                saving.temporary.add(str(written))
                stack.callback(_remove, written)
        yield path


def _remove(file: Path) -> None:
    with contextlib.suppress(OSError):  # one that is mounted on its own stays
        file.unlink()
