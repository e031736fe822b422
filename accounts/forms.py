from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from rest_framework.exceptions import Throttled
from unfold.forms import AuthenticationForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminSelectWidget

from accounts.models import User
from accounts.roles import Role

ROLE_CHOICES = [(str(int(role)), role.name.capitalize()) for role in Role]


class ThrottledAuthenticationForm(AuthenticationForm):
    """The admin's login form; says when the login limits are reached."""

    error_messages = {
        **AuthenticationForm.error_messages,
        "invalid_login": "The user name or the password is wrong, or this user may not log in here.",
    }

    def clean(self) -> Any:
        try:
            return super().clean()
        except Throttled as error:
            raise ValidationError(f"Too many failed logins. {error.detail}", code="throttled") from error


def role_field() -> forms.TypedChoiceField:
    text = (
        "A Reader sees, an Operator also checks, a Manager also changes. Without a role a user sees nothing; a superuser may do everything."
    )
    return forms.TypedChoiceField(
        choices=ROLE_CHOICES, coerce=lambda value: Role(int(value)), initial="0", help_text=text, widget=UnfoldAdminSelectWidget
    )


class RegistryUserCreationForm(UserCreationForm):
    role = role_field()

    class Meta(UserCreationForm.Meta):
        model = User

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "usable_password" in self.fields:
            self.fields["usable_password"].label = "Login with a password"
            self.fields["usable_password"].help_text = "Disabled is right for an application that only gets API keys or application tokens."


class RegistryUserChangeForm(UserChangeForm):
    role = role_field()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "is_active" in self.fields:
            self.fields["is_active"].help_text = "Off: the user and every key and token of theirs are refused. Keeps what the record says."
        if "role" in self.fields:
            self.fields["role"].initial = str(int(Role(self.instance.rank)))
