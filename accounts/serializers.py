from typing import Any

from rest_framework import serializers
from rest_framework_simplejwt import serializers as simple
from rest_framework_simplejwt.exceptions import TokenError

from accounts.jwt import ApplicationJWT
from accounts.models import MAX_PASSWORD, MAX_USERNAME, ApplicationToken
from accounts.security_log import refusal_logged
from accounts.tokens import AccessToken, RefreshToken


class LoginSerializer(serializers.Serializer[Any]):
    username = serializers.CharField(trim_whitespace=False, max_length=MAX_USERNAME)
    password = serializers.CharField(trim_whitespace=False, max_length=MAX_PASSWORD)


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
    """Verifies what the API would accept: a revoked or ended token is refused."""

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        with refusal_logged(attrs["token"], self.context["request"]):
            return self.verify(attrs["token"])

    def verify(self, text: Any) -> dict[str, Any]:
        for token_class in (AccessToken, RefreshToken, ApplicationJWT):
            try:
                return self.stands(token_class(text))
            except TokenError as error:
                failure = error
        raise failure

    def stands(self, token: AccessToken | RefreshToken | ApplicationJWT) -> dict[str, Any]:
        user = ApplicationToken.record_of(token).user if isinstance(token, ApplicationJWT) else token.owner()
        if not user.is_active:
            raise TokenError("Token has ended with its user")
        return {}
