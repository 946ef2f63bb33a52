"""Recordings as state: the tasks, projects and batches that answers show, as a dump."""

import hashlib
import itertools
import os
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from fakescale.account.printed import dump_tasks, read_task, with_projects
from fakescale.account.task import Task, replace
from fakescale.fake import FakeScale
from fakescale.recordings.exchanges import Recorded, Unreadable
from fakescale.recordings.forms import FORMS, Form
from fakescale.recordings.keys import key_of
from fakescale.recordings.reading import items, leads_to, reading
from fakescale.values.answer import decode
from fakescale.values.clock import read_moment, stamp
from fakescale.values.errors import ApiError
from fakescale.values.frozen import MAX_WRAPPED_DEPTH, check_depth
from fakescale.values.hosts import HOSTS
from fakescale.values.keys import Key, check_account

_TASK = {"task_id", "created_at", "type", "status"}
_PROJECT = {"name", "type", "created_at"}
_BATCH = {"name", "project", "status", "created_at"}
_STATUS_OF_BATCH = re.compile(r"/v1/batches/([^/]+)/status")
# The members of a dump that answers show.
_PROJECT_MEMBERS = ("type", "name", "param_history", "created_at", "archived", "ontology")
_BATCH_MEMBERS = ("name", "project", "status", "callback", "created_at", "metadata")


def state_of(
    paths: Iterable[str | os.PathLike[str]],
    *,
    account: str | None = None,
    hosts: Container[str] = HOSTS,
) -> dict[str, Any]:
    """Return the state that files show, as a dump for ``FakeScale.load``.

    A file is a recording, or holds tasks, projects or batches as the API prints them: a page, an
    array, lines of JSON, or one alone. A folder stands for its files with names that end with
    ``.json``. Each thing is as the latest answer shows it. It belongs to the account and the mode
    of the recorded key; without a key, to the live world of the account ``fakescale``. ``account``
    names one account for all things.

    Raises Unreadable for a file that cannot be read, and ImportError for YAML without PyYAML.
    """
    if account is not None:
        check_account(account)
    state = _State(account)
    for path in itertools.chain.from_iterable(map(_files, paths)):
        for source, kind, item in items(path):
            with reading(source):
                state.add(FORMS[kind], item, source, hosts)
    return state.dump()


def _files(path: str | os.PathLike[str]) -> Iterator[str | os.PathLike[str]]:
    """Yield a file itself, or the files of a folder; no link in a folder is followed."""
    folder = Path(path)
    if not folder.is_dir():
        yield path
        return
    for file in sorted(folder.glob("*.json")):
        if file.is_file() and not file.is_symlink():
            yield file


class _World:
    """The things of one mode of one account, by their ids and names."""

    def __init__(self) -> None:
        self.tasks: dict[str, dict[str, Any]] = {}
        self.projects: dict[str, dict[str, Any]] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        #: The places where tasks were shown.
        self.sources: dict[str, str] = {}


class _State:
    def __init__(self, account: str | None) -> None:
        self._account = account
        self._worlds: dict[Key, _World] = {}

    def add(self, form: Form, item: Any, source: str, hosts: Container[str]) -> None:
        """Add all that an item shows: an exchange, or a thing as the API prints it."""
        if isinstance(item, dict) and not {"method", "request"} & item.keys():
            if not self._show(item, Key("fakescale", is_test=False), source):
                raise ValueError("it is neither an exchange nor a task, a project or a batch")
        elif leads_to(form.url(item), hosts):
            exchange = form.read(item, source)
            if exchange is not None and 200 <= exchange.status < 300:
                self._add_exchange(exchange)

    def _add_exchange(self, exchange: Recorded) -> None:
        try:
            content = decode(exchange.answer)
        except ValueError:  # a file, for example
            return
        key = key_of(exchange.headers) or Key("fakescale", is_test=False)
        found = _STATUS_OF_BATCH.fullmatch(urlsplit(exchange.url).path)
        if found and isinstance(content, dict):
            batch = self._world(key).batches.get(unquote(found[1]))
            if batch is not None and "status" in content:
                batch["status"] = content["status"]
            return
        if isinstance(content, dict) and isinstance(content.get("docs"), list):
            content = content["docs"]
        for each in content if isinstance(content, list) else [content]:
            if isinstance(each, dict):
                self._show(each, key, exchange.source)

    def _show(self, shown: dict[str, Any], key: Key, source: str) -> bool:
        """Keep a task, a project or a batch; return whether it is one.

        Raises ValueError if it is nested too deep.
        """
        shown = {name: value for name, value in shown.items() if value is not None}
        if shown.keys() >= _TASK:
            check_depth(shown, MAX_WRAPPED_DEPTH)
            if isinstance(shown["task_id"], dict | list):
                raise ValueError("its task_id is not a text")
            if isinstance(shown.get("is_test"), bool):
                key = Key(key.account, shown["is_test"])
            world = self._world(key)
            world.tasks[shown["task_id"]] = _newer(world.tasks.get(shown["task_id"]), shown)
            world.sources[shown["task_id"]] = source
        elif shown.keys() >= _BATCH:
            check_depth(shown, MAX_WRAPPED_DEPTH)
            batch = {name: shown[name] for name in _BATCH_MEMBERS if name in shown}
            self._world(key).batches[str(shown["name"])] = batch
        elif shown.keys() >= _PROJECT:
            check_depth(shown, MAX_WRAPPED_DEPTH)
            project = {name: shown[name] for name in _PROJECT_MEMBERS if name in shown}
            self._world(key).projects[str(shown["name"])] = project
        else:
            return False
        return True

    def _world(self, key: Key) -> _World:
        key = Key(self._account or key.account, key.is_test)
        return self._worlds.setdefault(key, _World())

    def dump(self) -> dict[str, Any]:
        """Return the dump; raises Unreadable if the fake cannot load it."""
        fake = FakeScale()
        for key in self._worlds:
            fake.account(key.account)
        data = fake.dump()
        try:
            for key, world in self._worlds.items():
                mode = "test" if key.is_test else "live"
                data["accounts"][key.account][mode].update(_dumped(world, key))
            fake.load(data)
        except ApiError as error:
            raise Unreadable(f"the recorded state does not hold together: {error}") from None
        return fake.dump()


def _newer(before: dict[str, Any] | None, shown: dict[str, Any]) -> dict[str, Any]:
    """Return the later of two answers about a task.

    A page with ``limited_response`` shows a part of a task only.
    """
    if before is None:
        return shown
    if str(before.get("updated_at", "")) > str(shown.get("updated_at", "9")):
        before, shown = shown, before
    return shown if "params" in shown else {**before, **shown}


def _dumped(world: _World, key: Key) -> dict[str, Any]:
    tasks = list(_with_unique_ids(_read_tasks(world, is_test=key.is_test)))
    batches = world.batches
    tasks = with_projects(
        tasks, lambda name: str(batches[name]["project"]) if name in batches else None
    )
    for task in tasks:
        if task.project is not None:
            project = {"type": task.type, "name": task.project, "created_at": task.created_at}
            world.projects.setdefault(task.project, project)
        if task.project is not None and task.batch is not None:
            batch = {"name": task.batch, "project": task.project, "created_at": task.created_at}
            batches.setdefault(task.batch, {"status": "in_progress", **batch})
    known = [it for it in batches.values() if it["project"] in world.projects]
    return {
        "projects": [_with_moment(it) for it in world.projects.values()],
        "batches": [
            {"id": _id(key, it["name"]), "staged": it["status"] == "staging", **_with_moment(it)}
            for it in known
        ],
        "tasks": {**dump_tasks(tasks), "due": {}, "looks": {}},
    }


def _read_tasks(world: _World, *, is_test: bool) -> Iterator[Task]:
    for task_id, shown in world.tasks.items():
        try:
            task = read_task(shown, "task", is_test=is_test, is_json=True)
        except (ApiError, ValueError) as error:
            raise Unreadable(f"{world.sources[task_id]}: {error}") from None
        yield task


def _with_unique_ids(tasks: Iterable[Task]) -> Iterator[Task]:
    """Yield the tasks, the newest first. Only the newest task with a unique_id keeps it."""
    seen = set[str]()
    for task in sorted(tasks, key=lambda it: it.created_at, reverse=True):
        is_free = task.unique_id is None or task.unique_id not in seen
        yield task if is_free else replace(task, unique_id=None)
        if task.unique_id is not None:
            seen.add(task.unique_id)


def _with_moment(shown: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return {**shown, "created_at": stamp(read_moment(shown["created_at"]))}
    except (ValueError, TypeError):
        raise Unreadable(f"created_at of {shown['name']!r} is not a time") from None


def _id(key: Key, name: object) -> str:
    """Return an id for a batch, which no answer of v1 shows."""
    return hashlib.sha256(f"{key.account} {key.is_test} {name}".encode()).hexdigest()[:24]
