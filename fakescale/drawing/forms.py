"""The drawing of questions and answers: forms, conversations, and any other response."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fakescale.drawing.markup import limits
from fakescale.drawing.reading import items, members, text
from fakescale.drawing.sheet import EDGE, SIZE, Sheet, wrapped
from fakescale.drawing.values import MOST_SHAPES, Drawing, Shape, Subject

_DEEPEST = 12
# Members that name an item of an array, with those that hold its content.
_NAMED = (("type", "output"), ("role", "content"), ("role", "text"), ("field_id", "value"))


def answers(subject: Subject) -> Drawing:
    """Return the members of a response as a list of questions and answers."""
    return _listed(subject, _flat(subject.response, "", _titles(members(subject.params)), 0))


def conversation(subject: Subject) -> Drawing | None:
    """Return the messages of a chat with who says them, and the annotations below each."""
    said = _said(members(subject.response))
    first = next(said, None)
    return None if first is None else _listed(subject, itertools.chain([first], said))


def _said(response: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the parts of a chat: in v1 ``responses``, in v2 ``threads`` (documented)."""
    for part in map(members, items(response.get("responses"))):
        yield text(part.get("type")) or "response", part.get("output")
    for thread in map(members, items(response.get("threads"))):
        for turn in map(members, items(thread.get("turns"))):
            for message in map(members, items(turn.get("messages"))):
                content = message.get("content")
                told = members(content).get("text", content)
                yield text(message.get("role")) or "message", told
                yield from _judged(message)
            yield from _judged(turn)
        yield from _judged(thread)


def _judged(home: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for annotation in map(members, items(home.get("annotations"))):
        name = text(annotation.get("title")) or text(annotation.get("key")) or "annotation"
        yield name, annotation.get("value")


def _listed(subject: Subject, answered: Iterable[tuple[str, Any]]) -> Drawing:
    found = (it for it in answered if it[0] not in subject.without)
    rows = list(itertools.islice(found, MOST_SHAPES))
    total = len(rows) + sum(1 for _ in found)
    sheet = Sheet()
    for question, answer in rows:
        sheet.line(text(question, 120), font_weight="bold")
        for _, line in wrapped(text(answer, 2_000) or "(nothing)", 20):
            sheet.line(line, EDGE * 2)
        sheet.y += SIZE * 0.4
    for line in limits(len(rows), total):
        sheet.line(line)
    if not rows:
        sheet.line("an empty response")
    shapes = [Shape(question, "answer", text(answer, 2_000)) for question, answer in rows]
    named = ", ".join(question for question, _ in rows[:5]) + (", …" if total > 5 else "")
    told = f"{total} answer{'' if total == 1 else 's'}: {named}" if rows else "an empty response"
    return sheet.drawing(told, (), shapes, total)


def _titles(params: Mapping[str, Any]) -> dict[str, str]:
    """Return the questions of a task by the names of its fields."""
    found: dict[str, str] = {}

    def read(fields: Any, depth: int) -> None:
        for name, title in members(fields).items():
            if isinstance(title, str):
                found[name] = text(title)
        for field in map(members, items(fields)[:1_000]):
            if isinstance(field_id := field.get("field_id"), str) and "title" in field:
                found[field_id] = text(field["title"])
            if depth < _DEEPEST:
                read(field.get("fields"), depth + 1)

    for name in ("fields", "repeatable_fields", "row_fields"):
        read(params.get(name), 0)
    for attachment in items(params.get("attachments"))[:1_000]:
        read(members(attachment).get("forms"), 0)
    return found


def _flat(
    value: Any, path: str, titles: Mapping[str, str], depth: int
) -> Iterator[tuple[str, Any]]:
    """Yield the parts of a response, each with its question: the path, or the title of a field."""
    if isinstance(value, dict) and depth < _DEEPEST:
        pair = next((it for it in _NAMED if it[0] in value and it[1] in value), None)
        if pair is not None:
            name = text(value[pair[0]])
            yield from _flat(
                value[pair[1]], titles.get(name, f"{path} {name}".strip()), titles, depth + 1
            )
            value = {name: it for name, it in value.items() if name not in pair}
        for name, item in value.items():
            at = text(name, 60)
            below = titles.get(name) or (f"{path} {at}".strip() if depth else at)
            yield from _flat(item, below, titles, depth + 1)
    elif isinstance(value, list) and any(isinstance(it, dict | list) for it in value[:50]):
        for number_, item in enumerate(value, 1):
            yield from _flat(item, f"{path} {number_}".strip(), titles, depth + 1)
    elif value != []:
        yield path or "response", value
