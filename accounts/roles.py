"""The three roles. Each is a group of Django's."""

from enum import IntEnum
from typing import Any

from django.apps import AppConfig, apps


class Role(IntEnum):
    """What a user may do in the registry. A higher role includes the lower ones."""

    NONE = 0
    READER = 1
    OPERATOR = 2
    MANAGER = 3

    @property
    def group_name(self) -> str:
        return self.name.capitalize()

    def grants(self, codename: str) -> bool:
        """Return whether the role includes a permission, such as `view_connection`, of an app open to it."""
        verb = codename.partition("_")[0]
        return self is Role.MANAGER or verb == "view" or (self is Role.OPERATOR and verb == "check")


ROLES = (Role.READER, Role.OPERATOR, Role.MANAGER)


def grant_permissions(sender: AppConfig, **kwargs: Any) -> None:
    """Give the groups of the roles their permissions in all apps whose config has a `lowest_role`.

    Called by the signal `post_migrate` for each app.
    """
    if not hasattr(sender, "lowest_role"):
        return
    from django.contrib.auth.models import Group, Permission

    lowest_roles = apps_with_roles()
    permissions = list(
        Permission.objects.filter(content_type__app_label__in=lowest_roles).select_related("content_type")
    )
    for role in ROLES:
        group, _ = Group.objects.get_or_create(name=role.group_name)
        group.permissions.set(
            permission
            for permission in permissions
            if role >= lowest_roles[permission.content_type.app_label] and role.grants(permission.codename)
        )


def apps_with_roles() -> dict[str, Role]:
    """Return the lowest role that has any permissions in an app, by the label of the app."""
    configs = [config for config in apps.get_app_configs() if hasattr(config, "lowest_role")]
    return {config.label: config.lowest_role for config in configs}
