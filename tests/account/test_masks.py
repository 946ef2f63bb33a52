"""The pictures of a segmentation are read as a client reads them: by the values of their pixels."""

import random
import re
import struct
import zlib
from collections import Counter
from typing import Any

import pytest
import werkzeug.test

from fakescale import FakeScale
from fakescale.account import masks
from tests.support import example

Pixel = tuple[int, ...]


def read_png(png: bytes) -> tuple[int, int, list[Pixel]]:
    """Return the width, the height and the pixels of a PNG without filters."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    rest, chunks = png[8:], {}
    while rest:
        (length,) = struct.unpack(">I", rest[:4])
        chunk, checksum, rest = rest[4 : 8 + length], rest[8 + length :][:4], rest[12 + length :]
        assert struct.unpack(">I", checksum) == (zlib.crc32(chunk),)
        chunks[chunk[:4]] = chunk[4:]
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    width, height, depth, kind = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    content = zlib.decompress(chunks[b"IDAT"])
    channels = 3 if kind == 2 else 1
    line = width * channels * depth // 8
    assert len(content) == height * (1 + line)
    starts = range(0, len(content), 1 + line)
    assert {content[start] for start in starts} == {0}
    pixels = b"".join(content[start + 1 : start + 1 + line] for start in starts)
    if depth == 16:
        return width, height, list(struct.iter_unpack(">H", pixels))
    return width, height, list(zip(*[iter(pixels)] * channels, strict=True))


def made(params: Any) -> Any:
    return masks.response(params, random.Random(1), "")


def counts(params: Any, name: str) -> Counter[Pixel]:
    """Return the number of pixels of each value in a picture of the response."""
    png = masks.picture(params, random.Random(1), name)
    assert png is not None
    width, height, pixels = read_png(png)
    assert len(pixels) == width * height
    return Counter(pixels)


LABELS = [
    "road",
    {"choice": "car", "instance_label": True},
    {"choice": "plant", "subchoices": ["tree", "grass"]},
    "road",
]


@pytest.mark.parametrize("allow_unlabeled", [False, True])
@pytest.mark.parametrize("labels", [LABELS, ["one"], [f"label {n}" for n in range(50)]])
def test_each_label_has_its_index_and_its_number_of_pixels(
    labels: Any, allow_unlabeled: bool
) -> None:
    params = {"labels": labels, "allow_unlabeled": allow_unlabeled}
    response = made(params)
    combined = response["annotations"]["combined"]
    indexed = counts(params, combined["indexedImage"])
    extended = counts(params, combined["extendedIndexedImage"])
    colors = counts(params, combined["image"])
    told = {}
    for label, entries in response["labelMapping"].items():
        [entry] = entries if isinstance(entries, list) else [entries]
        told[label] = entry
        assert indexed[(entry["index"],)] == entry["numPixels"] > 0
        assert extended[(0, 0, entry["index"])] == entry["numPixels"]
        assert colors[tuple(bytes.fromhex(entry["color"][1:]))] >= entry["numPixels"]
    unlabeled = sum(indexed.values()) - sum(it["numPixels"] for it in told.values())
    assert (unlabeled > 0) == allow_unlabeled
    assert indexed[(0,)] == unlabeled
    assert counts(params, response["annotations"]["unlabeled"])[(255,)] == unlabeled
    for label, urls in response["annotations"]["labeled"].items():
        [url] = urls if isinstance(urls, list) else [urls]
        assert counts(params, url)[(255,)] == told[label]["numPixels"]
    assert len({it["index"] for it in told.values()}) == len(told)


def test_the_observed_labels_are_in_the_picture() -> None:
    mapping = made({"labels": LABELS})["labelMapping"]
    assert list(mapping) == ["road", "car", "tree", "grass"]
    assert isinstance(mapping["car"], list)


def test_very_many_labels_still_have_their_indexes() -> None:
    subchoices = [f"{n}" for n in range(5000)]
    params = {"labels": [{"choice": "all", "subchoices": subchoices}]}
    combined = made(params)["annotations"]["combined"]
    assert set(counts(params, combined["indexedImage"])) == {(n,) for n in range(1, 5001)}
    assert (5000 >> 16, 5000 >> 8 & 255, 5000 & 255) in counts(
        params, combined["extendedIndexedImage"]
    )


@pytest.mark.parametrize("labels", [None, [], 5, [5], [{}]])
def test_a_picture_without_labels_is_unlabeled(labels: Any) -> None:
    params = {"labels": labels}
    response = made(params)
    assert response["labelMapping"] == {}
    combined = response["annotations"]["combined"]
    assert counts(params, combined["indexedImage"]) == {(0,): 64 * 64}
    assert masks.picture(params, random.Random(1), "another") is None


def test_the_pictures_are_served_with_what_the_response_tells() -> None:
    fake = FakeScale()
    task = fake.tasks.create("segmentannotation", **example("segmentannotation"))
    response: Any = fake.tasks.complete(task.id).response
    url = response["annotations"]["combined"]["indexedImage"]
    reply = werkzeug.test.Client(fake).get(re.sub(r"https?://[^/]+", "", url))
    assert (reply.status_code, reply.headers["Content-Type"]) == (200, "image/png")
    found = Counter(read_png(reply.data)[2])
    road, [car] = response["labelMapping"]["road"], response["labelMapping"]["car"]
    assert found == {(it["index"],): it["numPixels"] for it in (road, car)}
