from django.apps import AppConfig
from django.db.models.signals import m2m_changed

from accounts.roles import Role


class WorkItemsConfig(AppConfig):
    name = "workitems"
    verbose_name = "Work items"
    # The lowest role that sees the records in the admin, which shows those of every organization. The API
    # goes by membership alone.
    lowest_role = Role.MANAGER

    def ready(self) -> None:
        from auditlog.registry import auditlog

        from workitems.models import WORK_ITEMS, Link, Organization, keep_examples

        auditlog.register(Organization, exclude_fields=["demo"], m2m_fields={"members"})
        for model in (*WORK_ITEMS, Link):
            auditlog.register(model)
        m2m_changed.connect(keep_examples, sender=Organization.members.through)
