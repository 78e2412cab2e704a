"""What can go wrong with a request, each error knowing its HTTP status and code. `app.py` alone renders them."""

from collections.abc import Mapping
from typing import ClassVar


class PlatformError(Exception):
    """`detail` is a sentence for a person; `fields` maps a field of the request to what is wrong with it."""

    status: ClassVar[int]
    code: ClassVar[str]
    title: ClassVar[str]

    def __init__(self, detail: str, *, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.fields = dict(fields or {})


class Invalid(PlatformError):
    status = 422
    code = "invalid"
    title = "The request is not valid"


class Unauthenticated(PlatformError):
    status = 401
    code = "unauthenticated"
    title = "Sign in first"


class Forbidden(PlatformError):
    status = 403
    code = "forbidden"
    title = "You may not do this"


class NotFound(PlatformError):
    """Also for what exists outside the principal's scope: the answer does not tell which."""

    status = 404
    code = "not-found"
    title = "There is no such thing"


class Conflict(PlatformError):
    status = 409
    code = "conflict"
    title = "This does not fit the present state"


class TooLarge(PlatformError):
    status = 413
    code = "too-large"
    title = "The request is too large"


class TooMany(PlatformError):
    """`retry_after_s` is when the same request may be tried again."""

    status = 429
    code = "too-many"
    title = "Too many requests"

    def __init__(self, detail: str, *, retry_after_s: int) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class Unavailable(PlatformError):
    """The database (or another part we need) does not answer; nothing was changed that was not confirmed."""

    status = 503
    code = "unavailable"
    title = "Part of the platform does not answer"

    def __init__(self, detail: str, *, retry_after_s: int = 2) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s
