"""The refusals of the API, each with its status code.

ApiError
├── BadRequest        400  a bad or missing parameter; an action the task's status forbids
├── Unauthorized      401  no key, or none that is known
├── PaymentRequired   402  the task type is not enabled for the account
├── Forbidden         403  a call that a web page could have made; a missing control token
├── NotFound          404  no such route, type or task
├── TooSlow           408  the body took too long to arrive (ours: no limit is published)
├── Conflict          409  unique_id or Idempotency-Key in use
├── TooLarge          413  the body is over the limit (ours: the API publishes none)
└── TooManyRequests   429  the twin of a request that is still being worked on
"""

import json
from typing import Any, Final

_ABSENT: Final = object()


class ApiError(Exception):
    """A refusal: ``status`` is its HTTP status, ``str()`` its text."""

    status = 500

    def to_json(self) -> dict[str, Any]:
        """Return the documented error body, ``{"status_code": …, "error": …}``."""
        return {"status_code": self.status, "error": str(self)}


class BadRequest(ApiError):
    """A parameter is bad or missing, or the task's status does not allow the call."""

    status = 400


class Unauthorized(ApiError):
    """There is no API key, or it is not a known one. The text is observed."""

    status = 401

    def __init__(self) -> None:
        super().__init__("Your API key does not correspond to a registered user.")


class PaymentRequired(ApiError):
    """The task type is not enabled for the account."""

    status = 402


class Forbidden(ApiError):
    """The call may come from a web page, or lacks the control token (ours, not the API's)."""

    status = 403


class NotFound(ApiError):
    """There is no such route, task type or task."""

    status = 404


class TooSlow(ApiError):
    """The request's body takes longer than the fake is willing to wait."""

    status = 408


class Conflict(ApiError):
    """A name that may be used once only is in use."""

    status = 409


class TooLarge(ApiError):
    """The request's body is larger than the fake is willing to read."""

    status = 413


class TooManyRequests(ApiError):
    """An identical request is still in flight; repeating it is safe."""

    status = 429


def invalid(field: str, rule: str, value: Any = _ABSENT) -> BadRequest:
    """Return the refusal of parameter ``field``, which breaks ``rule``, holding ``value``.

    The frame of the text is documented (``Parameter is invalid, reason: "attachments" is
    required``); the rules follow the validator that it seems to come from (guessed), and
    the value at the end is our addition.
    """
    got = "" if value is _ABSENT else f" (got {shown(value)})"
    return BadRequest(f'Parameter is invalid, reason: "{field}" {rule}{got}')


def shown(value: Any) -> str:
    """Return ``value`` as JSON, cut to 80 characters."""
    text = json.dumps(value, default=repr)
    return text if len(text) <= 80 else text[:77] + "..."
