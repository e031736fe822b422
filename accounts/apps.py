from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in
from django.db.models.signals import post_migrate

from accounts.roles import Role


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "Access"
    lowest_role = Role.MANAGER

    def ready(self) -> None:
        from accounts.bearer_cache import clear_on_changes
        from accounts.roles import grant_permissions
        from accounts.session_middleware import begin_session

        register_for_audit()
        clear_on_changes()
        user_logged_in.connect(begin_session)
        # The signal is sent for each app. django.contrib.auth, connected earlier, has made that app's
        # permissions by then.
        post_migrate.connect(grant_permissions)


def register_for_audit() -> None:
    """Audit the changes of users and credentials, without their passwords, digests and times of use."""
    from auditlog.registry import auditlog

    from accounts.models import ApiKey, ApplicationToken, User

    auditlog.register(
        User,
        exclude_fields=["last_login", "token_generation"],
        mask_fields=["password"],
        mask_callable="core.redaction.mask",
        m2m_fields={"groups"},
    )
    for credential in (ApiKey, ApplicationToken):
        auditlog.register(credential, exclude_fields=["last_used_at", "digest"])
