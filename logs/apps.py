from django.apps import AppConfig

from accounts.roles import Role


class LogsConfig(AppConfig):
    name = "logs"
    verbose_name = "Log"
    lowest_role = Role.READER
