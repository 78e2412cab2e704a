"""Paging by key, the same for every list: `?limit=100&after=<next of the page before>`."""

from collections.abc import Callable, Sequence
from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel

T = TypeVar("T")
MAX_LIMIT = 1000

# No NUL: PostgreSQL's text has none, and a request with one would fail as if it were our fault.
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="How many items at most")]
After = Annotated[str, Query(max_length=200, pattern=r"^[^\x00]*$", description="`next` of the page before")]


class Page(BaseModel, Generic[T]):
    """`next` is None on the last page."""

    items: list[T]
    next: str | None = None


def page_of(found: Sequence[T], limit: int, key: Callable[[T], str]) -> Page[T]:
    """`found` was asked for with one item more than `limit`: that one says whether there is a next page."""
    items = list(found[:limit])
    return Page(items=items, next=key(items[-1]) if len(found) > limit else None)
