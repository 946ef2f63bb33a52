"""A made-up account to look at: projects, batches, tasks in all states, callbacks and requests."""

import contextlib
import io
import itertools
import json
import logging
import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from fakescale.account.task import Task
from fakescale.fake import FakeScale
from fakescale.labelers import lively
from fakescale.receiver import receiving

_HOURS = 30  # of history
_STEPS = 80  # more than there are tasks
# Nothing listens on the first, and the fake sends nothing to the second.
_CLOSED = "http://127.0.0.1:1/scale"
_FOREIGN = "https://hooks.example.com/scale"

_LABELS = ["car", "bus", "person", "bicycle"]
_STREET = {
    "instruction": "Box every vehicle and person. Outline the road.",
    "geometries": {
        "box": {"objects_to_annotate": _LABELS, "min_width": 10, "min_height": 10},
        "polygon": {"objects_to_annotate": ["road", "building"], "min_vertices": 4},
        "line": {"objects_to_annotate": ["curb"]},
        "point": {"objects_to_annotate": ["traffic light"]},
        "ellipse": {"objects_to_annotate": ["wheel"]},
        "cuboid": {"objects_to_annotate": ["truck"]},
    },
    "annotation_attributes": {
        "occluded": {"description": "Is it partly hidden?", "choices": ["no", "partly", "mostly"]},
        "moving": {"description": "Does it move?", "choices": ["yes", "no"]},
    },
}
_TEXT = (
    "Ada Lovelace met Charles Babbage in London in 1833. She wrote the first program for his"
    " Analytical Engine, which was never built. Grace Hopper found the first bug in Cambridge."
)


def _image(name: str, number: int) -> str:
    return f"https://images.example.com/1280x720/{name}-{number:03}.jpg"


def _frames(name: str, number: int, count: int, end: str) -> list[str]:
    home = f"https://images.example.com/1280x720/{name}-{number:03}"
    return [f"{home}/{frame:02}.{end}" for frame in range(count)]


class _Work(NamedTuple):
    """Some tasks of a type."""

    type: str
    number: int
    #: The members of their bodies. The name of the project is the member ``project``.
    body: Mapping[str, Any]
    #: The member with the attachment, and the number of frames if it has several.
    attached: str = ""
    frames: int = 0


_COWS: Mapping[str, Any] = {
    "instruction": "Mark each cow.",
    "objects_to_annotate": ["cow", "calf"],
    "with_labels": True,
}
_WORK: Sequence[_Work] = (
    _Work("annotation", 2, {**_COWS, "min_width": 20}, "attachment"),
    _Work("polygonannotation", 2, _COWS, "attachment"),
    _Work("lineannotation", 2, _COWS, "attachment"),
    _Work("pointannotation", 2, _COWS, "attachment"),
    _Work("cuboidannotation", 2, _COWS, "attachment"),
    _Work("laneannotation", 2, {"objects_to_annotate": ["solid", "dashed"]}, "attachment"),
    _Work(
        "segmentannotation",
        3,
        {"instruction": "Segment it.", "labels": ["road", "sky", "car"], "allow_unlabeled": True},
        "attachment",
    ),
    _Work("videoannotation", 3, {"project": "drives"}, "attachments", 12),
    _Work(
        "videoplaybackannotation",
        2,
        {
            "attachment": "https://videos.example.com/shop.mp4",
            "geometries": {"box": {"objects_to_annotate": ["customer", "clerk"]}},
            "events_to_annotate": ["enters", "pays"],
        },
    ),
    _Work(
        "lidarannotation",
        3,
        {"instruction": "Label the cars.", "labels": ["Car", "Truck", "Pedestrian"]},
        "attachments",
        8,
    ),
    _Work("lidarsegmentation", 1, {"labels": ["Road", "Car", "Tree"]}, "attachments", 2),
    _Work(
        "documenttranscription",
        3,
        {
            "features": [
                {"type": "text", "label": "total", "flags": ["money"]},
                {"type": "text", "label": "date", "flags": ["date"]},
                {"type": "block", "label": "items"},
            ],
        },
        "attachment",
    ),
    _Work(
        "namedentityrecognition",
        3,
        {
            "instruction": "Mark the names.",
            "text": _TEXT,
            "labels": [{"name": "PERSON"}, {"name": "PLACE"}, {"name": "TIME"}],
            "relationships": [{"name": "met", "source_label": "PERSON", "target_label": "PERSON"}],
        },
    ),
    _Work("audiotranscription", 3, {"attachment": "https://sounds.example.com/call.wav"}),
    _Work("textcollection", 4, {"project": "reviews"}),
    _Work(
        "categorization",
        4,
        {"instruction": "Cat or dog?", "categories": ["cat", "dog"], "attachment_type": "image"},
        "attachment",
    ),
    _Work(
        "comparison",
        2,
        {
            "instruction": "Which is sharper?",
            "attachment_type": "image",
            "choices": ["left", "right"],
            "fields": {"why": "Why?"},
        },
        "attachments",
        2,
    ),
    _Work(
        "transcription",
        2,
        {
            "instruction": "Transcribe the sign.",
            "attachment_type": "image",
            "fields": {"title": "The headline"},
            "repeatable_fields": {"name": "A name on the sign"},
        },
        "attachment",
    ),
    _Work("chat", 4, {"project": "assistant"}),
)

# The ends of tasks, in turn. "started" leaves a task pending.
_ENDS = (
    *("completed", "completed", "error", "completed", "pending", "completed", "canceled"),
    *("completed", "started"),
)
_REVIEWS: Sequence[tuple[Any, str | None]] = (
    ("accepted", None),
    ("fixed", "The left edge was off by a few pixels."),
    ("commented", "Good, but please name the color too."),
    ("rejected", "A cyclist behind the bus is missing."),
)
_CITIES = ("Oslo", "Lagos", "Lima", "Osaka")


def fill(fake: FakeScale, *, seed: str | int | None = 0) -> None:
    """Fill the own account of ``fake`` with something to look at, in under a second.

    The account gets projects with versions of their parameters, batches in staging, in progress and
    completed, and about 60 tasks of many types in all states, with tags, metadata, audits and
    pictures. Callbacks went to a receiver of this process, still wait for one that is down, or were
    never sent. The journal has requests that succeeded, that were refused, and one that a fault
    struck. The history takes 30 hours. In a fake without tasks it ends now; in any other fake it
    begins now, and the clock ends 30 hours later. The pending tasks stay pending, even if the fake
    has a turnaround.

    ``seed`` determines the labels. The seed of the fake determines the ids.

    Raises Conflict if the fake was filled before.
    """
    with _silence(), _no_turnaround(fake), receiving() as receiver:
        if not len(fake.tasks):
            fake._state.clock.advance(hours=-_HOURS)
        receiver.answer(503, times=2)  # the first two are sent again
        _Demo(fake, seed, receiver.url).fill()


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Log nothing during the block, since a made-up history is no news."""
    log = logging.getLogger("fakescale")
    before = log.disabled
    log.disabled = True
    try:
        yield
    finally:
        log.disabled = before


@contextlib.contextmanager
def _no_turnaround(fake: FakeScale) -> Iterator[None]:
    """Leave the tasks that the block creates pending, also after its end."""
    labeling = fake._state.labeling
    before, labeling.turnaround = labeling.turnaround, None
    try:
        yield
    finally:
        labeling.turnaround = before


class _Demo:
    """The steps of the filling."""

    def __init__(self, fake: FakeScale, seed: str | int | None, url: str) -> None:
        self._fake = fake
        self._rng = random.Random(seed)
        self._label = lively(per_task=8, error_rate=0, seed=seed)
        self._urls = itertools.cycle((url, url, _CLOSED, url, _FOREIGN, None))
        self._ends = itertools.cycle(_ENDS)
        self._reviews = itertools.cycle((*_REVIEWS, None, None))
        self._number = 0

    def fill(self) -> None:
        """Do all steps."""
        self._create_projects()
        self._label_batch("week-12", ["completed"] * 5)
        for work in _WORK:
            for _ in range(work.number):
                self._finish(self._create(work), next(self._ends))
        self._label_batch(
            "week-13", ["completed", "error", "canceled", "completed", "started", "pending"]
        )
        self._label_batch("week-14", ["staged"] * 3)
        body = {"instruction": "Of test mode.", "attachment": "a test", "attachment_type": "text"}
        self._fake.test.tasks.create("categorization", **body, categories=["a", "b"])
        self._ask()
        while self._number < _STEPS:
            self._pass()
        self._fake.callbacks.deliver()

    def _pass(self) -> None:
        """Let some of the time pass, and run the work that becomes due."""
        if self._number < _STEPS:
            self._fake.advance(hours=_HOURS / _STEPS)
        self._number += 1

    def _create_projects(self) -> None:
        projects = self._fake.projects
        projects.create("street-scenes", type="imageannotation", params=_STREET, rapid=True)
        first = {"geometries": {"box": {"objects_to_annotate": _LABELS}}}
        projects.create("drives", type="videoannotation", params=first)
        more = {"instruction": "Follow each vehicle.", "events_to_annotate": ["turning"]}
        projects.set_params("drives", more, patch=True)
        sentiment = {"type": "category", "field_id": "sentiment", "title": "Sentiment"}
        choices = [{"label": it, "value": it.lower()} for it in ("Good", "Mixed", "Bad")]
        why = {"type": "text", "field_id": "why", "title": "Why?", "required": False}
        review = {"type": "text", "content": "Great soup, slow service."}
        params = {
            "instruction": "Answer the questions.",
            "fields": [{**sentiment, "choices": choices}, why],
            "attachments": [review],
        }
        projects.create("reviews", type="textcollection", params=params)
        projects.create("assistant", type="chat")
        projects.create("old-lanes", type="laneannotation")
        projects.archive("old-lanes")

    def _label_batch(self, name: str, ends: Sequence[str]) -> None:
        """Create a batch of the project of images, and bring its tasks to their ends."""
        batches, url = self._fake.batches, next(self._urls)
        batches.create(name, project="street-scenes", callback=url, metadata={"week": name[-2:]})
        tasks = [
            self._create(_Work("imageannotation", 1, {"batch": name}, "attachment")) for _ in ends
        ]
        if "staged" in ends:
            return
        batches.finalize(name)
        for task, end in zip(tasks, ends, strict=True):
            self._finish(task, end)

    def _create(self, work: _Work) -> Task:
        self._pass()
        number = self._number
        body: dict[str, Any] = dict(work.body)
        if work.frames:
            end = "json" if work.type.startswith("lidar") else "jpg"
            body[work.attached] = _frames(work.type, number, work.frames, end)
        elif work.attached:
            body[work.attached] = _image(work.type, number)
        if url := next(self._urls):
            body["callback_url"] = url
        body["unique_id"] = f"demo-{work.type}-{number:03}"
        body["metadata"] = {"number": number, "city": self._rng.choice(_CITIES)}
        body["tags"] = self._rng.sample(["demo", "night", "rain", "pilot"], k=number % 3)
        return self._fake.tasks.create(work.type, **body)  # type: ignore[arg-type]

    def _finish(self, task: Task, end: str) -> None:
        """Bring a task to its end, and audit it if it is completed."""
        tasks = self._fake.tasks
        if end == "canceled":
            tasks.cancel(task)
        elif end == "error":
            tasks.fail(task)
        elif end == "started":
            tasks.start(task)
        elif end == "completed":
            tasks.start(task)
            tasks.complete(task, self._label(task))
            self._fake.callbacks.deliver()
            if review := next(self._reviews):
                tasks.audit(task, *review)
        self._fake.callbacks.deliver()

    def _ask(self) -> None:
        """Send requests to look at: valid ones, refused ones, and one that a fault strikes."""
        task = next(iter(self._fake.tasks)).id
        creation = {
            "instruction": "Box the cats.",
            "attachment": _image("cat", 1),
            "objects_to_annotate": ["cat"],
        }
        once = {"Idempotency-Key": "demo-1"}
        self._send("GET", "/v1/tasks?limit=3&status=completed")
        self._send("GET", f"/v1/task/{task}")
        self._send("POST", "/v1/task/annotation", creation, once)
        self._send("POST", "/v1/task/annotation", creation, once)
        self._send("POST", "/v1/task/annotation", {**creation, "min_width": "wide"})
        self._send("POST", "/v1/task/imageannotation", {"attachment": _image("cat", 2)})
        self._send("GET", "/v1/task/000000000000000000000000")
        self._send("POST", f"/v1/tasks/{task}/cancel")
        self._send("GET", "/v1/tasks", None, {"Authorization": "Bearer nobody"})
        self._fake.faults.add(method="GET", path="/v1/tasks", status=503, times=1)
        self._send("GET", "/v1/tasks?limit=1")
        self._send("GET", "/v1/tasks?limit=1")

    def _send(
        self, method: str, target: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> None:
        """Send a request to the fake as a client does, without a socket."""
        content = b"" if body is None else json.dumps(body).encode()
        path, _, query = target.partition("?")
        given = {"Authorization": f"Bearer {self._fake.api_key}", "User-Agent": "demo"}
        environ = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_URI": target,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "CONTENT_TYPE": "application/json" if content else "",
            "CONTENT_LENGTH": str(len(content)),
            "HTTP_HOST": "127.0.0.1",
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(content),
            "wsgi.errors": sys.stderr,
            **{
                f"HTTP_{name.upper().replace('-', '_')}": value
                for name, value in {**given, **(headers or {})}.items()
            },
        }
        for _ in self._fake(environ, lambda *_: lambda _: None):
            pass
