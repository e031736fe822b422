from rest_framework.exceptions import APIException, PermissionDenied

from accounts.authentication import BearerAuthentication
from accounts.models import User


class MemberAuthentication(BearerAuthentication):
    """Answers 403 to a valid bearer of an inactive user, as pm415 does, where other calls answer 401."""

    def refusal(self, user: User | None) -> APIException:
        return super().refusal(user) if user is None else PermissionDenied("User not confirmed or inactive")
