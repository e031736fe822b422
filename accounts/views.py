"""The login calls, as ItemPath documents them, and those of Simple JWT."""

from datetime import UTC, datetime
from typing import Any

from auditlog.context import set_actor
from django.contrib.auth import authenticate
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_view
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt import views as simple
from rest_framework_simplejwt.tokens import Token

from accounts.authentication import RefreshAuthentication
from accounts.models import ApplicationToken, User
from accounts.roles import Role
from accounts.schema import describe
from accounts.serializers import (
    AccessAnswerSerializer,
    ApplicationTokenAnswerSerializer,
    LoginAnswerSerializer,
    LoginSerializer,
    RefreshBodySerializer,
    RefreshedAnswerSerializer,
    TokenPairAnswerSerializer,
    VerifyBodySerializer,
)
from accounts.tokens import RefreshToken


def expiry_date(token: Token) -> str:
    """Return the expiry of `token` in ItemPath's format, in UTC: `01/31/2022, 12:00:00`."""
    return datetime.fromtimestamp(token["exp"], UTC).strftime("%m/%d/%Y, %H:%M:%S")


class LoginView(GenericAPIView[Any]):
    """User name and password against an access token and a refresh token."""

    authentication_classes = ()
    permission_classes = ()
    serializer_class = LoginSerializer

    @describe("login", "Log in", LoginAnswerSerializer, body=LoginSerializer)
    def post(self, request: Request) -> Response:
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        user = authenticate(request._request, **serializer.validated_data)
        if not isinstance(user, User):
            raise NotFound("No active user has this name and password.")  # ItemPath documents 404 here
        return Response(self.answer(user))

    def answer(self, user: User) -> dict[str, Any]:
        refresh = RefreshToken.for_user(user)
        access = refresh.access_token
        return {
            "login": True,
            "id": user.pk,
            "username": user.username,
            "isAdmin": user.role is Role.MANAGER,
            "accessToken": str(access),
            "refreshToken": str(refresh),
            "accessExpiryDate": expiry_date(access),
            "refreshExpiryDate": expiry_date(refresh),
            "viewId": None,
            "timeZone": None,
        }


class RefreshView(APIView):
    """A refresh token, as the bearer, against a new access token."""

    authentication_classes = (RefreshAuthentication,)
    permission_classes = (IsAuthenticated,)

    @describe("refresh", "Get a new access token", AccessAnswerSerializer)
    def get(self, request: Request) -> Response:
        return Response(self.answer(request))

    @describe("refresh_by_post", "Get a new access token, by POST", AccessAnswerSerializer)
    def post(self, request: Request) -> Response:
        return Response(self.answer(request))

    def answer(self, request: Request) -> dict[str, str]:
        assert isinstance(request.auth, RefreshToken)
        access = request.auth.access_token
        return {"accessToken": str(access), "accessExpiryDate": expiry_date(access)}


class ApplicationTokenView(APIView):
    """An application user's refresh token, as the bearer, against a token that does not expire."""

    authentication_classes = (RefreshAuthentication,)
    permission_classes = (IsAuthenticated,)

    @describe("application_token", "Get a token that does not expire", ApplicationTokenAnswerSerializer)
    def post(self, request: Request) -> Response:
        assert isinstance(request.user, User)
        if request.user.type != User.Type.APPLICATION or request.user.is_superuser:
            raise PermissionDenied(
                "Only a user of type application, who is no superuser, has application tokens."
            )
        with set_actor(request.user, remote_addr=request.META.get("REMOTE_ADDR") or None):
            token = ApplicationToken.issue(request.user, note="requested over the API")
        return Response({"applicationToken": token})


@extend_schema_view(post=describe("token", "Log in", TokenPairAnswerSerializer, body=LoginSerializer))
class TokenPairView(simple.TokenObtainPairView):
    """User name and password against an access token and a refresh token."""


@extend_schema_view(
    post=describe(
        "token_refresh", "Get a new access token", RefreshedAnswerSerializer, body=RefreshBodySerializer
    )
)
class TokenRefreshView(simple.TokenRefreshView):
    """A refresh token, in the body, against a new access token."""


@extend_schema_view(
    post=describe(
        "token_verify", "Ask whether a token is good", OpenApiTypes.OBJECT, body=VerifyBodySerializer
    )
)
class TokenVerifyView(simple.TokenVerifyView):
    """An empty object for a token that the API would accept, 401 for any other."""
