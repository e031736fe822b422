from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator
from rest_framework.exceptions import Throttled
from unfold.forms import AdminPasswordChangeForm, AuthenticationForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminSelectWidget

from accounts.models import MAX_PASSWORD_LENGTH, MAX_USERNAME_LENGTH, User
from accounts.roles import Role

ROLE_CHOICES = [(str(int(role)), role.name.capitalize()) for role in Role]
ROLE_HELP = (
    "A Reader sees, an Operator also checks, a Manager also changes. "
    "Without a role a user sees nothing; a superuser may do everything."
)


class BoundedPasswords(forms.Form):
    """Refuses passwords longer than a login accepts, before they are hashed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            if getattr(field.widget, "input_type", "") == "password":
                field.validators.append(MaxLengthValidator(MAX_PASSWORD_LENGTH))


class ThrottledAuthenticationForm(BoundedPasswords, AuthenticationForm):
    """The admin's login form. It shows an error when the login limits are reached."""

    error_messages = {
        **AuthenticationForm.error_messages,
        "invalid_login": "The user name or the password is wrong, or this user may not log in here.",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].validators.append(MaxLengthValidator(MAX_USERNAME_LENGTH))

    def clean(self) -> Any:
        try:
            return super().clean()
        except Throttled as error:
            raise ValidationError(str(error.detail), code="throttled") from error


def role_field() -> forms.TypedChoiceField:
    return forms.TypedChoiceField(
        choices=ROLE_CHOICES,
        coerce=lambda value: Role(int(value)),
        initial="0",
        help_text=ROLE_HELP,
        widget=UnfoldAdminSelectWidget,
    )


class RegistryUserCreationForm(BoundedPasswords, UserCreationForm):
    role = role_field()

    class Meta(UserCreationForm.Meta):
        model = User

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if field := self.fields.get("usable_password"):
            field.label = "Login with a password"
            field.help_text = (
                "Disabled is right for an application that only gets API keys or application tokens."
            )


class RegistryPasswordChangeForm(BoundedPasswords, AdminPasswordChangeForm):
    """The form by which a manager sets a user's new password."""


class RegistryUserChangeForm(UserChangeForm):
    role = role_field()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if field := self.fields.get("is_active"):
            field.help_text = (
                "Off: the user and every key and token of theirs are refused. Keeps what the record says."
            )
        if field := self.fields.get("role"):
            field.initial = str(int(Role(self.instance.rank)))
