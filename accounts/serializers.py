from typing import Any

from rest_framework import serializers
from rest_framework_simplejwt import serializers as simple
from rest_framework_simplejwt.exceptions import TokenError

from accounts.jwt import ApplicationJWT
from accounts.models import MAX_PASSWORD_LENGTH, MAX_USERNAME_LENGTH, ApplicationToken
from accounts.security_log import refusal_logged
from accounts.tokens import AccessToken, RefreshToken


class LoginSerializer(serializers.Serializer[Any]):
    username = serializers.CharField(trim_whitespace=False, max_length=MAX_USERNAME_LENGTH)
    password = serializers.CharField(trim_whitespace=False, max_length=MAX_PASSWORD_LENGTH)


class AccessAnswerSerializer(serializers.Serializer[Any]):
    accessToken = serializers.CharField()
    accessExpiryDate = serializers.CharField(help_text="In UTC: `01/31/2022, 12:00:00`.")


class LoginAnswerSerializer(serializers.Serializer[Any]):
    login = serializers.BooleanField()
    id = serializers.IntegerField()
    username = serializers.CharField()
    isAdmin = serializers.BooleanField()
    accessToken = serializers.CharField()
    refreshToken = serializers.CharField()
    accessExpiryDate = serializers.CharField(help_text="In UTC: `01/31/2022, 12:00:00`.")
    refreshExpiryDate = serializers.CharField()
    viewId = serializers.IntegerField(allow_null=True)
    timeZone = serializers.CharField(allow_null=True)


class TokenPairAnswerSerializer(serializers.Serializer[Any]):
    access = serializers.CharField()
    refresh = serializers.CharField()


class RefreshBodySerializer(serializers.Serializer[Any]):
    refresh = serializers.CharField()


class RefreshedAnswerSerializer(serializers.Serializer[Any]):
    access = serializers.CharField()


class VerifyBodySerializer(serializers.Serializer[Any]):
    token = serializers.CharField()


class ApplicationTokenAnswerSerializer(serializers.Serializer[Any]):
    applicationToken = serializers.CharField()


class TokenPairSerializer(simple.TokenObtainPairSerializer):
    token_class = RefreshToken

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in LoginSerializer().get_fields().items():
            self.fields[name] = field


class TokenRefreshSerializer(simple.TokenRefreshSerializer):
    token_class = RefreshToken

    def validate(self, attrs: dict[str, Any]) -> dict[str, str]:
        with refusal_logged(attrs["refresh"], self.context["request"]):
            token = RefreshToken(attrs["refresh"])
            token.owner()
        return {"access": str(token.access_token)}


class TokenVerifySerializer(simple.TokenVerifySerializer):
    """Accepts the tokens that the API would accept, and refuses revoked and ended ones."""

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        with refusal_logged(attrs["token"], self.context["request"]):
            return self.verify(attrs["token"])

    def verify(self, text: Any) -> dict[str, Any]:
        for token_class in (AccessToken, RefreshToken, ApplicationJWT):
            try:
                self.require_active_user(token_class(text))
                return {}
            except TokenError as error:
                failure = error
        raise failure

    def require_active_user(self, token: AccessToken | RefreshToken | ApplicationJWT) -> None:
        """Raise `TokenError` if the token was revoked, has ended, or its user is not active."""
        user = ApplicationToken.record_of(token).user if isinstance(token, ApplicationJWT) else token.owner()
        if not user.is_active:
            raise TokenError("Token has ended with its user")
