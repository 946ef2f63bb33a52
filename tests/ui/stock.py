"""A fake with something to see in each view."""

import contextlib
import socket

from fakescale import FakeScale
from tests.support import Caller

#: A text that would do harm as HTML.
HOSTILE = '<img src=x onerror="window.harmed=1"><script>window.harmed=1</script>\'"&'


def closed_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with contextlib.closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def stock(fake: FakeScale, text: str = "car") -> None:
    """Fill a fake; ``text`` stands wherever a client can put a text of its own."""
    fake.projects.create(f"p {text}", type="imageannotation", params={"instruction": text})
    fake.batches.create(f"b {text}", project=f"p {text}")
    spec = {"box": {"objects_to_annotate": [text]}}
    made = [
        fake.tasks.create(
            "imageannotation",
            attachment="https://pictures.example/a.png",
            geometries=spec,
            project=f"p {text}",
            batch=f"b {text}",
            unique_id=f"{text} {number}",
            tags=[text],
            metadata={text: text},
            instruction=text,
            callback_url=url,
        )
        for number, url in enumerate(
            (
                f"http://127.0.0.1:{closed_port()}/callback",
                "https://elsewhere.example/callback",
                "a@example.com",
                None,
            )
        )
    ]
    fake.tasks.complete(made[0])
    fake.tasks.complete(made[1])
    fake.tasks.fail(made[2], text)
    fake.callbacks.deliver()
    fake.faults.add(path="/v1/nothing", status=500, error=text)
    call = Caller(fake)
    call("GET", f"/task/{made[0].id}")
    call("POST", "/task/imageannotation", {"attachment": "x", "geometries": 5, text: text})
    call("GET", "/taks")
    call("GET", f"/tasks?project={text}")
