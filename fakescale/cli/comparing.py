"""The command ``compare``: recordings are compared with a fake."""

import argparse
import importlib.util
import sys
from collections.abc import Collection
from typing import Any

from fakescale.cli.actions import Options
from fakescale.cli.client import Client
from fakescale.cli.kinds import is_same_file
from fakescale.cli.progress import progress
from fakescale.cli.tables import escaped
from fakescale.values.hosts import HOST

_STEP = 500  # exchanges between two looks of the progress


def compare(client: Client, options: Options) -> Any:
    """Print the report of a comparison; exits with status 1 if something differs."""
    from fakescale.recordings.comparing import compare_exchanges
    from fakescale.recordings.reading import in_order

    if not options.file:
        raise argparse.ArgumentTypeError("compare needs a FILE (see `fakescale compare --help`)")
    _check_outputs(options)
    with progress("comparing the recordings") as note:
        number = 0

        def count(_: object) -> None:
            nonlocal number
            number += 1
            if number % _STEP == 0:
                note(f"{number} exchanges")

        try:
            report = compare_exchanges(
                in_order(options.file),
                mode=options.mode,
                allow=options.allow,
                facts=facts(),
                each=count,
            )
            if options.redact is not None:
                note("writing the redacted copy")
                _write_redacted(options)
        except (ValueError, ImportError) as error:
            found = getattr(error, "report", None)
            if found is None:
                raise argparse.ArgumentTypeError(f"cannot compare: {error}") from None
            report = found
    if options.junit is not None:
        _save(options.junit, report.to_junit())
    if report.error is not None and not report.exchanges:
        raise argparse.ArgumentTypeError(f"cannot compare: {report.error}")
    if options.json:
        import json

        print(json.dumps(report.to_json(), indent=1))
    else:
        print("\n".join(map(escaped, report.to_text().split("\n"))))
    if report.error is not None:
        raise argparse.ArgumentTypeError(f"cannot compare: {report.error}")
    _check_files(options, {it.file for it in report.exchanges})
    if not report.same:
        raise SystemExit(1)


def _check_files(options: Options, compared: Collection[str]) -> None:
    """Tell which files have no exchange of the API; raises an error if no file has one."""
    empty = [file for file in map(str, options.file) if file not in compared]
    if empty and not compared:
        raise argparse.ArgumentTypeError(f"no exchange with {HOST} in {', '.join(empty)}")
    for file in empty:
        print(f"fakescale: no exchange with {HOST} in {escaped(file)}", file=sys.stderr)


def facts() -> Any:
    """Return the function that finds facts of the contract, or None without its extra."""
    if not all(importlib.util.find_spec(name) for name in ("hypothesis", "pytest")):
        return None
    from fakescale.contract.facts import nearest

    return nearest


def _check_outputs(options: Options) -> None:
    """Raise an error if a file would be written over a recording, or over another output."""
    inputs = list(options.file)
    for flag in ("redact", "junit"):
        output = getattr(options, flag)
        for file in inputs if output is not None else ():
            if is_same_file(output, file):
                raise argparse.ArgumentTypeError(f"--{flag} {output} would overwrite {file}")
        inputs += [] if output is None else [output]


def _write_redacted(options: Options) -> None:
    from fakescale.recordings.reading import in_order
    from fakescale.recordings.redacting import redact
    from fakescale.recordings.writing import write

    try:
        write(options.redact, redact(in_order(options.file)))
    except OSError as error:
        raise _cannot_write(options.redact, error) from None


def _save(path: Any, text: str) -> None:
    from fakescale import saving

    try:
        saving.save(path, text.encode())
    except OSError as error:
        raise _cannot_write(path, error) from None


def _cannot_write(path: object, error: OSError) -> argparse.ArgumentTypeError:
    return argparse.ArgumentTypeError(f"cannot write {path}: {error.strerror or error}")
