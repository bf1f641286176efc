"""Error replies to clients, in OpenAI's form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "invalid_request_error",
    415: "invalid_request_error",
    429: "rate_limit_error",
    503: "server_error",
}


class RequestError(Exception):
    """A request that gets no answer. `status`: of HTTP. `field`: of the request, where one is to
    blame. `retry`: seconds after which another try makes sense."""

    def __init__(
        self, status: int, message: str, *, field: str | None = None, retry: int | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.field, self.retry = status, message, field, retry

    @property
    def headers(self) -> Mapping[str, str]:
        """Of the response."""
        return {} if self.retry is None else {"Retry-After": str(self.retry)}

    def body(self) -> dict[str, Any]:
        """OpenAI's error object."""
        kind = KINDS.get(self.status, "server_error")
        return {"error": {"message": self.message, "type": kind, "param": self.field, "code": None}}
