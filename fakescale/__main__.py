"""The command ``fakescale``: the fake as a process of its own."""

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
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fakescale.account.printed import printed_tasks, read_file
from fakescale.fake import FakeScale
from fakescale.server.access_log import AccessLog
from fakescale.server.limits import Limits
from fakescale.server.server import Server, entrance_by, running
from fakescale.values.errors import ApiError
from fakescale.values.hosts import HOST, is_loopback
from fakescale.values.keys import read_key

if TYPE_CHECKING:
    from fakescale.server.certificates import Authority
    from fakescale.server.proxy import Proxy


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGINT or SIGTERM; exit with 2 when that can't be begun.

    Or else print the OpenAPI document.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command == "openapi":
        from fakescale.api.openapi import document

        _print(json.dumps(document(f"http://{options.host}:{options.port}/v1"), indent=1))
        return
    logging.basicConfig(
        stream=sys.stderr,
        format="%(asctime)s %(message)s",
        level=logging.INFO,
    )
    try:
        fake, authority, server, proxy = _start(options)
    except _CannotStart as error:
        parser.exit(2, f"fakescale: {error}\n")
    server.stop_at(signal.SIGINT, signal.SIGTERM)
    # What is there stays to the end: a full collection would walk through it for nothing.
    # None is worth its pause, since what the fake holds has no cycles: young ones go before.
    gc.freeze()
    gc.set_threshold(700, 10, 10_000)
    with (
        _saved(authority, options.tls_ca) if authority else contextlib.nullcontext() as ca,
        running(proxy) if proxy else contextlib.nullcontext(),
        fake.running(),
    ):
        _announce(server, options.api_key[0] if options.api_key else fake.api_key, ca, proxy)
        if options.control_token is None and not is_loopback(server.host):
            print(
                f"fakescale: control over HTTP is off, since {server.host} is not a loopback"
                " address and there is no --control-token",
                file=sys.stderr,
                flush=True,
            )
        server.serve_forever()
    if options.dump is not None:
        _write(options.dump, json.dumps(fake.dump()))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fakescale", description="Serve a fake of Scale AI's task API, held in memory."
    )
    add = parser.add_argument
    add(
        "command",
        nargs="?",
        choices=["openapi"],
        help="print the OpenAPI document of what would be served, and end",
    )
    add("--host", default="127.0.0.1", help="the address to listen on (%(default)s)")
    add("--port", type=_port, default=8675, help="the port; 0 picks a free one (%(default)s)")
    add(
        "--api-key",
        action="append",
        default=[],
        metavar="KEY",
        help="accept this key and no others but further ones given so: live_NAME, test_NAME"
        " or NAME|test; by default any such key is accepted",
    )
    add(
        "--complete-after",
        type=_seconds,
        metavar="SECONDS",
        help="complete live tasks, with made-up responses, when they were pending this long",
    )
    add(
        "--callback-host",
        action="append",
        default=[],
        metavar="HOST",
        help="send callbacks to this host too, besides loopback; may be given again",
    )
    add(
        "--load",
        type=Path,
        metavar="FILE",
        help="begin with what --dump wrote, or with these tasks: a JSON array, or a page, of tasks"
        " as the API prints them; they go to the account of the first --api-key",
    )
    add(
        "--dump",
        type=_writable,
        metavar="FILE",
        help="write the whole state there at the end, for --load",
    )
    add(
        "--allow-host",
        action="append",
        default=[],
        metavar="HOST",
        help="answer requests whose Host header names this host too; may be given again; by"
        " default only a loopback name and the --host",
    )
    add(
        "--control-token",
        default=os.environ.get("FAKESCALE_CONTROL_TOKEN"),
        metavar="TOKEN",
        help="answer control calls only with `Authorization: Bearer TOKEN`; by default that of"
        " the environment variable FAKESCALE_CONTROL_TOKEN, if it is set",
    )
    add(
        "--tls",
        action="store_true",
        help="serve https as well as http, with a certificate of a CA that is made for this run;"
        " the file to trust is printed, and removed at the end",
    )
    add(
        "--tls-ca",
        type=_writable,
        metavar="FILE",
        help="--tls, with that file there instead of in a temporary one",
    )
    add(
        "--proxy",
        type=_port,
        metavar="PORT",
        help=f"--tls, and be a proxy on this port of loopback, by which HTTPS_PROXY makes"
        f" https://{HOST} the fake; 0 picks a free one",
    )
    for limit in dataclasses.fields(Limits):
        add(
            f"--{limit.name.replace('_', '-')}",
            type=type(limit.default),
            default=limit.default,
            metavar="NUMBER",
            help=f"{limit.metadata['meaning']} (%(default)s)",
        )
    add("--verbose", action="store_true", help="log the bodies of requests and answers too")
    return parser


def _print(text: str) -> None:
    """Print ``text``; who reads it may have had enough before its end, as ``head`` has."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # Or else the interpreter would complain when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 0xFFFF:
        raise argparse.ArgumentTypeError(f"{text!r} is no port, which is 0 to 65535")
    return int(text)


def _seconds(text: str) -> dt.timedelta:
    try:
        return dt.timedelta(seconds=float(text))
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds") from None


def _writable(text: str) -> Path:
    file = Path(text)
    if file.is_dir() or not os.access(file.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"{text!r} cannot be written")
    return file


class _CannotStart(Exception):
    """One line on what is wrong with the options."""


def _start(
    options: argparse.Namespace,
) -> tuple[FakeScale, "Authority | None", Server, "Proxy | None"]:
    authority = proxy = None
    try:
        limits = {it.name: getattr(options, it.name) for it in dataclasses.fields(Limits)}
        fake = FakeScale(
            api_keys=options.api_key,
            complete_after=options.complete_after,
            limits=Limits(**limits),
            callback_hosts=options.callback_host,
            allow_hosts=options.allow_host,
            control_token=options.control_token,
        )
        if options.tls or options.tls_ca is not None or options.proxy is not None:
            from fakescale.server.certificates import Authority

            authority = Authority(HOST, options.host, *options.allow_host)
    except (ValueError, ImportError) as error:
        raise _CannotStart(error) from None
    if options.load is not None:
        _load(fake, options.load, options.api_key)
    host, port = options.host, options.port
    report = AccessLog(sys.stderr, bodies=options.verbose)
    try:
        entrance = entrance_by(authority)
        server = Server(fake, host, port, fake.limits, entrance=entrance, report=report)
        if authority is not None and options.proxy is not None:
            from fakescale.server.proxy import Proxy

            host, port = "127.0.0.1", options.proxy
            proxy = Proxy(fake, authority, port, fake.limits, report=report)
    except (OSError, UnicodeError) as error:
        raise _CannotStart(f"cannot listen on {host}:{port}: {error}") from None
    fake.origin = server.origin
    return fake, authority, server, proxy


def _announce(server: Server, key: str, ca: str | None, proxy: "Proxy | None") -> None:
    """Say that it can answer, and how to ask."""
    url = f"{server.origin}/v1"
    trust = "" if ca is None else f"--cacert {shlex.quote(ca)} "
    lines = [f"fakescale listens on {url}", f"  curl {trust}-u '{key}:' {url}/tasks"]
    if proxy is not None and ca is not None:
        from fakescale.server.proxy import environment

        variables = environment(proxy.origin, ca).items()
        lines.append(f"fakescale is https://{HOST} to what is started after")
        lines.append("  export " + " ".join(f"{name}={shlex.quote(it)}" for name, it in variables))
    print("\n".join(lines), flush=True)


@contextlib.contextmanager
def _saved(authority: "Authority", file: Path | None) -> Iterator[str]:
    """Keep the certificate to trust in a file, by default a temporary one; give its path."""
    if file is None:
        with authority.saved() as path:
            yield path
        return
    _write(file, authority.pem, 0o644)  # for other users, and containers, to read
    try:
        yield str(file.absolute())
    finally:
        file.unlink(missing_ok=True)


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


def _write(file: Path, text: str, mode: int = 0o600) -> None:
    """Write ``text`` to ``file``, which never holds half of it."""
    with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False) as new:
        new.write(text)
    os.chmod(new.name, mode)
    os.replace(new.name, file)


if __name__ == "__main__":
    main()
