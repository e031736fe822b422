"""Users, their roles and credentials, and the windows in which failed logins are counted."""

import hashlib
import secrets
from datetime import timedelta
from typing import Any, ClassVar, Self, cast

from django.contrib.auth.models import AbstractUser, Group, UserManager
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Case, F, Max, Q, Value, When
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.functional import cached_property
from rest_framework_simplejwt.exceptions import TokenError

from accounts.jwt import ApplicationJWT
from accounts.roles import ROLES, Role
from core.db.best_effort import best_effort

TOUCH_INTERVAL = timedelta(minutes=1)
# Longer ones are refused before they are looked up or hashed.
MAX_USERNAME_LENGTH = 150  # characters
MAX_PASSWORD_LENGTH = 4096  # characters


def highest_role(user_path: str = "") -> Max:
    """Return an aggregate: the rank of the highest role of the user that `user_path` leads to."""
    ranks = [When(Q((f"{user_path}groups__name", role.group_name)), then=Value(int(role))) for role in ROLES]
    return Max(Case(*ranks, default=Value(0)))


class RegistryUserManager(UserManager["User"]):
    def find(self, username: str) -> "User | None":
        """Return the user of a name in any Unicode form; `None` if there is none.

        Names are stored normalized, except for old ones whose normalized form is another user's name. Those
        are found by the form in which they are stored.
        """
        normal = self.model.normalize_username(username)
        found = {user.username: user for user in self.filter(username__in={username, normal})}
        return found.get(username) or found.get(normal)

    def get_by_natural_key(self, username: str | None) -> "User":
        """Return the user of a name, as `find` does, for Django's login. Raises `User.DoesNotExist`."""
        user = self.find(username or "")
        if user is None:
            raise self.model.DoesNotExist
        return user

    def with_rank(self) -> models.QuerySet["User"]:
        """Return users with the rank of their highest role as `role_rank`, in one query."""
        return self.annotate(role_rank=highest_role())


class User(AbstractUser):
    """A person, or an application that calls the API."""

    class Type(models.TextChoices):
        USER = "user"
        APPLICATION = "application"

    type = models.CharField(max_length=20, choices=Type.choices, default=Type.USER)
    # Increased by every save of an inactive user, so that older tokens and sessions stay ended after a
    # reactivation.
    token_generation = models.PositiveIntegerField(default=0, editable=False)

    objects: ClassVar[RegistryUserManager] = RegistryUserManager()

    class Meta(AbstractUser.Meta):
        constraints = [
            models.CheckConstraint(name="user_type_is_known", condition=Q(type__in=["user", "application"])),
        ]

    @cached_property
    def rank(self) -> int:
        """The rank of the user's highest role: `role_rank` of `with_rank()`, or the result of a query."""
        if hasattr(self, "role_rank"):
            return int(self.role_rank)
        return int(User.objects.filter(pk=self.pk).aggregate(rank=highest_role())["rank"])

    @property
    def role(self) -> Role:
        return Role.MANAGER if self.is_superuser else Role(self.rank)

    def set_role(self, role: Role) -> None:
        """Give the user `role` in place of any other."""
        role_groups = self.groups.filter(name__in=[each.group_name for each in ROLES])
        current = {group.name: group for group in role_groups}
        self.groups.remove(*(group for name, group in current.items() if name != role.group_name))
        if role and role.group_name not in current:  # a role that stays must not be audited as a change
            self.groups.add(Group.objects.get(name=role.group_name))
        self.__dict__.pop("rank", None)

    def has_credentials(self) -> bool:
        """Return whether the user has or had an API key or an application token."""
        return any(model._default_manager.filter(user=self).exists() for model in (ApiKey, ApplicationToken))

    def token_stamp(self) -> str:
        """Return the stamp of the user's valid tokens. A new password or a deactivation changes it."""
        return salted_hmac(
            "accounts.token", f"{self.password}:{self.token_generation}", algorithm="sha256"
        ).hexdigest()[:32]

    def get_session_auth_hash(self) -> str:
        """Return the hash of the user's valid sessions. A deactivation changes it, too."""
        return f"{super().get_session_auth_hash()}{self.token_generation or ''}"

    def check_password(self, raw_password: str | None) -> bool:
        return len(raw_password or "") <= MAX_PASSWORD_LENGTH and super().check_password(raw_password)

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self._state.adding:
            self.username = self.normalize_username(self.username)
        if self.pk and not self.is_active:
            type(self).objects.filter(pk=self.pk).update(token_generation=F("token_generation") + 1)
            self.refresh_from_db(fields=["token_generation"])
        super().save(*args, **kwargs)


class CredentialQuerySet(models.QuerySet[Any]):
    def usable(self) -> Self:
        """Return the credentials that are neither revoked nor expired."""
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=timezone.now()), revoked_at=None)

    def with_user(self) -> Self:
        """Return credentials with their user and the user's `role_rank`, in one query."""
        return self.select_related("user").annotate(role_rank=highest_role("user__"))


class Credential(models.Model):
    """A bearer that authenticates a user until it expires or is revoked."""

    user = models.ForeignKey(User, on_delete=models.CASCADE)
    note = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    last_used_at = models.DateTimeField(null=True, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, editable=False)

    objects = CredentialQuerySet.as_manager()

    class Meta:
        abstract = True
        ordering = ["-id"]

    def clean(self) -> None:
        """Refuse a new credential for a superuser or an inactive user: it has all permissions of its user."""
        user = User.objects.filter(pk=self.user_id).first() if self._state.adding else None
        if user is not None and user.is_superuser:
            raise ValidationError({"user": "A superuser has no credentials: they would carry every right."})
        if user is not None and not user.is_active:
            raise ValidationError(
                {"user": "This user is inactive; no credential of theirs would be accepted."}
            )

    def mint(self) -> str:
        """Generate the secret and return it in clear text; keep only its digest or id. Saves nothing."""
        raise NotImplementedError  # each kind of credential generates its own

    @classmethod
    def issue(cls, user: User, **fields: Any) -> str:
        """Create and save a credential for `user`, and return its secret in clear text."""
        credential = cls(user=user, **fields)
        text = credential.mint()
        credential.save()
        return text

    def revoke(self) -> None:
        """Revoke the credential. The time of an earlier revocation stays."""
        if self.revoked_at is None:
            self.revoked_at = timezone.now()
            self.save(update_fields=["revoked_at"])

    def owner(self) -> User:
        """Return the user, with the rank that `with_user()` has loaded."""
        if hasattr(self, "role_rank"):
            self.user.rank = self.role_rank
        return self.user

    def state(self) -> str:
        """Return `revoked`, `expired` or `in use`."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= timezone.now() else "in use"

    def touch(self) -> None:
        """Store the time of a use, at most once in `TOUCH_INTERVAL`."""
        now = timezone.now()
        if self.last_used_at is None or self.last_used_at <= now - TOUCH_INTERVAL:
            self.last_used_at = now
            with best_effort():
                type(self)._default_manager.filter(pk=self.pk).update(last_used_at=now)


class ApplicationToken(Credential):
    """The record of a JSON web token, itself without an expiry, that was issued to an application."""

    jti = models.CharField("token id", max_length=64, unique=True, editable=False)

    @classmethod
    def record_of(cls, token: ApplicationJWT) -> Self:
        """Return the record of `token` with its user. Raises `TokenError` if there is none that is usable."""
        record = cls.objects.usable().with_user().filter(jti=token["jti"]).first()
        if record is None:
            raise TokenError("Token was revoked or has expired")
        return cast("Self", record)

    def __str__(self) -> str:
        return f"Application token {self.jti[:8]}"

    def mint(self) -> str:
        token = ApplicationJWT.for_user(self.user)
        self.jti = token["jti"]
        return str(token)


class ApiKey(Credential):
    """A random key, stored as its SHA-256. It needs no slow hash, because random keys cannot be guessed."""

    digest = models.CharField(max_length=64, unique=True, editable=False)
    prefix = models.CharField(
        max_length=8, editable=False, help_text="The first characters, to tell keys apart."
    )

    class Meta(Credential.Meta):
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"API key {self.prefix}…"

    @staticmethod
    def digest_of(key: str) -> str:
        return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()

    def mint(self, key: str | None = None) -> str:
        key = key or secrets.token_hex(32)
        self.digest, self.prefix = self.digest_of(key), key[:8]
        return key


class LoginWindowQuerySet(models.QuerySet["LoginWindow"]):
    def of_user(self, user: str) -> Self:
        """Return the windows of a user name, given by its digest: for all addresses, and for each of them."""
        return self.filter(
            Q(key=LoginWindow.user_key(user)) | Q(key__startswith=LoginWindow.pair_key(user, ""))
        )


class LoginWindow(models.Model):
    """Recent failed logins of a user name, of an address, or of both. See `accounts.login_throttle`."""

    key = models.CharField(max_length=80, primary_key=True)
    # The times of the failures in seconds since the epoch, the oldest first.
    failures = models.JSONField(default=list)
    # The attempts whose password is being checked: by their id, the time of their start in seconds since the
    # epoch.
    pending = models.JSONField(default=dict)
    updated_at = models.DateTimeField(auto_now=True, db_index=True)

    objects = LoginWindowQuerySet.as_manager()

    def __str__(self) -> str:
        return self.key

    @staticmethod
    def user_key(user: str) -> str:
        return f"user:{user}"

    @staticmethod
    def pair_key(user: str, network: str) -> str:
        """Return the key of a user name and a network, given by their digests."""
        return f"pair:{user}:{network}"

    @property
    def kind(self) -> str:
        """What the window counts by: `user`, `address` or `pair`, which is both."""
        return self.key.partition(":")[0]
