"""The names of the real API's host."""

from typing import Any

import pytest

from fakescale.values.hosts import HOSTS, is_api


@pytest.mark.parametrize("host", HOSTS)
def test_a_name_of_the_api_is_known_in_any_spelling(host: str) -> None:
    for spelled in (
        host,
        host.upper(),
        f"{host}.",
        host.encode(),
        bytearray(host.title().encode()),
        host.replace(".", "\u3002"),
        host.replace("a", "\uff41"),
    ):
        assert is_api(spelled), spelled


@pytest.mark.parametrize(
    "value",
    ["", ".", "scale.com", "www.api.scale.com", "api.scale.com.example.com", "api.scale.com:443",
     "äpi.scale.com", "ä" * 99, b"\xff", None, 443, ("api.scale.com", 443)],
)  # fmt: skip
def test_no_other_value_is_a_name_of_the_api(value: Any) -> None:
    assert not is_api(value)
