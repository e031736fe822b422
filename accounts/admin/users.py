from typing import Any

from auditlog.models import LogEntry
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.decorators import action, display

from accounts.forms import RegistryPasswordChangeForm, RegistryUserChangeForm, RegistryUserCreationForm
from accounts.models import ApiKey, ApplicationToken, Credential, User
from accounts.roles import Role
from core.admin import RegistryAdmin

admin.site.unregister(Group)  # a role is chosen on the user's page


@admin.register(User)
class UserAdmin(RegistryAdmin[User], DjangoUserAdmin[User]):
    """Pages of users and applications. Only a superuser may create or change a superuser."""

    form = RegistryUserChangeForm
    add_form = RegistryUserCreationForm
    change_password_form = RegistryPasswordChangeForm
    list_display = ("username", "type", "role_name", "is_active", "last_login")
    list_filter = ("type", "groups", "is_active")
    ordering = ("username",)
    filter_horizontal = ()
    readonly_fields = ("last_login", "date_joined")
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Access", {"fields": ("type", "role", "is_active")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        ("Known", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (None, {"fields": ("username", "type", "role", "usable_password", "password1", "password2")}),
    )
    empty_hint = "People log in here; applications call the API."

    @display(description="Role", label={"Manager": "info", "Operator": "warning", "Reader": "success"})
    def role_name(self, user: User) -> str:
        return "Superuser" if user.is_superuser else user.role.name.capitalize()

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return User.objects.with_rank().order_by("username")

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        sets = super().get_fieldsets(request, obj)
        if obj and request.user.is_superuser:
            return [*sets, ("Superuser", {"fields": ("is_superuser",)})]
        return sets

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        allowed: bool = super().has_change_permission(request, obj)
        return allowed and (obj is None or not obj.is_superuser or bool(request.user.is_superuser))

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Refuse to delete a user who has credentials or made changes: the audit must keep naming them.

        Such a user is made inactive instead.
        """
        if not (super().has_delete_permission(request, obj) and request.user.is_superuser):
            return False
        return obj is None or not (obj.has_credentials() or LogEntry.objects.filter(actor=obj).exists())

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        role = form.cleaned_data.get("role", Role.NONE)
        obj.is_staff = obj.is_superuser or (obj.type == User.Type.USER and role is not Role.NONE)
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if "role" in form.cleaned_data:
            form.instance.set_role(form.cleaned_data["role"])


HELP = {
    "note": "What it is for; helps to tell later whether it may be revoked.",
    "expires_at": "Refused from then on (UTC). Empty: it works until it is revoked.",
}


class CredentialAdmin(RegistryAdmin[Credential]):
    """Pages that create credentials, show each once, and revoke them. Nothing else of one changes."""

    list_display = ("__str__", "user", "note", "state", "created_at", "last_used_at", "expires_at")
    list_select_related = ("user",)
    list_filter = (("revoked_at", admin.EmptyFieldListFilter),)
    search_fields = ("user__username", "note")
    autocomplete_fields = ("user",)
    fields = ("user", "note", "expires_at")
    actions = ("revoke_selected",)
    actions_submit_line = ("revoke",)

    @display(description="State", label={"in use": "success", "revoked": "danger", "expired": "warning"})
    def state(self, credential: Credential) -> str:
        return credential.state()

    def get_fields(self, request: HttpRequest, obj: Credential | None = None) -> Any:
        return (*self.fields, "state", "created_at", "last_used_at", "revoked_at") if obj else self.fields

    def get_readonly_fields(self, request: HttpRequest, obj: Credential | None = None) -> Any:
        return self.get_fields(request, obj) if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Credential | None = None) -> bool:
        return False  # a revoked credential is kept for the audit

    def get_form(
        self, request: HttpRequest, obj: Credential | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        return super().get_form(request, obj, change, **{**kwargs, "help_texts": {} if obj else HELP})

    def get_actions_submit_line(self, request: HttpRequest, object_id: Any) -> Any:
        in_use = self.model.objects.filter(pk=object_id, revoked_at=None).exists()
        return super().get_actions_submit_line(request, object_id) if in_use else []

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> Any:
        """Offer one button to create a credential, and none to save an existing one."""
        buttons = {
            "show_save": not object_id,
            "show_save_and_continue": False,
            "show_save_and_add_another": False,
        }
        return super().changeform_view(
            request, object_id, form_url, {**buttons, "show_close": True, **(extra_context or {})}
        )

    def save_model(self, request: HttpRequest, obj: Credential, form: Any, change: bool) -> None:
        if not change:
            # Kept on the request only, because a message or the session would store it.
            request.issued = obj.mint()  # type: ignore[attr-defined]  # read by `response_add`
            obj.save()
        elif any(
            action.action_name in request.POST for action in self.get_actions_submit_line(request, obj.pk)
        ):
            self.revoke(request, obj)

    def response_change(self, request: HttpRequest, obj: Credential) -> HttpResponse:
        return self.response_post_save_change(request, obj)  # `revoke` has shown its message

    def response_add(
        self, request: HttpRequest, obj: Credential, post_url_continue: str | None = None
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": f"{obj} for {obj.user}",
            "issued": request.issued,  # type: ignore[attr-defined]  # by `save_model`
            "opts": self.opts,
        }
        response = TemplateResponse(request, "accounts/credential_issued.html", context)
        response["Cache-Control"] = "no-store"
        return response

    @action(description="Revoke", permissions=["change"])
    def revoke(self, request: HttpRequest, obj: Credential) -> None:
        obj.revoke()
        self.message_user(request, f"{obj} is revoked.")

    @admin.action(description="Revoke the selected credentials", permissions=["change"])
    def revoke_selected(self, request: HttpRequest, queryset: QuerySet[Credential]) -> None:
        for credential in queryset:
            credential.revoke()
        self.message_user(request, "The selected credentials are revoked.")


@admin.register(ApplicationToken)
class ApplicationTokenAdmin(CredentialAdmin):
    empty_hint = "An application token is a bearer that does not expire. Add one for an application user."

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "user":
            kwargs["queryset"] = User.objects.filter(type=User.Type.APPLICATION, is_superuser=False)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


@admin.register(ApiKey)
class ApiKeyAdmin(CredentialAdmin):
    empty_hint = "An API key is a short bearer for scripts. It is shown once, when it is made."
