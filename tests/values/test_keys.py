import pytest

from fakescale.values.keys import masked


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{"Authorization": "Basic bGl2ZV94Og==", "A": "b"}', '{"Authorization": "***", "A": "b"}'),
        ('{"api_key":"live_\\u00e9\\"secret","status":503}', '{"api_key":"***","status":503}'),
        ('{"body": "{\\"api_key\\": \\"live_x\\"}"}', '{"body": "{\\"api_key\\": \\"***\\"}"}'),
        ('{"callback_auth_key": "live_auth_x"}', '{"callback_auth_key": "***"}'),
        ("Authorization : Basic bGl2ZV94Og==", "Authorization : ***"),
        ("authorization: live_x", "authorization: ***"),
        ("scale-callback-auth: live_auth_x", "scale-callback-auth: ***"),
        ('"Authorization : Basic bGl2...', '"Authorization : ***'),
        ('{"api_key": "live_cut', '{"api_key": "***'),
        ("http://live_x:@localhost/v1 https://u:p@b/", "http://***@localhost/v1 https://***@b/"),
        ("http://localhost/@x?a@b", "http://localhost/@x?a@b"),
        ('{"api_key": null, "unique_id": "live_x"}', '{"api_key": ***, "unique_id": "live_x"}'),
    ],
)  # fmt: skip
def test_a_log_shows_no_key(text: str, shown: str) -> None:
    assert masked(text) == shown
