from rest_framework.exceptions import APIException, PermissionDenied

from accounts.authentication import BearerAuthentication
from accounts.models import User


class MemberAuthentication(BearerAuthentication):
    """As everywhere, but for a good bearer of an inactive user: 403, as pm415 answers it."""

    def refusal(self, user: User | None) -> APIException:
        return super().refusal(user) if user is None else PermissionDenied("User not confirmed or inactive")
