"""The drawing of a task, by its type."""

import base64
import re
import struct
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from fakescale.drawing import forms, plane, texts
from fakescale.drawing.markup import FAINT, PALETTE, document, element, summary, words
from fakescale.drawing.plane import annotation, cuboid, label_of, located
from fakescale.drawing.reading import items, members, nearest, number, text
from fakescale.drawing.sheet import message
from fakescale.drawing.texts import declared
from fakescale.drawing.values import MOST_SHAPES, Drawing, Label, Shape, Subject

Drawer = Callable[[Subject], Drawing | None]


def draw(subject: Subject) -> Drawing:
    """Return the drawing of a task. It never raises, whatever the response holds.

    A response that is not of its type's form is drawn as a list of its members.
    """
    if subject.response is None:
        return message("no response yet")
    known = _DRAWERS.get(subject.type)
    drawing = known(subject) if known else None
    return forms.answers(subject) if drawing is None else drawing


# Attachments that are no pictures, by the ends of their paths.
_NO_PICTURE = re.compile(r"\.(mp4|webm|ogg|mov|pdf|json|sfs)$", re.IGNORECASE)


def _attachment(params: Any, frame: int = 0) -> str | None:
    """Return the URL of the picture of a frame, if the task names one."""
    several = items(members(params).get("attachments"))
    found = nearest(several, frame) if several else members(params).get("attachment")
    if not isinstance(found, str) or not found.startswith(("http://", "https://")):
        return None
    return None if _NO_PICTURE.search(found.partition("?")[0]) else found


def _picture(kind: str | None = None) -> Drawer:
    """Return the drawer of annotations of one picture."""

    def drawer(subject: Subject) -> Drawing | None:
        found = members(subject.response).get("annotations")
        if not isinstance(found, list):
            return None
        return plane.draw(
            subject,
            found,
            annotation(kind),
            image=_attachment(subject.params),
            declared=declared(members(subject.params)),
            label=lambda given: label_of(given, kind),
        )

    return drawer


def _document(subject: Subject) -> Drawing | None:
    found = members(subject.response).get("annotations")
    if not isinstance(found, list):
        return None
    pages: dict[int, list[Any]] = {}
    for it in map(members, found):
        pages.setdefault(int(number(it.get("page")) or 0), []).append(it)
    count = max(1, max(pages, default=0) + 1)
    page = max(0, min(subject.frame, count - 1))
    return plane.draw(
        subject,
        pages.get(page, []),
        located,
        frames=count,
        image=_attachment(subject.params, page),
        declared=declared(members(subject.params)),
        notes=_fields(members(subject.response).get("fields")),
        label=lambda given: label_of(given, "box"),
    )


def _fields(fields: Any) -> list[Shape]:
    """Return the answers of a document's fields."""
    return [
        Shape(text(members(it).get("field_id")), "answer", text(members(it).get("value")))
        for it in items(fields)[:100]
    ]


# Result files.


def _frames(subject: Subject, member: str = "annotations") -> list[Any] | None:
    """Return the frames of a result file; a response may also hold them itself."""
    content = subject.files.get(member, members(subject.response).get(member))
    return content if isinstance(content, list) else None


def _video(subject: Subject) -> Drawing | None:
    frames = _frames(subject)
    if frames is None:
        return None
    if frames and all(_is_playback(it) for it in frames[:1]):
        return _playback_of(subject, members(frames[0])["annotations"])
    if frames and "annotations" not in members(frames[0]):  # one frame, inline
        frames = [{"annotations": frames}]
    shown = members(nearest(frames, subject.frame)).get("annotations")
    return _sequence(subject, items(shown), len(frames), _within(frames, "annotations"))


def _within(frames: Sequence[Any], member: str) -> Iterator[Any]:
    """Yield the objects of all frames."""
    return (it for frame in frames for it in items(members(frame).get(member)))


def _sequence(
    subject: Subject, objects: Sequence[Any], frames: int, around: Iterable[Any] = ()
) -> Drawing:
    return plane.draw(
        subject,
        objects,
        annotation(),
        frames=max(1, frames),
        image=_attachment(subject.params, subject.frame),
        declared=declared(members(subject.params)),
        notes=_events(subject),
        around=around,
    )


def _events(subject: Subject) -> list[Shape]:
    found = members(subject.files.get("events")).get("events")
    shapes = []
    for event in map(members, items(found)[:100]):
        span = " to ".join(text(event[it]) for it in ("start", "end") if it in event)
        shapes.append(Shape(label_of(event, "event"), "event", f"frame {span}"))
    return shapes


def _is_playback(frame: Any) -> bool:
    # Documented in two forms: the objects by uuid, and these within an array and an object.
    return isinstance(members(frame).get("annotations"), dict)


def _playback(subject: Subject) -> Drawing | None:
    content = subject.files.get("annotations", members(subject.response).get("annotations"))
    return _playback_of(subject, content) if isinstance(content, dict) else _video(subject)


def _playback_of(subject: Subject, tracks: Mapping[str, Any]) -> Drawing:
    """Return the drawing of a moment: each object as in its latest frame until then (guessed)."""
    moments = sorted({key for track in tracks.values() for key, _ in _keys(track)})
    now = nearest(moments, subject.frame)
    found = []
    for track in tracks.values():
        past = [shape for key, shape in sorted(_keys(track), key=lambda it: it[0]) if key <= now]
        found += [{**members(track), "frames": None, **shape} for shape in past[-1:]]
    around = ({**members(it), **shape} for it in tracks.values() for _, shape in _keys(it))
    return _sequence(subject, found, len(moments), around)


def _keys(track: Any) -> Iterator[tuple[float, dict[str, Any]]]:
    for frame in map(members, items(members(track).get("frames"))):
        key = number(frame.get("key"))
        if key is not None:
            yield key, frame


def _scene(subject: Subject) -> Drawing | None:
    """Return the cuboids of a LiDAR frame, seen from above."""
    frames = _frames(subject)
    points = members(subject.files.get("point_segmentations"))
    if frames is None and not points:
        return None
    points_of = items(points.get("point_objects"))
    counts = _points(points, nearest(points_of, subject.frame))
    if frames is None:
        tally = texts.tally(subject, counts, "points")
        return tally._replace(frames=max(1, len(points_of)))
    return plane.draw(
        subject._replace(size=None),  # a scene has no edges
        items(members(nearest(frames, subject.frame)).get("cuboids")),
        cuboid,
        frames=max(1, len(frames), len(points_of)),
        declared=declared(members(subject.params)),
        notes=[Shape(name, "points", f"number {count:,}") for name, count in counts],
        around=_within(frames, "cuboids"),
        label=lambda given: label_of(given, "cuboid"),
    )


def _points(segmentation: Mapping[str, Any], frame: Any) -> list[tuple[str, int]]:
    """Return the number of points of each object; their places are in the attachment."""
    counts = Counter(it for it in items(frame) if isinstance(it, int))
    return [
        (label_of(it, "points"), counts[it["index"]])
        for it in map(members, items(segmentation.get("objects"))[:1_000])
        if isinstance(it.get("index"), int)
    ]


def _links(subject: Subject) -> Drawing | None:
    """Return the annotations of all cameras of a frame."""
    frames = _frames(subject)
    if frames is None:
        return None
    cameras = items(members(nearest(frames, subject.frame)).get("camera_responses"))
    found = [it for camera in map(members, cameras) for it in items(camera.get("annotations"))]
    return _sequence(subject, found, len(frames))


_PNG = b"\x89PNG\r\n\x1a\n"


def _mask(subject: Subject) -> Drawing | None:
    """Return the mask of a segmentation with its labels."""
    mapping = members(members(subject.response).get("labelMapping"))
    picture = subject.files.get("combined")
    if not isinstance(picture, bytes) or not picture.startswith(_PNG) or len(picture) < 24:
        return None
    width, height = (float(it) for it in struct.unpack(">II", picture[16:24]))
    labels, shapes = [], []
    for number_, (name, entry) in enumerate(list(mapping.items())[:1_000]):
        parts = [members(it) for it in (entry if isinstance(entry, list) else [entry])]
        color = text(parts[0].get("color")) if parts else ""
        is_color = len(color) == 7 and color[0] == "#" and color[1:].isalnum()
        labels.append(Label(text(name), color if is_color else PALETTE[number_ % 8], len(parts)))
        for part in parts[:100]:
            told = [f"{it} {text(part[it])}" for it in ("index", "numPixels") if it in part]
            shapes.append(Shape(text(name), "mask", ", ".join(told)))
    unit = max(width, height) / 30
    rows = [
        element("rect", x=0, y=y - unit * 0.8, width=unit, height=unit, fill=it.color)
        + words(
            text(it.label, 60) + (" (left out)" if it.label in subject.without else ""),
            unit * 1.4,
            y,
            unit,
            fill=FAINT,
        )
        for row, it in enumerate(labels[:16])
        for y in [height + unit * 1.4 * (row + 1)]
    ]
    box = (0.0, 0.0, width, height + unit * 1.4 * (len(rows) + 0.5))
    data = base64.b64encode(picture).decode()
    image = element(
        "image",
        x=0,
        y=0,
        width=width,
        height=height,
        image_rendering="pixelated",
        href=f"data:image/png;base64,{data}",
    )
    svg = document([image, *rows], box, summary(labels))
    kept = [it for it in shapes if it.label not in subject.without]
    held = (tuple(labels), tuple(kept[:MOST_SHAPES]), len(kept))
    return Drawing(svg, *box, 1, *held, _attachment(subject.params))


_DRAWERS: Mapping[str, Drawer] = {
    "imageannotation": _picture(),
    "lidartopdown": _picture(),
    "annotation": _picture("box"),
    "polygonannotation": _picture("polygon"),
    "lineannotation": _picture("line"),
    "laneannotation": _picture("line"),
    "pointannotation": _picture("point"),
    "cuboidannotation": _picture("cuboid"),
    "documenttranscription": _document,
    "documentmodel": _document,
    "namedentityrecognition": lambda subject: (
        texts.spans(subject) if "annotations" in members(subject.response) else None
    ),
    "audiotranscription": lambda subject: (
        texts.speech(subject) if "alignment" in members(subject.response) else None
    ),
    "segmentannotation": _mask,
    **dict.fromkeys(
        (
            "videoannotation",
            "videoboxannotation",
            "videocuboidannotation",
            "federal2dvideoannotation",
            "cruisecontrol",
        ),
        _video,
    ),
    "videoplaybackannotation": _playback,
    **dict.fromkeys(("lidarannotation", "lidarsegmentation", "sensorfusion", "multistage"), _scene),
    "lidarlinking": _links,
    **dict.fromkeys(("chat", "chatexperimental", "chatlite", "multichat"), forms.conversation),
}
