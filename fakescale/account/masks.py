"""Masks: the response of a segmentation, and the pictures that it points to.

The labels are bands of one picture. Documented: the members of the response. Observed: the index of
a label is the value of its pixels, and the response tells their number. Guessed: the size of the
picture, how an index over 255 is shown, and that a mask of one label is white on black.
"""

import itertools
import random
import struct
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from fakescale.account.made_up import items_of, leaves, members_of
from fakescale.account.shapes import Params, is_set
from fakescale.values.ids import make_uuid

_SIDE = 64  # the width of the picture, and its least height
_GRAY, _COLOR = 0, 2  # the color types of a PNG
_COMBINED = ("image", "indexedImage", "extendedIndexedImage")


def response(params: Params, rng: random.Random, base: str) -> dict[str, Any]:
    """Return the response of a segmentation, whose URLs begin with ``base``."""
    several = instance_labels(params)
    sizes = dict(_bands(params))
    mapping: dict[str, Any] = {}
    labeled: dict[str, Any] = {}
    for index, label in enumerate(_labels(params), start=1):
        color = f"#{rng.getrandbits(24):06x}"
        entry = {"index": index, "color": color, "numPixels": sizes[index]}
        url = base + make_uuid(rng)
        mapping[label] = [entry] if label in several else entry
        labeled[label] = [url] if label in several else url
    annotations = {
        "combined": {name: base + make_uuid(rng) for name in _COMBINED},
        "labeled": labeled,
        "unlabeled": base + make_uuid(rng),
    }
    return {"labelMapping": mapping, "annotations": annotations}


def instance_labels(params: Params) -> set[str]:
    """Return the labels of which each instance has a mask of its own."""
    names = [*_several(params.get("labels")), *items_of(params.get("instance_labels"))]
    return {name for name in names if isinstance(name, str)}  # the second is their older place


def _several(labels: Any) -> Iterator[Any]:
    """Yield the labels of a tree that say so themselves, at any depth (documented)."""
    for label in map(members_of, items_of(labels)):
        if is_set(label.get("instance_label")):
            yield from leaves([{**label, "subchoices": None}])
        yield from _several(label.get("subchoices"))


def picture(
    params: Params, rng: random.Random, name: str, without: Collection[str] = ()
) -> bytes | None:
    """Return the PNG with the UUID ``name`` among those of the response, or None.

    ``without`` are labels that the picture of all labels shows in black.
    """
    made = response(params, rng, "")
    annotations = made["annotations"]
    bands = list(_bands(params))
    if name == annotations["unlabeled"]:
        return _mask(bands, 0)
    for index, url in enumerate(annotations["labeled"].values(), start=1):
        if name in (url, *items_of(url)):
            return _mask(bands, index)
    if name == annotations["combined"]["image"]:
        mapping = made["labelMapping"].items()
        entries = [_entry(it) for label, it in mapping if label not in without]
        colors = {it["index"]: bytes.fromhex(it["color"][1:]) for it in entries}
        return _png(_COLOR, 8, bands, lambda index: colors.get(index, b"\0\0\0"))
    if name == annotations["combined"]["indexedImage"]:
        if bands[-1][0] < 256:
            return _png(_GRAY, 8, bands, lambda index: bytes([index]))
        return _png(_GRAY, 16, bands, lambda index: struct.pack(">H", min(index, 0xFFFF)))
    if name == annotations["combined"]["extendedIndexedImage"]:
        return _png(_COLOR, 8, bands, lambda index: index.to_bytes(3, "big"))
    return None


def _entry(entry: Any) -> Mapping[str, Any]:
    found: Mapping[str, Any] = entry[0] if isinstance(entry, list) else entry
    return found


def _labels(params: Params) -> list[str]:
    return list(dict.fromkeys(leaves(params.get("labels"))))


def _bands(params: Params) -> Iterator[tuple[int, int]]:
    """Yield the index and the number of pixels of each band of the picture, from the top.

    The index 0 is for pixels without a label (documented). There are none unless the task
    allows them, or has no labels.
    """
    count = len(_labels(params))
    first = 0 if params.get("allow_unlabeled") or not count else 1
    number = count + 1 - first
    pixels = _SIDE * max(_SIDE, -(-number // _SIDE))
    bounds = [band * pixels // number for band in range(number + 1)]
    for band, (start, end) in enumerate(itertools.pairwise(bounds), start=first):
        yield band, end - start


def _mask(bands: list[tuple[int, int]], wanted: int) -> bytes:
    return _png(_GRAY, 8, bands, lambda index: b"\xff" if index == wanted else b"\0")


def _png(
    kind: int, depth: int, bands: list[tuple[int, int]], pixel: Callable[[int], bytes]
) -> bytes:
    """Return a picture of the bands as a PNG; ``pixel`` returns the bytes of a pixel by index."""
    pixels = b"".join(pixel(index) * count for index, count in bands)
    height = sum(count for _, count in bands) // _SIDE
    stride = len(pixels) // height
    lines = (pixels[start : start + stride] for start in range(0, len(pixels), stride))
    head = struct.pack(">IIBBBBB", _SIDE, height, depth, kind, 0, 0, 0)
    content = zlib.compress(b"".join(b"\0" + line for line in lines))
    chunks = ((b"IHDR", head), (b"IDAT", content), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
