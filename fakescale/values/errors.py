"""The errors of the API, each with its HTTP status.

::

    ApiError
    ├── BadRequest        400  a bad or missing parameter; an action the task's status forbids
    ├── Unauthorized      401  a missing or unknown key
    ├── PaymentRequired   402  the task type is not enabled for the account
    ├── Forbidden         403  a call that a web page may have sent; a missing control token
    ├── NotFound          404  an unknown route, type or task
    ├── TooSlow           408  the body took too long to arrive (ours: no limit is published)
    ├── Conflict          409  unique_id or Idempotency-Key in use
    ├── TooLarge          413  the body is over the limit (ours: the API publishes none)
    ├── Undecodable       415  a Content-Encoding that the API cannot read
    └── TooManyRequests   429  a duplicate of a request that is still in progress
"""

import json
from typing import Any, Final

_ABSENT: Final = object()


class ApiError(Exception):
    """An error of the API. ``str()`` of it is the message."""

    #: The HTTP status; each kind of error has its own.
    status = 500

    def to_json(self) -> dict[str, Any]:
        """Return the documented error body, ``{"status_code": …, "error": …}``."""
        return {"status_code": self.status, "error": str(self)}


class BadRequest(ApiError):
    """A parameter is bad or missing, or the task's status does not allow the call."""

    status = 400
    #: The name of the bad parameter, if the message begins with it: ``labels[0].name``.
    field: str | None = None

    def renamed(self, name: str) -> "BadRequest":
        """Return the same error with another name of the parameter."""
        return BadRequest(str(self).replace(f'"{self.field}"', f'"{name}"', 1))


class Unauthorized(ApiError):
    """The API key is missing or unknown. The message is observed."""

    status = 401

    def __init__(self) -> None:
        super().__init__("Your API key does not correspond to a registered user.")


class PaymentRequired(ApiError):
    """The task type is not enabled for the account."""

    status = 402


class Forbidden(ApiError):
    """The call may come from a web page, or lacks the control token.

    Only the fake refuses these calls; the API does not.
    """

    status = 403


class NotFound(ApiError):
    """The route, the task type or the task is unknown."""

    status = 404


class TooSlow(ApiError):
    """The request's body takes longer to arrive than the fake waits."""

    status = 408


class Conflict(ApiError):
    """A name that must be unique is already in use."""

    status = 409


class TooLarge(ApiError):
    """The request's body is larger than the fake's limit."""

    status = 413


class Undecodable(ApiError):
    """The Content-Encoding of the request is not supported."""

    status = 415


class Unmet(ApiError):
    """An assertion of a control call fails, or its wait ends in vain.

    Only the fake refuses these calls; the API does not.
    """

    status = 417


class TooManyRequests(ApiError):
    """An identical request is still in progress; repeating the request is safe."""

    status = 429


def invalid(field: str, rule: str, value: Any = _ABSENT) -> BadRequest:
    """Return the error for the parameter ``field`` that breaks ``rule`` with ``value``.

    The frame of the message is documented (``Parameter is invalid, reason: "attachments" is
    required``). The wording of the rules follows the validator that the frame seems to come
    from (guessed). The value at the end is our addition.
    """
    got = "" if value is _ABSENT else f" (got {shown(value)})"
    error = BadRequest(f'Parameter is invalid, reason: "{field}" {rule}{got}')
    error.field = field
    return error


def shown(value: Any) -> str:
    """Return ``value`` as JSON, cut to 80 characters."""
    text = ""
    # In pieces, since the whole of a large value could take some hundred MB.
    for piece in json.JSONEncoder(default=repr).iterencode(value):
        text += piece
        if len(text) > 80:
            return text[:77] + "..."
    return text
