import pytest

from fakescale import FakeScale
from fakescale.values.errors import Unauthorized
from fakescale.values.keys import read_key


@pytest.mark.parametrize(
    ("text", "account", "is_test"),
    [
        ("live_acme", "acme", False),
        ("test_acme", "acme", True),
        ("acme|test", "acme", True),
        ("live_a_b c", "a_b c", False),
        ("live_a|test", "live_a", True),  # every text with this ending is a test key
    ],
)
def test_a_key_names_the_account_and_the_mode(text: str, account: str, is_test: bool) -> None:
    assert read_key(text) == (account, is_test)


@pytest.mark.parametrize("text", ["", "dummy_api_key", "live_", "test_", "|test", "LIVE_x", "live"])
def test_other_texts_are_not_keys(text: str) -> None:
    with pytest.raises(ValueError, match="is not an API key"):
        read_key(text)


def test_worlds_share_nothing() -> None:
    fake = FakeScale()
    other = fake.account("other")
    worlds = [fake.tasks, fake.test.tasks, other.tasks, other.test.tasks]
    for tasks in worlds:
        tasks.create("chat", unique_id="u")
    assert [len(tasks) for tasks in worlds] == [1, 1, 1, 1]
    assert [tasks.list()[0].is_test for tasks in worlds] == [False, True, False, True]


def test_an_account_is_made_once() -> None:
    fake = FakeScale()
    assert fake.account("x") is fake.account("x")
    assert fake.account("fakescale").tasks is fake.tasks


def test_a_list_of_keys_excludes_all_other_keys() -> None:
    fake = FakeScale(api_keys=["acme|test", "live_b"])
    state = fake._state
    assert state.world("acme|test").tasks is fake.test.tasks
    assert state.world("live_b").tasks is fake.account("b").tasks
    for key in ("live_acme", "test_acme", "live_c", "", None):
        with pytest.raises(Unauthorized):
            state.world(key)


def test_keys_are_spelled_as_they_were_listed() -> None:
    fake = FakeScale(api_keys=["acme|test", "live_acme"])
    assert (fake.test_api_key, fake.api_key) == ("acme|test", "live_acme")


def test_a_list_with_a_bad_key_is_refused() -> None:
    with pytest.raises(ValueError, match="'secret' is not an API key"):
        FakeScale(api_keys=["live_a", "secret"])
