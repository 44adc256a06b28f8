"""Endpoints that know who asks, and refuse each caller at a pace."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from fan_model.request_errors import RequestError
from fan_model.service.callers.bearer_tokens import BearerTokens, Caller
from fan_model.service.callers.refusal_pace import RefusalPace

Endpoint = Callable[[Request], Awaitable[Response]]
CallersEndpoint = Callable[[Request, Caller], Awaitable[Response]]


def paced(answer: CallersEndpoint, tokens: BearerTokens, pace: RefusalPace) -> Endpoint:
    """Make an endpoint of one that is told who asks.

    Args:
        answer: Answers a caller, or raises why not.
        tokens: Who may ask.
        pace: Holds back what is refused.
    """

    async def identify_and_answer(request: Request) -> Response:
        # Who shows a token that nobody knows is known by the address alone.
        asker = address = request.client.host if request.client else ""
        try:
            caller = tokens.identify(request.headers, address)
            asker = caller.name
            return await answer(request, caller)
        except RequestError:
            await pace.hold(asker)
            raise

    # The description of paths names and explains an endpoint as its function does.
    identify_and_answer.__name__, identify_and_answer.__doc__ = answer.__name__, answer.__doc__
    return identify_and_answer
