"""The WSGI application: for every request, it decides, responds, notes and sends.

The faults decide first whether the API does its work. The response is the API's own answer, or
a refusal. The journal and the log note the exchange. The answer is sent last; a fault may send
it late or broken.
"""

import datetime as dt
import email.utils
import functools
import hashlib
import http
import json
import logging
import threading
import traceback
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from fakescale.account.labeling import acting
from fakescale.account.listing import FLAG, choice, read_parameters
from fakescale.account.result_files import seen_from
from fakescale.api import page
from fakescale.api.access import Access
from fakescale.api.request import Request, raw_path
from fakescale.api.route import Call, match, methods
from fakescale.api.routes import ROUTES
from fakescale.server.access_log import log_exchange
from fakescale.state import State
from fakescale.traffic.fault import Asked, Effect
from fakescale.traffic.journal import Exchange
from fakescale.values.answer import Answer, header_fields, json_answer, refusal
from fakescale.values.clock import steady
from fakescale.values.environ import REPORT, STOPPED, BrokenOff
from fakescale.values.errors import ApiError, NotFound
from fakescale.values.frozen import freeze

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

log = logging.getLogger("fakescale")

#: The prefix of paths that are not the API's: they need no key, and bypass journal and faults.
CONTROL = "/_fakescale/"
HEALTH = f"{CONTROL}health"
DOCUMENT = f"{CONTROL}openapi.json"

_VERSION = choice("v1", "v2")  # of the API that the document describes

#: The function that answers an allowed control call, given the request and the operation's name.
Control = Callable[[Request, str], Answer]


class _Outcome(NamedTuple):
    """The answer as it is sent, the effects of the faults, and the traceback of a bug."""

    answer: Answer
    effects: Sequence[Effect]
    trace: str | None = None


def application(
    state: State,
    environ: "WSGIEnvironment",
    start_response: "StartResponse",
    *,
    access: Access,
    control: Control,
    max_body: int,
) -> Iterable[bytes]:
    """Answer a WSGI request: decide, respond, note and send."""
    begun = steady()
    path = raw_path(environ)
    if not environ["PATH_INFO"].isascii():  # werkzeug cannot read the text that httpx passes
        environ = {**environ, "PATH_INFO": path}
    request = Request(environ, max_body)
    is_control = f"{path}/".startswith(CONTROL)
    is_own = is_control or page.is_beside(request, path)  # not a request to the API
    now = state.clock.now()
    effects: list[Effect] = []

    def work() -> Answer:
        access.check_host(environ)
        if is_own:
            return _control(state, access, control, request, path)
        effects.extend(_decide(state, request, path))
        if all(effect.works for effect in effects):
            return _respond(state, access, request, path)
        return Answer(0, b"")

    answer, trace = _refusing(work)
    for effect in effects:
        answer = effect.spoil(answer)
    seconds = steady() - begun
    outcome = _Outcome(answer, effects, trace)
    exchange = _exchange(environ, request, path, now, outcome)
    if not is_own:
        size = state.journal._append(exchange)
        state.events._note_request(exchange, request.subject, seconds, size)
    if trace is not None:
        log.error("a bug in fakescale\n%s", trace)
    environ.get(REPORT, log_exchange)(exchange, seconds)
    return _send(environ, start_response, now, outcome)


def _refusing(work: Callable[[], Answer]) -> tuple[Answer, str | None]:
    """Return the answer that ``work`` returns or raises, and the traceback of a bug."""
    try:
        return work(), None
    except ApiError as error:
        return refusal(error), None
    except Exception:
        answer = refusal(ApiError("Something went wrong inside fakescale."))
        return answer, traceback.format_exc()


def _decide(state: State, request: Request, path: str) -> Sequence[Effect]:
    """Return the effects of the faults that strike the request."""
    if not state.faults:
        return ()
    asked = Asked(
        method=request.method,
        path=path,
        query=request.environ.get("QUERY_STRING", ""),
        headers=request.fields,
        api_key=request.api_key,
        # An upload can be read only once, as it arrives, by its view.
        content=lambda: None if request.is_multipart else request.content,
    )
    return state.faults._decide(asked)


def _control(state: State, access: Access, control: Control, request: Request, path: str) -> Answer:
    reads = request.method in ("GET", "HEAD")
    if (answer := page.respond(request, path)) is not None:
        return answer
    if reads and path == HEALTH:
        return json_answer({"status": "ok"})
    if reads and path == DOCUMENT:
        from fakescale.api.openapi import document

        query = request.query
        known = {"strict": FLAG, "version": _VERSION}
        options = read_parameters(query.values, known, written=query.written)
        return json_answer(document(request.called_at or state.origin(), **options))
    access.check_control(request)
    acting.set("control")  # until the end of the request
    return control(request, path[len(CONTROL) :])


def _respond(state: State, access: Access, request: Request, path: str) -> Answer:
    """Do the work of the API, and return its answer."""
    # Inferred: in stock Express, a HEAD is a GET whose answer comes without its body.
    found = match(ROUTES, "GET" if request.method == "HEAD" else request.method, path)
    allowed = methods(ROUTES, path) if request.method == "OPTIONS" else []
    public = match(ROUTES, "GET", path) if allowed else found
    # The names in the path of a result file that needs no key.
    file = public and public[0].is_public and not access.secure_result_urls and public[1]
    if file and allowed:
        return _allowing(allowed)
    # Observed: the API refuses a bad key before anything else.
    world = state.world_of_file(**file) if file else state.world(request.api_key)
    request.account = world.key.account
    if allowed:
        return _allowing(allowed)
    if found is None:
        # Guessed, for a wrong method as well: the API's answer is not known.
        raise NotFound(f"Not found: {request.method} {path}")
    route, names = found
    request.subject = names.get("task_id") or names.get("name")
    account = state.account(world.key.account)
    call = Call(account, world, route, names, request)

    def work() -> Answer:
        try:
            content = route.view(call)
            if isinstance(content, Answer):
                return content
            seen = seen_from(lambda: request.called_at or state.origin(), content)
            return json_answer(seen, route.status)
        except ApiError as error:  # caught here so that a saved answer can be a refusal
            return refusal(request.as_written(error))

    key = request.environ.get("HTTP_IDEMPOTENCY_KEY", "")
    if route.idempotent and key:
        answer = _once(state, call, key, work)
        if request.subject is None and answer.status == route.status:  # an earlier answer
            request.subject = json.loads(answer.body).get("task_id")
        return answer
    return work()


def _allowing(methods: Sequence[str]) -> Answer:
    """Return the answer to an OPTIONS.

    Inferred: stock Express answers so, and sends no CORS header of its own.
    """
    text = ",".join(methods)
    kind = "text/html; charset=utf-8"
    return Answer(200, text.encode(), freeze({"Allow": text, "Content-Type": kind}))


def _once(state: State, call: Call, key: str, work: Callable[[], Answer]) -> Answer:
    """Do ``work`` unless ``key`` was used for the same request before."""
    account, is_test = call.world.key
    # Guessed: the parts in which two requests must differ to be different, and that each mode
    # has its own keys. An empty body equals {}, and null an absent member, as everywhere.
    body = call.request.json_content or {}
    if isinstance(body, dict):
        body = {name: value for name, value in body.items() if value is not None}
    parts = [
        call.route.path,
        call.path,
        call.request.environ.get("QUERY_STRING", ""),
        body,
    ]
    # A digest, since a body may be long and is kept for a day.
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    return state.once.run((is_test, key), (account, digest), work)


def _exchange(
    environ: "WSGIEnvironment", request: Request, path: str, now: dt.datetime, outcome: _Outcome
) -> Exchange:
    """Return the exchange, for the journal, the events and the log."""
    return Exchange(
        method=request.method,
        path=path,
        query=environ.get("QUERY_STRING", ""),
        headers=request.fields,
        body=request.seen,
        status=outcome.answer.status,
        answer=outcome.answer.body,
        when=now,
        traceback=outcome.trace,
        fault="; ".join(effect.text for effect in outcome.effects) or None,
        account=request.account,
    )


def _send(
    environ: "WSGIEnvironment",
    start_response: "StartResponse",
    now: dt.datetime,
    outcome: _Outcome,
) -> Iterable[bytes]:
    """Send the answer, after the delays of the faults; raises BrokenOff for a reset."""
    answer = outcome.answer
    if delay := sum(effect.delay for effect in outcome.effects):
        # In real time: a test may have stopped the clock.
        environ.get(STOPPED, threading.Event()).wait(delay)
    if answer.status:
        start_response(
            _status_line(answer.status),
            [
                *header_fields(answer.body, answer.headers),
                ("Date", _date(int(now.timestamp()))),
            ],
        )
    if answer.is_reset:
        raise BrokenOff(answer.body)
    return [b"" if environ["REQUEST_METHOD"] == "HEAD" else answer.body]


@functools.cache
def _status_line(status: int) -> str:
    return f"{status} {http.HTTPStatus(status).phrase}"


@functools.lru_cache(maxsize=4)
def _date(second: int) -> str:
    return email.utils.formatdate(second, usegmt=True)
