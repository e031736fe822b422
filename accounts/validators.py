from django.core.exceptions import ValidationError

from accounts.models import MAX_PASSWORD_LENGTH, User


class MaximumLengthValidator:
    """Refuses a password that is longer than a login accepts."""

    def validate(self, password: str, user: User | None = None) -> None:
        if len(password) > MAX_PASSWORD_LENGTH:
            raise ValidationError(self.get_help_text(), code="password_too_long")

    def get_help_text(self) -> str:
        return f"A password has at most {MAX_PASSWORD_LENGTH} characters."
