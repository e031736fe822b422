"""The connection's form: secrets go in and never come out."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import (
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldBooleanSwitchWidget,
)

from connections.addresses.address import Address
from connections.choices import Authentication, ConnectionType, authentications_of
from connections.headers import parse_headers, secret_values, without_secrets, write_headers
from connections.models import ADDRESSES, Connection
from connections.secrets.holder import SECRETS
from core import redaction

HEADERS_HELP = (
    "One <code>Name: value</code> a line. "
    "Everyone here sees them; what must stay secret goes into the private headers."
)
MULTILINE = ("private_key", "private_headers")


class HeadersField(forms.CharField):
    """A list of headers, edited as `Name: value` lines."""

    widget = UnfoldAdminTextareaWidget(attrs={"rows": 4})

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, list):
            return write_headers(value)
        return value

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value) or ""
        for secret in secret_values(text):
            redaction.add(secret)
        return parse_headers(text)

    def bound_data(self, data: Any, initial: Any) -> Any:
        """Return what a refused form shows again: nothing of what belongs to the private headers."""
        return without_secrets(data or "")


class AddressField(forms.CharField):
    """An address. If it is refused, the page shows it again without what may be a secret."""

    def __init__(self, *, parse: Callable[[str], Address], **kwargs: Any) -> None:
        self.parse = parse
        super().__init__(**kwargs)

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value) or ""
        if self.is_too_long(text):
            return text  # which a validator refuses
        address = self.parse(text)
        redaction.add(text if address.may_hold_a_secret else address.password)
        return text

    def bound_data(self, data: Any, initial: Any) -> Any:
        if self.is_too_long(data or ""):
            return ""
        address = self.parse(data or "")
        return "" if address.may_hold_a_secret else address.text

    def is_too_long(self, text: str) -> bool:
        """Return whether a text is not worth the time to parse it."""
        return self.max_length is not None and len(text) > self.max_length


class SilentTextarea(UnfoldAdminTextareaWidget):
    """A text area that never shows what was entered, not even after an error."""

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        return super().get_context(name, None, attrs)


class SecretField(forms.CharField):
    """A secret to store; blank keeps the stored one."""

    def __init__(self, *, multiline: bool, label: str) -> None:
        attrs = {"autocomplete": "new-password", "spellcheck": "false"}
        widget = (
            SilentTextarea(attrs={**attrs, "rows": 4})
            if multiline
            else UnfoldAdminPasswordWidget(attrs=attrs)
        )
        super().__init__(required=False, strip=False, label=label, max_length=10_000, widget=widget)

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value) or ""
        redaction.add(text)
        return text


class ConnectionForm(forms.ModelForm[Connection]):
    """A connection. Each secret has a field that replaces it and, if it exists, a switch that clears it."""

    headers = HeadersField(required=False, label="Extra headers", help_text=HEADERS_HELP)

    class Meta:
        model = Connection
        fields = (
            *("name", "app", "type", "authentication", "url", "username", "database_name", "test_endpoint"),
            *("headers", "api_key_header", "token_url", "scope", "timeout", "verify_certificate"),
        )
        help_texts = {
            "url": "Everyone here sees it. User name and password have fields of their own.",
            "test_endpoint": "Begins with / or ? and is appended to the address; or a whole URL.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "type" not in self.fields:
            return  # the page of someone who only reads
        self.offer("type", ConnectionType.choices)
        self.offer("authentication", Authentication.choices)
        for name, parse in ADDRESSES.items():
            self.read_address(name, parse)
        for secret in SECRETS:
            self.add_secret(secret)

    def read_address(self, name: str, parse: Callable[[str], Address]) -> None:
        plain = self.fields[name]
        self.fields[name] = AddressField(
            parse=parse,
            required=False,
            max_length=2000,
            label=plain.label,
            help_text=plain.help_text,
            widget=plain.widget,
        )

    def offer(self, name: str, choices: list[tuple[str, str]]) -> None:
        """Offer the menu, and beside it an imported value that is not in it."""
        present = getattr(self.instance, name)
        unknown = (
            [(present, f"{present or 'none'} (as imported)")]
            if self.instance.pk and present not in dict(choices)
            else []
        )
        field = forms.ChoiceField(
            choices=[*choices, *unknown], required=not unknown, widget=UnfoldAdminSelectWidget
        )
        field.label, field.initial = self.fields[name].label, self.fields[name].initial
        self.fields[name] = field

    def add_secret(self, secret: str) -> None:
        label = secret.replace("_", " ").capitalize()
        field = SecretField(multiline=secret in MULTILINE, label=label)
        field.help_text = (
            f"Now: {self.instance.describe_secret(secret)}. Blank keeps it." if self.instance.pk else ""
        )
        if secret == "private_headers":  # noqa: S105
            field.help_text += " One <code>Name: value</code> a line; replaces all private headers."
        self.fields[f"new_{secret}"] = field
        clear = forms.BooleanField(
            required=False, label=f"Clear the {label.lower()}", widget=UnfoldBooleanSwitchWidget
        )
        self.fields[f"clear_{secret}"] = clear

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        for secret in SECRETS:
            self.apply_secret(secret, cleaned)
        if {"type", "authentication"} & set(self.changed_data):
            self.check_pair(cleaned.get("type", ""), cleaned.get("authentication", ""))
        return cleaned

    def apply_secret(self, secret: str, cleaned: dict[str, Any]) -> None:
        text = cleaned.get(f"new_{secret}", "")
        try:
            if text and cleaned.get(f"clear_{secret}"):
                raise ValidationError("Enter a new value or clear it, not both.")
            if text:
                self.instance.set_secret(secret, text)
            elif cleaned.get(f"clear_{secret}"):
                self.instance.clear_secret(secret)
        except ValidationError as error:
            self.add_error(f"new_{secret}", error)

    def _update_errors(self, errors: ValidationError) -> None:
        """Show faults of the model's `private_headers` at the form's field that enters them."""
        faults = getattr(errors, "error_dict", {})
        if "private_headers" in faults:
            faults["new_private_headers"] = faults.pop("private_headers")
        super()._update_errors(errors)  # type: ignore[misc]

    def check_pair(self, type: str, authentication: str) -> None:
        if authentication in Authentication.values and authentication not in authentications_of(type):
            offered = ", ".join(authentications_of(type))
            self.add_error("authentication", f"{type} takes one of: {offered}.")
