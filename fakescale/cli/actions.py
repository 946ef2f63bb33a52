"""The functions of the commands.

Each gets the `Client` and the parsed arguments, and returns JSON-able data. Parts of the package
that are heavy are imported where they are used. The file is over 300 lines, since it has a short
function for each of many commands.
"""

import argparse
import contextlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fakescale.cli import kinds
from fakescale.cli.client import Client, NotFound, Refused
from fakescale.cli.progress import progress
from fakescale.cli.tables import escaped
from fakescale.values.paths import pattern

Options = argparse.Namespace
Rows = Sequence[Mapping[str, Any]]

_WAIT_SECONDS = 1  # for an event; a server that ends waits so long for the call


# The worlds of a server.


def _worlds(client: Client, options: Options) -> Iterator[dict[str, Any]]:
    """Yield the account and mode of each world that the flags select; by default, of all."""
    accounts = client.call("accounts") if options.account is None else [options.account]
    for account in accounts:
        for test in (False, True):
            if not (options.live if test else options.test):
                yield {"account": account, "test": test}


def _world(options: Options) -> dict[str, Any]:
    """Return the world in which to create; by default the live world of the server's account."""
    return {"account": options.account, "test": options.test}


def _listed(client: Client, options: Options, operation: str, **filters: Any) -> list[Any]:
    """Return the list of an operation in the selected worlds, newest first."""
    found = [
        _placed(it, world)
        for world in _worlds(client, options)
        for it in client.call(operation, **filters, **world)
    ]
    return sorted(found, key=lambda it: it["created_at"], reverse=True)


def _placed(shown: Mapping[str, Any], world: Mapping[str, Any]) -> dict[str, Any]:
    mode = "test" if world["test"] else "live"
    place = {"account": world["account"], "mode": mode}
    return {**shown, **{name: it for name, it in place.items() if it is not None}}


def _home(client: Client, options: Options) -> dict[str, Any]:
    """Return the world that has the task of the argument ``id``."""
    for world in _worlds(client, options):
        try:
            client.call("tasks.get", task_id=options.id, **world)
        except NotFound:
            continue
        return world
    where = "any account" if options.account is None else f"the account {options.account}"
    raise Refused(f"There is no task {options.id} in {where}. `fakescale tasks` lists all tasks.")


# Tasks.


def tasks(client: Client, options: Options) -> Rows:
    """Return the tasks of the selected worlds."""
    names = ("status", "type", "project", "batch", "unique_id")
    filters = {name: getattr(options, name) for name in names}
    return _listed(client, options, "tasks.list", **filters)[: options.limit]


def on_task(operation: str, *names: str) -> Callable[[Client, Options], Rows]:
    """Return the function of a command that does ``operation`` to one task."""

    def run(client: Client, options: Options) -> Rows:
        world = _home(client, options)
        arguments = {name: getattr(options, name) for name in names}
        task = client.call(operation, task_id=options.id, **arguments, **world)
        return [_placed(task, world)]

    return run


def show(client: Client, options: Options) -> Any:
    """Return a task as the API prints it."""
    return client.call("tasks.get", task_id=options.id, **_home(client, options))


def draw(client: Client, options: Options) -> str:
    """Return the picture of a task's response."""
    told = {"task_id": options.id, "frame": options.frame, "without": options.without}
    return str(client.call("tasks.drawing", **told, **_home(client, options))["svg"])


def create(client: Client, options: Options) -> Rows:
    """Create a task, and return it."""
    body: dict[str, Any] = {}
    if options.example:
        body = _type(options.type)["example"]
        # These would have to exist, or be new.
        body = {it: body[it] for it in body if it not in ("project", "batch", "unique_id")}
    body |= options.body or {}
    body |= dict(options.member)
    world = _world(options)
    return [_placed(client.call("tasks.create", **{"type": options.type, **body, **world}), world)]


def redeliver(client: Client, options: Options) -> Rows:
    """Send the callback of a task again, and return it with its outcome."""
    world = _home(client, options)
    client.call("tasks.send_callback", task_id=options.id, **world)
    client.call("callbacks.deliver", account=world["account"])
    return callbacks(client, options)[-1:]


def callbacks(client: Client, options: Options) -> Rows:
    """Return the callbacks, those of the argument ``id`` if it is given."""
    told = client.call("callbacks.list", account=options.account)
    return [
        {**it, "tries": len(it["attempts"]), "answer": _outcome(it["attempts"])}
        for it in told
        if options.id in (None, it["subject"])
    ]


def _outcome(attempts: Sequence[Mapping[str, Any]]) -> Any:
    return attempts[-1]["status"] or attempts[-1]["error"] if attempts else None


# Requests.


def requests(client: Client, options: Options) -> "Rows | Iterator[Any]":
    """Return the latest exchanges; with ``--follow``, an iterator of those and all to come."""
    if options.follow:
        return _follow(client, options)
    # Only this side knows which were refused.
    limit = None if options.refused else options.limit
    return _latest(map(_exchange, _exchanges(client, options, limit=limit)), options)


def _exchanges(client: Client, options: Options, **more: Any) -> list[Any]:
    names = ("method", "path", "status", "account")
    filters = {name: getattr(options, name) for name in names}
    listed: list[Any] = client.call("requests.list", **filters, **more)
    return listed


def _exchange(shown: Mapping[str, Any]) -> dict[str, Any]:
    target = shown["path"] + (f"?{shown['query']}" if shown["query"] else "")
    return {**shown, "target": target, "error": _error(shown)}


def _error(shown: Mapping[str, Any]) -> Any:
    try:
        told = json.loads(shown["answer"])["error"] if shown["status"] >= 400 else None
    except (ValueError, LookupError, TypeError):
        told = None
    return told or (shown["fault"] and f"fault: {shown['fault']}")


def _latest(rows: Iterable[Mapping[str, Any]], options: Options) -> Rows:
    wanted = [it for it in rows if _is_wanted(it, options)]
    return wanted[max(0, len(wanted) - options.limit) :]


def _is_wanted(exchange: Mapping[str, Any], options: Options) -> bool:
    return not options.refused or exchange["status"] >= 400 or exchange["status"] == 0


def _is_asked(exchange: Mapping[str, Any], options: Options) -> bool:
    """Return whether an exchange passes the filters that ``requests.list`` has too."""
    part = exchange["target" if options.path and "?" in options.path else "path"]
    paths = [] if options.path is None else [options.path, f"/v1{options.path}"]
    return (
        options.method in (None, exchange["method"])
        and options.status in (None, exchange["status"])
        and (not paths or any(pattern(it).fullmatch(part) for it in paths))
    )


def _follow(client: Client, options: Options) -> Iterator[Any]:
    """Yield the latest exchanges, and then each as it ends."""
    for events in _tail(client, kind="request", account=options.account):
        exchanges = (_exchange(it["exchange"]) for it in events)
        asked = [it for it in exchanges if _is_asked(it, options)]
        yield from _latest(asked, options)


def events(client: Client, options: Options) -> "Rows | Iterator[Any]":
    """Return the latest events; with ``--follow``, an iterator of those and all to come."""
    chosen = {"kind": options.kind, "subject": options.id, "account": options.account}
    if options.follow:
        pages = _tail(client, **chosen)
        return (_event(it) for page in pages for it in page[max(0, len(page) - options.limit) :])
    return [_event(it) for it in client.call("events.list", **chosen)[-options.limit :]]


def _event(shown: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event with a column for people: what happened, in a few words."""
    if shown["exchange"] is not None:
        exchange = _exchange(shown["exchange"])
        told = [exchange[name] for name in ("method", "target", "status", "error")]
        return {**shown, "what": " ".join(str(it) for it in told if it is not None)}
    what = shown["what"].items()
    told = [f"{name}={it}" for name, it in what if it is not None and name != "traceback"]
    return {**shown, "what": " ".join(told)}


def _tail(client: Client, **chosen: Any) -> Iterator[Rows]:
    """Yield the events so far, and then those that come, each time there are some."""
    after = 0
    while True:
        page = client.call("events.list", after=after, **chosen)
        if page:
            after = page[-1]["number"]
            yield page
        with contextlib.suppress(Refused):  # none came in time
            client.call("events.wait_for", after=after, timeout=_WAIT_SECONDS, **chosen)


# Nouns with actions.

# The actions of each noun, each with the argument that the first word after it gives.
_ACTIONS: Mapping[str, Mapping[str, str | None]] = {
    "projects": {"create": "name", "set_params": "name", "archive": "name"},
    "batches": {"create": "name", "finalize": "name", "prioritize": "name", "archive": "name"},
    "faults": {
        "add": None,
        "outage": None,
        "rate_limit": None,
        "lost_answer": None,
        "remove": "fault",
        "clear": None,
    },
}


def noun(name: str) -> Callable[[Client, Options], Any]:
    """Return the function of a command that lists a noun, or does an action to one."""

    def run(client: Client, options: Options) -> Any:
        action, *words = options.word or ["list"]
        if action == "list" and not words:
            if name == "faults":
                return client.call("faults.list")
            return _listed(client, options, f"{name}.list")
        if action not in _ACTIONS[name]:
            raise argparse.ArgumentTypeError(
                f"{action!r} is not one of: {', '.join(['list', *_ACTIONS[name]])}"
            )
        if (name, action) == ("faults", "clear"):
            for fault in client.call("faults.list"):
                client.call("faults.remove", fault=fault["id"])
            return client.call("faults.list")
        arguments = _arguments(words, _ACTIONS[name][action])
        world = {"account": options.account} if name == "faults" else _world(options)
        if action == "remove":
            world = {}
        result = client.call(f"{name}.{action}", **{**world, **arguments})
        if result is None:
            return client.call(f"{name}.list", **world)
        rows = result if isinstance(result, list) else [result]
        return rows if name == "faults" else [_placed(it, world) for it in rows]

    return run


def _arguments(words: Sequence[str], first: str | None) -> dict[str, Any]:
    """Return the arguments that ``words`` give; the first word may give only a value."""
    placed = {}
    if first is not None and words and "=" not in words[0]:
        is_number = first == "fault"
        placed = {first: kinds.count(words[0]) if is_number else words[0]}
        words = words[1:]
    return placed | dict(map(kinds.member, words))


# The whole server.


def advance(client: Client, options: Options) -> str:
    """Move the clock forward, and return its time."""
    client.call("advance", seconds=options.time)
    return str(client.call("now"))


def reset(client: Client, options: Options) -> str:
    """Forget everything, or all that belongs to one account."""
    client.call("reset", account=options.account)
    return f"{'everything' if options.account is None else options.account} is forgotten"


def dump(client: Client, options: Options) -> str | None:
    """Write the state to a file, or print it."""
    content = client.dump()
    if options.file is None:
        print(content.decode())
        return None
    from fakescale import saving

    try:
        saving.save(options.file, content)
    except OSError as error:
        raise Refused(f"cannot write {options.file}: {error.strerror or error}") from None
    return f"the state is in {options.file}"


def load(client: Client, options: Options) -> str:
    """Load a dump, or printed tasks, from a file; shows its progress."""
    with progress(f"loading {options.file}") as note:
        try:
            is_input = options.file == Path("-")
            content = sys.stdin.buffer.read() if is_input else options.file.read_bytes()
            content = content.removeprefix(b"\xef\xbb\xbf")
            json.loads(content)
        except (OSError, ValueError, RecursionError) as error:
            reason = getattr(error, "strerror", None) or error
            raise argparse.ArgumentTypeError(f"cannot load {options.file}: {reason}") from None
        client.load(content, note)
    return f"{options.file} is loaded"


def health(client: Client, options: Options) -> str:
    """Return "ok" if the server works."""
    return str(client.health())


# Without a server.


def types(client: Client, options: Options) -> Any:
    """Return all task types, or the facts of one."""
    from fakescale.account import task_types

    if options.name is not None:
        return _type(options.name)
    return [
        {"type": name, "summary": task_types.facts(name)["summary"]} for name in task_types.names()
    ]


def _type(name: str) -> dict[str, Any]:
    from fakescale.account import task_types
    from fakescale.values.errors import ApiError

    try:
        name = task_types.required(name)
    except ApiError as error:
        raise Refused(str(error)) from None
    facts = task_types.facts(name)
    return {
        "type": name,
        "summary": facts["summary"],
        "required": [*facts["required"], *map(" or ".join, facts["any_of_required"])],
        "members": {
            member: schema.get("description", "")
            for member, schema in task_types.schema(name)["properties"].items()
        },
        "example": dict(task_types.example(name)[0]),
    }


def openapi(client: Client, options: Options) -> Any:
    """Return the OpenAPI document of the API."""
    from fakescale.api.openapi import document

    return document(
        f"http://{options.host}:{options.port}", version=options.api, strict=options.strict
    )


def import_(client: Client, options: Options) -> None:
    """Print the state that files show, as a dump; shows its progress."""
    from fakescale.recordings.importing import state_of
    from fakescale.values.answer import encode

    if not options.file:
        raise argparse.ArgumentTypeError("import needs a FILE (see `fakescale import --help`)")
    with progress("reading the recordings"):
        try:
            data = state_of(options.file, account=options.account)
        except (ValueError, ImportError) as error:
            raise argparse.ArgumentTypeError(f"cannot import: {error}") from None
    print(encode(data).decode())


def record(client: Client, options: Options) -> None:
    """Run a command behind the proxy; exits with the status of the command."""
    from fakescale.fake import FakeScale
    from fakescale.recordings import recorder
    from fakescale.values.errors import ApiError

    if options.out is None or not options.command:
        raise argparse.ArgumentTypeError("record needs --out FILE -- COMMAND")
    fake = FakeScale(seed=options.seed, complete_after=options.complete_after)
    if options.load is not None:
        if kinds.is_same_file(options.out, options.load):
            raise argparse.ArgumentTypeError(f"--out {options.out} would overwrite {options.load}")
        try:
            fake.load(options.load)
        except (OSError, ApiError) as error:
            reason = getattr(error, "strerror", None) or error
            raise argparse.ArgumentTypeError(f"cannot load {options.load}: {reason}") from None
    if options.labeler is not None:
        from fakescale import labelers

        fake.labeler = getattr(labelers, options.labeler)(seed=options.seed)
    try:
        status = recorder.record(options.command, options.out, fake)
    except ImportError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    except OSError as error:
        name = escaped(str(error.filename or options.command[0]))
        print(f"fakescale: cannot record: {name}: {error.strerror or error}", file=sys.stderr)
        raise SystemExit(127 if isinstance(error, FileNotFoundError) else 126) from None
    if not fake.requests:
        print(
            "fakescale: recorded 0 exchanges; a command that ignores HTTPS_PROXY"
            " may have talked to the real API",
            file=sys.stderr,
        )
    raise SystemExit(status)
