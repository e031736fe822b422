from typing import Any

from rest_framework import serializers
from rest_framework_simplejwt import serializers as simple
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import Token

from accounts.models import User
from accounts.tokens import AccessToken, ApplicationJWT, RefreshToken


class LoginSerializer(serializers.Serializer[Any]):
    username = serializers.CharField(trim_whitespace=False)
    password = serializers.CharField(trim_whitespace=False)


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


class ApplicationTokenAnswerSerializer(serializers.Serializer[Any]):
    applicationToken = serializers.CharField()


class TokenPairSerializer(simple.TokenObtainPairSerializer):
    token_class = RefreshToken


class TokenRefreshSerializer(simple.TokenRefreshSerializer):
    token_class = RefreshToken

    def validate(self, attrs: dict[str, Any]) -> dict[str, str]:
        token = RefreshToken(attrs["refresh"])
        token.owner()
        return {"access": str(token.access_token)}


class TokenVerifySerializer(simple.TokenVerifySerializer):
    """Verifies what the API would accept: a revoked or ended token is refused."""

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        for token_class in (AccessToken, RefreshToken, ApplicationJWT):
            try:
                return self.stands(token_class(attrs["token"]))
            except TokenError as error:
                failure = error
        raise failure

    def stands(self, token: Token) -> dict[str, Any]:
        if isinstance(token, RefreshToken):
            token.owner()
            return {}
        user = token.record().user if isinstance(token, ApplicationJWT) else User.objects.filter(pk=token["user_id"]).first()
        if user is None or not user.is_active:
            raise TokenError("Token has ended with its user")
        return {}
