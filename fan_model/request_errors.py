"""How everything that may be asked of this package is refused."""


class RequestError(ValueError):
    """A request that cannot be served; the message is one sentence, safe to show to whoever sent it."""

    http_status = 400
