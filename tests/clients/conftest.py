"""A served fake for each test of a client."""

from collections.abc import Iterator

import pytest

from fakescale import FakeScale


@pytest.fixture
def served() -> Iterator[FakeScale]:
    with FakeScale().serve() as fake:
        yield fake
