"""The Content-Encodings of bodies."""

import zlib

from fakescale.values.errors import TooLarge, Undecodable, invalid

# The argument of zlib for each Content-Encoding.
_WINDOWS = {"gzip": zlib.MAX_WBITS + 16, "deflate": zlib.MAX_WBITS}
# The number of bytes to inflate at a time. A gzip file may have a million members, and zlib copies
# the rest of the input after each.
_BLOCK = 4096


def inflated(body: bytes, encoding: str, most: int) -> bytes:
    """Return a body without its Content-Encoding, which may be empty.

    Inferred, as is the text of the 415: stock Express inflates gzip and deflate. It ignores bytes
    after the end of deflate. After a gzip member it ignores a zero byte and all that follows.
    Raises Undecodable for another encoding, BadRequest for a body that is not in its encoding,
    and TooLarge for one that has over ``most`` bytes without it.
    """
    encoding = encoding.lower()
    if encoding in ("", "identity") or not body:
        return body
    if encoding not in _WINDOWS:
        raise Undecodable(f'unsupported content encoding "{encoding}"')
    try:
        whole = _inflated(body, encoding, most)
    except zlib.error as error:
        phrase = f"must be {encoding} as the Content-Encoding says ({error})"
        raise invalid("body", phrase) from None
    if len(whole) > most:
        raise TooLarge(f"The body is larger than {most} bytes.")
    return bytes(whole)


def _inflated(body: bytes, encoding: str, most: int) -> bytearray:
    """Return the inflated body, or its first ``most + 1`` bytes; raises zlib.error."""
    whole = bytearray()
    inflater = zlib.decompressobj(_WINDOWS[encoding])
    for start in range(0, len(body), _BLOCK):
        block = body[start : start + _BLOCK]
        while block:
            if inflater.eof:
                if encoding == "deflate" or block[0] == 0:
                    return whole
                inflater = zlib.decompressobj(_WINDOWS[encoding])
            whole += inflater.decompress(block, most + 1 - len(whole))
            if len(whole) > most:
                return whole
            block = inflater.unused_data
    if not inflater.eof:
        raise zlib.error("it ends too early")
    return whole
