"""The table of the commands, without ``serve``."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fakescale.cli import actions, comparing, kinds
from fakescale.cli.actions import Options
from fakescale.cli.client import Client
from fakescale.cli.flags import HOST, PORT, SERVE, Flag


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


def _flag(name: str, help: str, **more: Any) -> Flag:
    return Flag(name, help, **{"group": "Flags", "has_variable": False, **more})


def _flag_of_serve(name: str) -> Flag:
    [flag] = [it for it in SERVE if it.name == name]
    return flag._replace(group="Flags", has_variable=False)


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
_RECORDING = Flag(
    "file",
    "A recording: a cassette of vcrpy or VCR, a HAR file, or lines of JSON.",
    kind=Path,
    metavar="FILE",
    several=True,
)
_LATEST = _flag(
    "--limit", "List at most this many.", short="-n", kind=kinds.count, metavar="NUMBER", default=50
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
        actions.tasks,
        (
            _flag("--status", "List only tasks in this status.", kind=str, metavar="STATUS"),
            _flag("--type", "List only tasks of this type.", kind=str, metavar="TYPE"),
            _flag("--project", "List only tasks of this project.", kind=str, metavar="NAME"),
            _flag("--batch", "List only tasks of this batch.", kind=str, metavar="NAME"),
            _flag(
                "--unique-id", "List only the task with this unique_id.", kind=str, metavar="TEXT"
            ),
            _flag(
                "--limit", "List at most this many.", short="-n", kind=kinds.count, metavar="NUMBER"
            ),
            *_WORLDS,
        ),
        _TASK,
        "fakescale tasks --status pending",
    ),
    "show": Command(_SEE, "Print a task as the API does.", actions.show, (_ID, *_WORLDS)),
    "draw": Command(
        _SEE,
        "Print a picture of the response of a task: an SVG document.",
        actions.draw,
        (
            _ID,
            _flag(
                "--frame",
                "Draw this frame of a video, or page of a document, counted from 0.",
                kind=kinds.count,
                metavar="NUMBER",
                default=0,
            ),
            _flag(
                "--without",
                "Leave out this label. May be given more than once.",
                kind=str,
                metavar="LABEL",
                default=[],
                several=True,
            ),
            *_WORLDS,
        ),
        example="fakescale draw ID > task.svg",
    ),
    "requests": Command(
        _SEE,
        "List the latest requests, with the reason of each refusal.",
        actions.requests,
        (
            _flag("--refused", "List only those that were refused or went wrong.", default=False),
            _flag("--bodies", "Print the bodies of requests and answers too.", default=False),
            _flag("--follow", "Go on with each request that comes.", short="-f", default=False),
            _LATEST,
            _flag("--method", "List only requests with this method.", kind=str, metavar="METHOD"),
            _flag(
                "--path",
                "List only this path. <name> stands for one segment, and * for any text.",
                kind=str,
                metavar="PATH",
            ),
            _flag(
                "--status",
                "List only requests that were answered with this status.",
                kind=kinds.count,
                metavar="STATUS",
            ),
            _ACCOUNT,
        ),
        ("when", "account", "method", "target", "status", "error"),
        "fakescale requests --refused --bodies",
    ),
    "events": Command(
        _SEE,
        "List the latest events: requests, changes of tasks, callbacks, faults and the clock.",
        actions.events,
        (
            _flag("--follow", "Go on with each event that comes.", short="-f", default=False),
            _LATEST,
            _flag(
                "--kind",
                "List only this kind, or all that begin with this word, for example callback.",
                kind=str,
                metavar="KIND",
            ),
            Flag(
                "id",
                "List only events about this task, batch or fault.",
                metavar="ID",
                optional=True,
            ),
            _ACCOUNT,
        ),
        ("number", "when", "account", "kind", "subject", "what"),
        "fakescale events --follow --kind callback",
    ),
    "callbacks": Command(
        _SEE,
        "List the callbacks with their outcomes.",
        actions.callbacks,
        (_ID._replace(help="List only those of this task or batch.", optional=True), _ACCOUNT),
        _CALLBACK,
    ),
    "projects": Command(
        _SEE,
        "List the projects, or create, set_params or archive one.",
        actions.noun("projects"),
        (_WORDS, *_WORLDS),
        ("name", "type", "account", "mode", "created_at"),
        "fakescale projects create pets type=imageannotation",
    ),
    "batches": Command(
        _SEE,
        "List the batches, or create, finalize, prioritize or archive one.",
        actions.noun("batches"),
        (_WORDS, *_WORLDS),
        ("name", "status", "project", "account", "mode", "created_at"),
        "fakescale batches finalize monday",
    ),
    "create": Command(
        _DO,
        "Create a task of a type.",
        actions.create,
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
                "Send this body: JSON, a file of JSON, or - for standard input.",
                kind=kinds.json_value,
                metavar="BODY",
            ),
            _flag("--example", "Begin with the example body of the type.", default=False),
            _ACCOUNT._replace(help="Create it in this account; by default, in the server's own."),
            _TEST._replace(help="Create it in test mode."),
        ),
        _TASK,
        "fakescale create imageannotation --example attachment=https://example.com/a.jpg",
    ),
    "complete": Command(
        _DO,
        "Complete a task, with your labels or made-up ones.",
        actions.on_task("tasks.complete", "response"),
        (_ID, _RESPONSE, *_WORLDS),
        _TASK,
        """fakescale complete ID '{"annotations": []}'""",
    ),
    "fail": Command(
        _DO,
        "Put a task into the status error.",
        actions.on_task("tasks.fail", "response"),
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
        actions.on_task("tasks.cancel", "clear_unique_id"),
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
        actions.on_task("tasks.audit", "result", "comments"),
        (
            _ID,
            Flag(
                "result", "The verdict: accepted, fixed, commented or rejected.", metavar="RESULT"
            ),
            _flag("--comments", "Give the audit these comments.", kind=str, metavar="TEXT"),
            *_WORLDS,
        ),
        (*_TASK, "customer_review_status"),
        "fakescale audit ID rejected --comments 'A cat is missing.'",
    ),
    "redeliver": Command(
        _DO,
        "Send the callback of a task again, and wait for the answer.",
        actions.redeliver,
        (_ID, *_WORLDS),
        _CALLBACK,
    ),
    "faults": Command(
        _DO,
        "List the faults, or add, remove or clear them.",
        actions.noun("faults"),
        (_WORDS, _ACCOUNT),
        ("id", "method", "path", "account", "status", "delay", "reset", "lost", "times", "hits"),
        "fakescale faults add path=/v1/tasks status=503 times=2",
    ),
    "advance": Command(
        _DO,
        "Move the clock forward, and run all that becomes due on the way.",
        actions.advance,
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
    "reset": Command(_DO, "Forget everything, or one account.", actions.reset, (_ACCOUNT,)),
    "dump": Command(
        _KEEP,
        "Write the state to a file, or to standard output.",
        actions.dump,
        (Flag("file", "The file.", kind=kinds.writable, metavar="FILE", optional=True),),
        example="fakescale dump state.json",
    ),
    "load": Command(
        _KEEP,
        "Load a dump, which replaces the state, or tasks as the API prints them.",
        actions.load,
        (Flag("file", "The file, or - for standard input.", kind=Path, metavar="FILE"),),
        example="fakescale load state.json",
    ),
    "health": Command(_KEEP, "Tell whether the server works, by the status.", actions.health),
    "types": Command(
        _MORE,
        "List the task types, or print the members and an example of one.",
        actions.types,
        (Flag("name", "The task type.", metavar="NAME", optional=True),),
        ("type", "summary"),
        asks=False,
    ),
    "openapi": Command(
        _MORE,
        "Print the OpenAPI document of the API.",
        actions.openapi,
        (
            _flag(
                "--strict",
                "Describe what a client should send, for generators of clients, instead of all"
                " that is accepted.",
                default=False,
            ),
            Flag(
                "--api",
                "Describe this version of the API.",
                group="Flags",
                kind=str,
                metavar="v1|v2",
                choices=("v1", "v2"),
                default="v1",
                has_variable=False,
            ),
            HOST._replace(help="Name this host in the document.", group="Flags"),
            PORT._replace(help="Name this port in the document.", group="Flags"),
        ),
        asks=False,
    ),
    "import": Command(
        _MORE,
        "Print a dump for --load, of the tasks, projects and batches that recordings show.",
        actions.import_,
        (
            _RECORDING._replace(
                help=f"{_RECORDING.help} Or tasks, projects or batches as the API prints them; a"
                " folder stands for its .json files."
            ),
            _ACCOUNT._replace(help="Put all into this account; by default, that of each key."),
        ),
        example="fakescale import tests/cassettes/*.yaml > state.json",
        asks=False,
    ),
    "compare": Command(
        _MORE,
        "Ask a fake what recordings asked, and show where its answers differ.",
        comparing.compare,
        (
            _RECORDING,
            _flag(
                "--mode",
                "The mode of requests whose key the recording does not show. By default it is as"
                " the answers tell, and live if none does.",
                kind=str,
                metavar="live|test",
                choices=("live", "test"),
                default=None,
            ),
            _flag(
                "--allow",
                "Do not fail for this kind of difference, or only for one member of it, for example"
                " missing or missing:docs[].urgency. May be given more than once.",
                kind=kinds.difference,
                metavar="KIND[:MEMBER]",
                default=[],
                several=True,
            ),
            _flag(
                "--junit",
                "Write the report to this file too, as JUnit XML.",
                kind=kinds.writable,
                metavar="FILE",
            ),
            _flag(
                "--redact",
                "Write a copy of the recordings without your keys, addresses and texts: a HAR if"
                " its name ends with .har, or else lines of JSON.",
                kind=kinds.writable,
                metavar="FILE",
            ),
        ),
        example="fakescale compare tests/cassettes/*.yaml",
        asks=False,
    ),
    "record": Command(
        _MORE,
        "Run a command with a fake at https://api.scale.com, and write a HAR of what it sends.",
        actions.record,
        (
            _flag(
                "--out",
                "Write the HAR to this file.",
                short="-o",
                kind=kinds.writable,
                metavar="FILE",
            ),
            _flag_of_serve("--complete-after"),
            _flag_of_serve("--labeler"),
            _flag_of_serve("--seed"),
            _flag_of_serve("--load")._replace(
                help="Load this file first: a dump, or tasks as the API prints them."
            ),
            Flag(
                "command",
                "The command, after --. Its exit status is the status of this one.",
                metavar="COMMAND",
                several=True,
            ),
        ),
        example="fakescale record --out pipeline.har -- python pipeline.py",
        asks=False,
    ),
}
