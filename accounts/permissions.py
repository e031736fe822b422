from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.models import User
from accounts.roles import Role

if TYPE_CHECKING:
    from rest_framework.views import APIView


class HasRole(BasePermission):
    """Lets in users of the view's `required_role` (Reader unless it says otherwise) or a higher one."""

    message = "Your role does not allow this."

    def has_permission(self, request: Request, view: "APIView") -> bool:
        required: Role = getattr(view, "required_role", Role.READER)
        return isinstance(request.user, User) and request.user.role >= required
