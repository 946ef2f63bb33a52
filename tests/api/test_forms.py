import contextlib
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakescale.api.forms import read_form
from fakescale.values.errors import ApiError


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("", {}),
        ("a=1&b=", {"a": "1", "b": ""}),
        ("a=x+y%20z%C3%A9", {"a": "x y zé"}),
        ("a[]=1&a[]=2", {"a": ["1", "2"]}),
        ("a=1&a=2&a=3", {"a": ["1", "2", "3"]}),
        ("a%5B%5D=1", {"a": ["1"]}),
        ("f[title]=x&f[sub][deep]=y", {"f": {"title": "x", "sub": {"deep": "y"}}}),
        (
            "e[0][image]=u&e[0][ok]=1&e[1][image]=v",
            {"e": [{"image": "u", "ok": "1"}, {"image": "v"}]},
        ),
        ("e[][image]=u&e[][image]=v", {"e": [{"image": ["u", "v"]}]}),
        ("e[10]=c&e[2]=b&e[0]=a", {"e": ["a", "b", "c"]}),
        ("e[1]=a&e[x]=b", {"e": {"1": "a", "x": "b"}}),
        ("a]=1&[b]=2&c[d=3", {"a]": "1", "b": "2", "c": {"[d": "3"}}),
        ("m[100]=x", {"m": {"100": "x"}}),
        ("m[99]=x", {"m": ["x"]}),
        ("a=1&a[b]=2", {"a": ["1", {"b": "2"}]}),
        # Observed of qs: an escape that is malformed or not UTF-8 leaves its text as it is.
        ("a=%ff", {"a": "%ff"}),
        ("caf%E9+au=%41%E9+x", {"caf%E9 au": "%41%E9 x"}),
        ("a=%zz%41&b=%4&c=%", {"a": "%zz%41", "b": "%4", "c": "%"}),
        ("a=%ED%A0%80", {"a": "%ED%A0%80"}),
        # ... and no name is __proto__.
        ("a=1&__proto__=x&__proto__[b]=y", {"a": "1"}),
        ("m[__proto__]=x&m[a][__proto__][b]=y&m[c]=z", {"m": {"a": {}, "c": "z"}}),
        ("%5F_proto__=x&l[0][__proto__]=x&l[1]=proto", {"l": [{}, "proto"]}),
        ("a", {"a": ""}),
        ("&".join(["a[]=1"] * 1000), {"a": ["1"] * 1000}),
    ],
)
def test_names_nest(text: str, form: Any) -> None:
    assert read_form(text) == form


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a" + "[b]" * 33 + "=1", "nested deeper than 32"),
        ("a" + "%5Bb]" * 33 + "=1", "nested deeper than 32"),
        ("&".join("a=1" for _ in range(1_001)), "more than 1000 fields"),
    ],
)
def test_a_bad_form_is_refused(text: str, says: str) -> None:
    with pytest.raises(ApiError) as refusal:
        read_form(text)
    assert says in str(refusal.value)


@given(st.dictionaries(st.text("ab", min_size=1), st.lists(st.text("x é&="), min_size=2)))
def test_repeated_names_are_lists(lists: Any) -> None:
    assert read_form(urlencode(lists, doseq=True)) == lists


@given(st.text("ab[]=&0123%+"))
def test_any_form_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ApiError):
        assert isinstance(read_form(text), dict)
