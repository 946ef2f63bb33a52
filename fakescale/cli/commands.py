"""The commands: a table, and the function of each.

A function gets the `Client` and the parsed arguments, and returns JSON-able data. Commands that
ask no server, and everything heavy, are imported when they are used. The file is over 300 lines,
since the table and the functions of its rows stay together.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fakescale.cli import kinds
from fakescale.cli.client import Client, NotFound, Refused
from fakescale.cli.flags import HOST, PORT, Flag

Options = argparse.Namespace
Rows = Sequence[Mapping[str, Any]]

_POLL_SECONDS = 0.3


class Command(NamedTuple):
    """A command that is not ``serve``."""

    #: The heading in ``fakescale --help``.
    group: str
    #: A whole sentence.
    help: str
    #: Does the work.
    run: Callable[[Client, Options], Any]
    #: The arguments and flags of its own.
    arguments: Sequence[Flag] = ()
    #: The columns of a table; without any, a text is printed as it is, and other data as JSON.
    columns: Sequence[str] = ()
    #: An example for ``--help``.
    example: str = ""
    #: Whether it asks a server.
    asks: bool = True


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


def _on_task(operation: str, *names: str) -> Callable[[Client, Options], Rows]:
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
    # The server would count those that are not refused too.
    told = [_exchange(it) for it in _exchanges(client, options)]
    return _latest(told, options)


def _exchanges(client: Client, options: Options, since: str | None = None) -> list[Any]:
    names = ("method", "path", "status", "account")
    filters = {name: getattr(options, name) for name in names}
    listed: list[Any] = client.call("requests.list", since=since, **filters)
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


def _latest(exchanges: Iterable[Mapping[str, Any]], options: Options) -> Rows:
    wanted = [it for it in exchanges if _is_wanted(it, options)]
    return wanted[max(0, len(wanted) - options.limit) :]


def _is_wanted(exchange: Mapping[str, Any], options: Options) -> bool:
    return not options.refused or exchange["status"] >= 400 or exchange["status"] == 0


def _follow(client: Client, options: Options) -> Iterator[Any]:
    """Yield the latest exchanges, and then each as it comes."""
    latest = _exchanges(client, options)
    yield from _latest(map(_exchange, latest), options)
    while True:
        since = latest[-1]["when"] if latest else None
        # `since` includes the exchanges of its own millisecond, which have been told.
        told = sum(it["when"] == since for it in latest)
        time.sleep(_POLL_SECONDS)
        news = _exchanges(client, options, since)
        if since is not None and not news:  # a reset has forgotten them
            latest = []
            continue
        yield from (it for it in map(_exchange, news[told:]) if _is_wanted(it, options))
        latest = news or latest


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


def _noun(noun: str) -> Callable[[Client, Options], Any]:
    """Return the function of a command that lists a noun, or does an action to one."""

    def run(client: Client, options: Options) -> Any:
        action, *words = options.word or ["list"]
        if action == "list" and not words:
            is_fault = noun == "faults"
            return (
                client.call("faults.list") if is_fault else _listed(client, options, f"{noun}.list")
            )
        if action not in _ACTIONS[noun]:
            raise argparse.ArgumentTypeError(
                f"{action!r} is not one of: {', '.join(['list', *_ACTIONS[noun]])}"
            )
        if (noun, action) == ("faults", "clear"):
            for fault in client.call("faults.list"):
                client.call("faults.remove", fault=fault["id"])
            return client.call("faults.list")
        arguments = _arguments(words, _ACTIONS[noun][action])
        world = {"account": options.account} if noun == "faults" else _world(options)
        if action == "remove":
            world = {}
        result = client.call(f"{noun}.{action}", **{**world, **arguments})
        if result is None:
            return client.call(f"{noun}.list", **world)
        rows = result if isinstance(result, list) else [result]
        return rows if noun == "faults" else [_placed(it, world) for it in rows]

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
    return (
        "everything is forgotten" if options.account is None else f"{options.account} is forgotten"
    )


def dump(client: Client, options: Options) -> str | None:
    """Write the state to a file, or return it as text."""
    content = client.dump().decode()
    if options.file is None:
        return content
    from fakescale import saving

    try:
        saving.save(options.file, content)
    except OSError as error:
        raise Refused(f"cannot write {options.file}: {error.strerror or error}") from None
    return f"the state is in {options.file}"


def load(client: Client, options: Options) -> str:
    """Load a dump, or printed tasks, from a file."""
    try:
        is_input = options.file == Path("-")
        content = sys.stdin.buffer.read() if is_input else options.file.read_bytes()
        content = content.removeprefix(b"\xef\xbb\xbf")
        json.loads(content)
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        raise argparse.ArgumentTypeError(f"cannot load {options.file}: {reason}") from None
    client.load(str(options.file), content)
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

    return document(f"http://{options.host}:{options.port}/v1", strict=options.strict)


# The table.


def _flag(name: str, help: str, **more: Any) -> Flag:
    return Flag(name, help, **{"group": "Flags", "has_variable": False, **more})


_ACCOUNT = Flag("--account", "Only this account.", "Flags", "-a", str, "NAME")
_TEST = _flag("--test", "Only test mode.", default=False)
_LIVE = _flag("--live", "Only live mode.", default=False)
_WORLDS = (_ACCOUNT, _TEST, _LIVE)
_ID = Flag("id", "The id of the task.", metavar="ID")
_RESPONSE = Flag(
    "response",
    "The response with your labels: JSON, a file of JSON, or - for standard input. By default, one"
    " is made up.",
    kind=kinds.json_value,
    metavar="RESPONSE",
    optional=True,
)
_WORDS = Flag(
    "word",
    "An action with its arguments. Without one, all are listed.",
    several=True,
    metavar="ACTION",
)
_TASK = (
    "task_id",
    "status",
    "type",
    "account",
    "mode",
    "project",
    "batch",
    "unique_id",
    "created_at",
)
_CALLBACK = ("owed_at", "subject", "event", "state", "tries", "answer", "url", "next_at")
_SEE, _DO, _KEEP, _MORE = "See", "Steer", "Keep", "Without a server"

#: Every command but ``serve``, in the order of ``--help``.
COMMANDS: Mapping[str, Command] = {
    "tasks": Command(
        _SEE,
        "List the tasks of all accounts, newest first.",
        tasks,
        (
            _flag("--status", "Only tasks in this status.", kind=str, metavar="STATUS"),
            _flag("--type", "Only tasks of this type.", kind=str, metavar="TYPE"),
            _flag("--project", "Only tasks of this project.", kind=str, metavar="NAME"),
            _flag("--batch", "Only tasks of this batch.", kind=str, metavar="NAME"),
            _flag("--unique-id", "Only the task with this unique_id.", kind=str, metavar="TEXT"),
            _flag("--limit", "At most this many.", short="-n", kind=kinds.count, metavar="NUMBER"),
            *_WORLDS,
        ),
        _TASK,
        "fakescale tasks --status pending",
    ),
    "show": Command(_SEE, "Print a task as the API does.", show, (_ID, *_WORLDS)),
    "requests": Command(
        _SEE,
        "List the latest requests, with the reason of each refusal.",
        requests,
        (
            _flag("--refused", "Only those that were refused or went wrong.", default=False),
            _flag("--bodies", "Print the bodies of requests and answers too.", default=False),
            _flag("--follow", "Go on with each request that comes.", short="-f", default=False),
            _flag(
                "--limit",
                "At most this many.",
                short="-n",
                kind=kinds.count,
                metavar="NUMBER",
                default=50,
            ),
            _flag("--method", "Only this method.", kind=str, metavar="METHOD"),
            _flag(
                "--path",
                "Only this path. <name> stands for one segment, and * for any text.",
                kind=str,
                metavar="PATH",
            ),
            _flag("--status", "Only this status.", kind=kinds.count, metavar="STATUS"),
            _ACCOUNT,
        ),
        ("when", "account", "method", "target", "status", "error"),
        "fakescale requests --refused --bodies",
    ),
    "callbacks": Command(
        _SEE,
        "List the callbacks with their outcomes.",
        callbacks,
        (_ID._replace(help="Only those of this task or batch.", optional=True), _ACCOUNT),
        _CALLBACK,
    ),
    "projects": Command(
        _SEE,
        "List the projects, or create, set_params or archive one.",
        _noun("projects"),
        (_WORDS, *_WORLDS),
        ("name", "type", "account", "mode", "created_at"),
        "fakescale projects create pets type=imageannotation",
    ),
    "batches": Command(
        _SEE,
        "List the batches, or create, finalize, prioritize or archive one.",
        _noun("batches"),
        (_WORDS, *_WORLDS),
        ("name", "status", "project", "account", "mode", "created_at"),
        "fakescale batches finalize monday",
    ),
    "create": Command(
        _DO,
        "Create a task of a type.",
        create,
        (
            Flag("type", "The task type; `fakescale types` lists them.", metavar="TYPE"),
            Flag(
                "member",
                "A member of the body. The value is JSON, or else a text.",
                kind=kinds.member,
                metavar="NAME=VALUE",
                several=True,
            ),
            _flag(
                "--body",
                "The body: JSON, a file of JSON, or - for standard input.",
                kind=kinds.json_value,
                metavar="BODY",
            ),
            _flag("--example", "Begin with the example body of the type.", default=False),
            _ACCOUNT._replace(help="In this account; by default, in the server's own."),
            _TEST._replace(help="In test mode."),
        ),
        _TASK,
        "fakescale create imageannotation --example attachment=https://example.com/a.jpg",
    ),
    "complete": Command(
        _DO,
        "Complete a task, with your labels or made-up ones.",
        _on_task("tasks.complete", "response"),
        (_ID, _RESPONSE, *_WORLDS),
        _TASK,
        """fakescale complete ID '{"annotations": []}'""",
    ),
    "fail": Command(
        _DO,
        "Put a task into the status error.",
        _on_task("tasks.fail", "response"),
        (
            _ID,
            Flag("response", "The text of the error.", metavar="REASON", optional=True),
            *_WORLDS,
        ),
        _TASK,
        "fakescale fail ID 'The image cannot be read.'",
    ),
    "cancel": Command(
        _DO,
        "Cancel a task.",
        _on_task("tasks.cancel", "clear_unique_id"),
        (
            _ID,
            _flag("--clear-unique-id", "Free its unique_id for another task.", default=False),
            *_WORLDS,
        ),
        _TASK,
    ),
    "audit": Command(
        _DO,
        "Audit a completed task.",
        _on_task("tasks.audit", "result", "comments"),
        (
            _ID,
            Flag(
                "result", "The verdict: accepted, fixed, commented or rejected.", metavar="RESULT"
            ),
            _flag("--comments", "The comments of the audit.", kind=str, metavar="TEXT"),
            *_WORLDS,
        ),
        (*_TASK, "customer_review_status"),
        "fakescale audit ID rejected --comments 'A cat is missing.'",
    ),
    "redeliver": Command(
        _DO,
        "Send the callback of a task again, and wait for the answer.",
        redeliver,
        (_ID, *_WORLDS),
        _CALLBACK,
    ),
    "faults": Command(
        _DO,
        "List the faults, or add, remove or clear them.",
        _noun("faults"),
        (_WORDS, _ACCOUNT),
        ("id", "method", "path", "account", "status", "delay", "reset", "lost", "times", "hits"),
        "fakescale faults add path=/v1/tasks status=503 times=2",
    ),
    "advance": Command(
        _DO,
        "Move the clock forward; whatever becomes due on the way happens.",
        advance,
        (
            Flag(
                "time",
                "The time to add: seconds, or like 90s, 25h, 1d12h.",
                kind=kinds.seconds,
                metavar="TIME",
            ),
        ),
        example="fakescale advance 25h",
    ),
    "reset": Command(_DO, "Forget everything, or one account.", reset, (_ACCOUNT,)),
    "dump": Command(
        _KEEP,
        "Write the state to a file, or to standard output.",
        dump,
        (Flag("file", "The file.", kind=kinds.writable, metavar="FILE", optional=True),),
        example="fakescale dump state.json",
    ),
    "load": Command(
        _KEEP,
        "Load a dump, which replaces the state, or tasks as the API prints them.",
        load,
        (Flag("file", "The file, or - for standard input.", kind=Path, metavar="FILE"),),
        example="fakescale load state.json",
    ),
    "health": Command(_KEEP, "Tell whether the server works, by the status.", health),
    "types": Command(
        _MORE,
        "List the task types, or print the members and an example of one.",
        types,
        (Flag("name", "The task type.", metavar="NAME", optional=True),),
        ("type", "summary"),
        asks=False,
    ),
    "openapi": Command(
        _MORE,
        "Print the OpenAPI document of the API.",
        openapi,
        (
            _flag(
                "--strict",
                "Describe what a client should send, for generators of clients, instead of all"
                " that is accepted.",
                default=False,
            ),
            HOST._replace(help="The host in the document.", group="Flags"),
            PORT._replace(help="The port in the document.", group="Flags"),
        ),
        asks=False,
    ),
}
