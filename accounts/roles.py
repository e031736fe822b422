"""The three roles, kept as groups of Django's own."""

from enum import IntEnum
from typing import Any

from django.apps import AppConfig, apps


class Role(IntEnum):
    """What a user may do in the registry; a higher role includes the lower ones."""

    NONE = 0
    READER = 1
    OPERATOR = 2
    MANAGER = 3

    @property
    def group_name(self) -> str:
        return self.name.capitalize()

    def grants(self, codename: str) -> bool:
        """Say whether the role brings the permission `codename` of a governed app, such as `view_connection`."""
        verb = codename.partition("_")[0]
        return self is Role.MANAGER or verb == "view" or (self is Role.OPERATOR and verb == "check")


ROLES = (Role.READER, Role.OPERATOR, Role.MANAGER)


def grant_permissions(sender: AppConfig, **kwargs: Any) -> None:
    """Give the role groups the permissions of every app that names a `lowest_role`; runs after each migrate of one of them."""
    if not hasattr(sender, "lowest_role"):
        return
    from django.contrib.auth.models import Group, Permission

    lowest = {
        config.label: config.lowest_role
        for config in apps.get_app_configs()
        if hasattr(config, "lowest_role")
    }
    permissions = list(
        Permission.objects.filter(content_type__app_label__in=lowest).select_related("content_type")
    )
    for role in ROLES:
        group, _ = Group.objects.get_or_create(name=role.group_name)
        open_to_role = (
            permission for permission in permissions if role >= lowest[permission.content_type.app_label]
        )
        group.permissions.set(permission for permission in open_to_role if role.grants(permission.codename))
