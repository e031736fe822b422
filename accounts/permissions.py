from typing import TYPE_CHECKING

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from accounts.models import User
from accounts.roles import Role

if TYPE_CHECKING:
    from rest_framework.views import APIView


class HasRole(BasePermission):
    """Lets in users of the role that a call needs, or of a higher one.

    Safe methods need Reader, all others Manager. A view or an `@action` says what differs, by method:
    `required_roles = {"POST": Role.OPERATOR}`.
    """

    message = "Your role does not allow this."

    def has_permission(self, request: Request, view: "APIView") -> bool:
        required = required_role(str(request.method), view)
        return isinstance(request.user, User) and request.user.role >= required


def required_role(method: str, view: "APIView") -> Role:
    """Return the lowest role that may call `method` of `view`.

    A method that the view does not offer needs Reader: it is answered 405, whoever calls.
    """
    if declared := getattr(view, "required_roles", None):
        roles = {name.upper(): role for name, role in declared.items()}
        asked = "GET" if method == "HEAD" and "HEAD" not in roles else method  # both answer the same
        if asked in roles:
            return Role(roles[asked])
    if method in SAFE_METHODS or not hasattr(view, method.lower()):
        return Role.READER
    return Role.MANAGER
