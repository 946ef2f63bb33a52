from typing import Any

import pytest

from fakescale.drawing.sizes import size_of, size_of_url


@pytest.mark.parametrize(
    ("url", "size"),
    [
        ("https://a.test/1920x1080/1.jpg", (1920, 1080)),
        ("https://a.test/cat_640x480.jpg", (640, 480)),
        ("https://a.test/cat-640x480", (640, 480)),
        ("https://a.test/8x8/cat_640x480.jpg", (640, 480)),
        ("https://a.test/1.jpg?w=100&h=50", (100, 50)),
        ("https://a.test/1.jpg?width=100&height=50", (100, 50)),
        ("https://a.test/640x480/1.jpg?w=100&h=50", (100, 50)),
        ("https://a.test/1.jpg?w=100", None),
        ("https://a.test/1.jpg?w=ten&h=50", None),
        ("https://a.test/0x0/1.jpg", None),
        ("https://640x480.test/1.jpg", None),
        ("https://a.test/123456x7/1.jpg", None),
        ("https://a.test/cat.jpg", None),
        ("http://[", None),
        ("http://a.test/?" + "a&" * 100, None),
        (None, None),
        (5, None),
    ],
)
def test_a_url_may_tell_the_size_of_its_picture(url: Any, size: Any) -> None:
    assert size_of_url(url) == size


def test_given_sizes_count_first_and_each_frame_has_its_own() -> None:
    sizes = {"http://a.test/1x1/": (5, 6)}
    assert size_of({"attachment": "http://a.test/1x1/"}, sizes) == (5, 6)
    assert size_of({"attachment": "http://a.test/2x3/"}, sizes) == (2, 3)
    frames = {"attachments": ["http://a.test/2x3/", "http://a.test/4x5/"]}
    assert size_of(frames, frame=1) == size_of(frames, frame=9) == (4, 5)
    assert size_of("wild", {}) is None
