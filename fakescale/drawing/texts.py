"""The drawing of text: marked spans, words in time, and labels that are only counted."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fakescale.drawing.markup import FAINT, INK, clean, colors, element, limits, summary, words
from fakescale.drawing.plane import counted, label_of
from fakescale.drawing.reading import attributes, items, members, number, numbers, shown, text
from fakescale.drawing.sheet import COLUMN, EDGE, SIZE, WIDTH, Sheet, fixed, wrapped
from fakescale.drawing.values import MOST_SHAPES, Drawing, Label, Shape, Subject

_MOST_LINES = 400
_MOST_MARKS = 10_000
_MOST_LINKS = 200
_LINE = 36.0  # the height of a line that may have marks


def spans(subject: Subject) -> Drawing:
    """Return the text of a task with its spans marked, and the relationships below."""
    params, response = members(subject.params), members(subject.response)
    # Documented: the text is a parameter. An older place of it is the attachment.
    whole = text(params.get("text") or params.get("attachment"), 100_000)
    given = [members(it) for it in items(response.get("annotations"))]
    names = [label_of(it, "span") for it in given]
    shades = colors(itertools.chain(declared(params), sorted(set(names))))
    kept = [it for it, name in zip(given, names, strict=True) if name not in subject.without]
    lines = list(wrapped(whole, _MOST_LINES))
    sheet = Sheet()
    shapes: list[Shape] = []
    marks = 0
    for span in kept[:MOST_SHAPES]:
        name = label_of(span, "span")
        found = numbers(span, "start", "end")
        told = text(span.get("text"))
        if found is None:
            shapes.append(Shape(name, "span", f"cannot be drawn: {told}"))
            continue
        start, end = (max(0, min(int(it), len(whole))) for it in found)
        place = f"{shown(found[0])} to {shown(found[1])}: {told or text(whole[start:end])}"
        facts = attributes(span.get("attributes"))
        shapes.append(Shape(name, "span", place + (f"; {facts}" if facts else "")))
        for row, (first, line) in enumerate(lines):
            left, right = max(start, first), min(end, first + len(line))
            if left < right and marks < _MOST_MARKS:
                marks += 1
                x, y = EDGE + (left - first) * COLUMN, EDGE + row * _LINE + 12
                sheet.add(
                    _mark(name, shades[name], shapes[-1].text, (x, y), right - left, left > start)
                )
    sheet.add(
        *(
            fixed(line, EDGE, EDGE + row * _LINE + 12 + SIZE)
            for row, (_, line) in enumerate(lines)
            if line
        )
    )
    sheet.y += len(lines) * _LINE
    if lines and lines[-1][0] + len(lines[-1][1]) < len(whole.rstrip("\n")):
        sheet.line("The text goes on.", fill=FAINT)
    for link in _links(response, kept):
        sheet.line(link)
    for told in limits(min(len(kept), MOST_SHAPES), len(kept)):
        sheet.line(told)
    labels = counted(names, shades)
    for label in labels[:16]:
        sheet.add(element("rect", x=EDGE, y=sheet.y + 10, width=12, height=12, fill=label.color))
        sheet.line(f"{label.label}: {label.count:,}", EDGE + 18)
    return sheet.drawing(summary(labels), labels, shapes, len(kept))


def _mark(
    name: str, color: str, told: str, at: tuple[float, float], length: int, goes_on: bool
) -> str:
    x, y = at
    return element(
        "g",
        element("title", clean(f"{name}: {told}")),
        element(
            "rect",
            x=x,
            y=y,
            width=length * COLUMN,
            height=SIZE * 1.3,
            fill=color,
            fill_opacity=0.35,
            stroke=color,
        ),
        "" if goes_on else words(text(name, 40), x, y - 2, SIZE * 0.7, fill=INK),
    )


def declared(params: Mapping[str, Any]) -> Iterator[str]:
    """Yield the labels that a task asks for, in order."""
    homes = [params, *members(params.get("geometries")).values()]
    for home in map(members, homes):
        for name in ("objects_to_annotate", "labels"):
            yield from _choices(home.get(name), 0)
    for feature in items(params.get("features"))[:1_000]:
        yield text(members(feature).get("label", members(feature).get("title")))


def _choices(labels: Any, depth: int) -> Iterator[str]:
    for label in items(labels)[:1_000]:
        named = members(label)
        if isinstance(label, str):
            yield text(label)
        elif named and depth < 20:
            yield text(named.get("choice", named.get("label", named.get("name"))))
            yield from _choices(named.get("subchoices", named.get("children")), depth + 1)


def _links(response: Mapping[str, Any], annotations: list[dict[str, Any]]) -> Iterator[str]:
    """Yield a line for each relationship between two spans."""
    by_id = {text(it.get("id")): it for it in annotations}
    for link in map(members, items(response.get("relationships"))[:_MOST_LINKS]):
        ends = [text(link.get(name)) for name in ("source_ref", "target_ref")]
        source, target = (text(by_id.get(it, {}).get("text", it), 80) for it in ends)
        yield f"{source} → {target}" + (f" ({text(link['name'])})" if "name" in link else "")


# Words in time.

_SECONDS = 6.0  # of one row
_ROW = 56.0


def speech(subject: Subject) -> Drawing:
    """Return the words of a transcript on an axis of time, with the confidence as opacity."""
    given = [members(it) for it in items(members(subject.response).get("alignment"))]
    kept = [it for it in given if text(it.get("word")) not in subject.without]
    timed = [(it, numbers(it, "start", "end")) for it in kept[:MOST_SHAPES]]
    rows = sorted({int(found[0] // _SECONDS) for _, found in timed if found})
    places = {row: number for number, row in enumerate(rows)}
    scale = (WIDTH - 2 * EDGE) / _SECONDS
    sheet = Sheet()
    for row, place in places.items():
        y = EDGE + place * _ROW
        sheet.add(
            element("line", x1=EDGE, x2=WIDTH - EDGE, y1=y + 30, y2=y + 30, stroke=FAINT),
            *(
                words(
                    f"{shown(row * _SECONDS + step)} s", EDGE + step * scale, y + 44, 10, fill=INK
                )
                for step in range(0, int(_SECONDS), 2)
            ),
        )
    shapes = []
    for word, found in timed:
        name, sure = text(word.get("word")), number(word.get("confidence"))
        told = f", confidence {shown(sure)}" if sure is not None else ""
        if found is None:
            shapes.append(Shape(name, "word", f"cannot be drawn{told}"))
            continue
        start, end = found
        shapes.append(Shape(name, "word", f"{shown(start)} to {shown(end)} s{told}"))
        row = int(start // _SECONDS)
        x, y = EDGE + (start - row * _SECONDS) * scale, EDGE + places[row] * _ROW
        width = min(max((end - start) * scale, 2.0), WIDTH - x)
        opacity = 0.25 + 0.75 * min(max(1.0 if sure is None else sure, 0.0), 1.0)
        sheet.add(
            element(
                "g",
                element("title", clean(f"{name}: {shapes[-1].text}")),
                element("rect", x=x, y=y + 27, width=width, height=6, fill="#0072b2"),
                words(text(name, 60), x, y + 20, SIZE, fill=INK),
                opacity=opacity,
            )
        )
    sheet.y += len(rows) * _ROW
    for line in limits(len(timed), len(kept)):
        sheet.line(line)
    if not kept:
        sheet.line("no words")
    count = f"{len(kept)} word{'' if len(kept) == 1 else 's'}"
    told = text(" ".join(text(it.get("word")) for it in kept[:20]), 100)
    return sheet.drawing(f"{count}: {told}" if kept else "no words", (), shapes, len(kept))


def tally(subject: Subject, counts: Sequence[tuple[str, int]], noun: str) -> Drawing:
    """Return labels with numbers of something without a place, as bars."""
    shades = colors(itertools.chain(declared(members(subject.params)), (it for it, _ in counts)))
    kept = [it for it in counts if it[0] not in subject.without][:MOST_SHAPES]
    most = max((count for _, count in kept), default=0)
    sheet = Sheet()
    for name, count in kept:
        sheet.line(f"{name}: {count:,} {noun}")
        width = (WIDTH - 2 * EDGE) * count / max(most, 1)
        sheet.add(element("rect", x=EDGE, y=sheet.y + 6, width=width, height=12, fill=shades[name]))
        sheet.y += 20
    if not kept:
        sheet.line("no labels")
    labels = [Label(name, shades[name], count) for name, count in counts]
    shapes = [Shape(name, noun, f"number {count:,}") for name, count in kept]
    return sheet.drawing(summary(labels), labels, shapes, len(kept))
