"""How the OpenAPI description tells of calls for tokens."""

from collections.abc import Callable
from typing import Any, TypeVar

from drf_spectacular.utils import extend_schema

View = TypeVar("View", bound=Callable[..., Any])


def describe(operation: str, summary: str, answer: Any, *, body: Any = None) -> Callable[[View], View]:
    """Describe a call that takes `body`, or none, and answers `answer`."""
    described = extend_schema(operation_id=operation, summary=summary, request=body, responses={200: answer})
    return described
