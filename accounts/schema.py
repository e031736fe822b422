"""The OpenAPI description of the login calls."""

from collections.abc import Callable
from typing import Any, TypeVar

from drf_spectacular.utils import extend_schema

View = TypeVar("View", bound=Callable[..., Any])


def describe(operation: str, summary: str, answer: Any, *, body: Any = None) -> Callable[[View], View]:
    """Return a decorator that describes an operation: its body, `None` without one, and its answer."""
    described = extend_schema(operation_id=operation, summary=summary, request=body, responses={200: answer})
    return described
