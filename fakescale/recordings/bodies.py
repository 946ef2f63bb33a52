"""The bytes of a recorded body, without base64 and without its content encoding."""

import base64
import re
import zlib
from collections.abc import Iterable
from typing import Any

from fakescale.recordings.texts import MAX_EXCHANGE
from fakescale.values.answer import encode

# The encodings of texts that VCR names, in the spelling of Python; any other is UTF-8.
_CHARSETS = {"ISO-8859-1": "latin-1", "WINDOWS-1252": "cp1252"}
_GZIP = b"\x1f\x8b"
_PLAIN = {"true": True, "false": False}
_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,30})(\.\d{1,30})?(?:[eE][-+]?\d{1,3})?", re.ASCII)


class Plain(str):
    """A text without quotes in YAML: it may stand for a number or a boolean."""

    __slots__ = ()

    def value(self) -> Any:
        """Return the number or boolean, or else the text."""
        if self.lower() in _PLAIN:
            return _PLAIN[self.lower()]
        if _NUMBER.fullmatch(self):
            return float(self) if set(self) & set(".eE") else int(self)
        return str(self)


def to_bytes(text: str, charset: str = "utf-8") -> bytes:
    """Return the bytes of a text, which may hold half of a surrogate pair."""
    for name, errors in ((charset, "strict"), ("utf-8", "strict"), ("utf-8", "surrogateescape")):
        try:
            return text.encode(name, errors)
        except UnicodeEncodeError:
            continue
    return text.encode("utf-8", "surrogatepass")


def read_base64(text: Any) -> bytes:
    """Return the bytes that ``text`` spells in base64; raises ValueError if it is broken."""
    if isinstance(text, bytes):
        text = text.decode("latin-1")
    if not isinstance(text, str):
        raise ValueError("a text in base64 is missing")
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except ValueError as error:
        raise ValueError(f"a text in base64 is broken: {error}") from None


def is_json(value: Any) -> bool:
    """Return whether a body in a cassette is a JSON value, as vcrpy writes bodies of aiohttp."""
    is_body = isinstance(value, dict) and value.keys() <= {"string", "base64_string", "encoding"}
    return isinstance(value, dict | list) and not is_body


def read_body(value: Any) -> bytes:
    """Return the bytes of a body in a cassette; raises ValueError for any other value."""
    if is_json(value):
        return encode(_resolved(value))
    charset = "utf-8"
    if isinstance(value, dict):
        charset = _CHARSETS.get(str(value.get("encoding")).upper(), "utf-8")
        if value.get("base64_string") is not None:
            return read_base64(value["base64_string"])
        value = value.get("string")
    if value is None:
        return b""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return to_bytes(value, charset)
    raise ValueError(f"a body is neither a text nor bytes, but {type(value).__name__}")


def _resolved(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _resolved(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_resolved(item) for item in value]
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return value.value() if isinstance(value, Plain) else value


def decoded(body: bytes, headers: Iterable[tuple[str, str]]) -> bytes:
    """Return a body without its content encoding.

    Recorders may remove the encoding and leave the header, so a body that does not look encoded
    is returned as it is. Raises ValueError if it is broken, too large, or in an encoding that is
    not read.
    """
    names = [value for name, value in headers if name.lower() == "content-encoding"]
    for name in reversed([it.strip().lower() for it in ",".join(names).split(",")]):
        if name in ("gzip", "x-gzip", "deflate") or body.startswith(_GZIP):
            body = _inflated(body)
        elif name in ("br", "zstd", "compress") and not _is_text(body):
            raise ValueError(
                f"a body is compressed with {name}, which is not read; record it decoded"
            )
    return body


def _inflated(body: bytes) -> bytes:
    if body.startswith(_GZIP):
        return _inflate(body, 31)
    for bits in (15, -15):  # with the header of zlib, as the standard demands, or without
        try:
            return _inflate(body, bits)
        except zlib.error:
            continue
        except _CutOff:
            break
    return body  # it is decoded already


class _CutOff(ValueError):
    """A compressed body ends too early."""


def _inflate(body: bytes, bits: int) -> bytes:
    unpacker = zlib.decompressobj(bits)
    try:
        content = unpacker.decompress(body, MAX_EXCHANGE + 1)
    except zlib.error as error:
        if bits == 31:
            raise ValueError(f"a body in gzip is broken: {error}") from None
        raise
    if len(content) > MAX_EXCHANGE:
        raise ValueError(f"a body is over {MAX_EXCHANGE // 2**20} MiB once it is unpacked")
    if not unpacker.eof:
        raise _CutOff("a compressed body is cut off")
    return content


def _is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True
