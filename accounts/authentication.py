"""Authentication by bearer: an access token, application token or API key; for logins, a refresh token."""

from typing import Any

from rest_framework.exceptions import APIException, AuthenticationFailed
from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import InvalidToken, TokenError
from rest_framework_simplejwt.tokens import Token

from accounts import bearer_cache
from accounts.jwt import ApplicationJWT
from accounts.models import ApiKey, ApplicationToken, Credential, User
from accounts.security_log import refusal_logged
from accounts.tokens import AccessToken, RefreshToken


class BearerAuthentication(JWTAuthentication):
    """Accepts an access token, an application token or an API key; the scheme `Bearer` in any case."""

    token_classes: tuple[type[Token], ...] = (AccessToken, ApplicationJWT)

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        raw_token = self.get_raw_token(self.get_header(request) or b"")
        if raw_token is None:
            return None
        with refusal_logged(raw_token, request):
            user, auth = self.recognize(raw_token)
        if isinstance(auth, Credential):
            auth.touch()
        return user, auth

    def recognize(self, raw_token: bytes) -> tuple[User, Any]:
        """Return the user, and the token or record of a bearer, from the cache if it has them.

        Raises `AuthenticationFailed` if the bearer is refused.
        """
        found = bearer_cache.get(raw_token)
        if found is None:
            found = self.identify(raw_token)
            bearer_cache.put(raw_token, *found)
        return found

    def identify(self, raw_token: bytes) -> tuple[User, Any]:
        """Return the user, and the token or record of a bearer. Raises `AuthenticationFailed`."""
        auth = self.get_validated_token(raw_token)
        return self.get_user(auth), auth

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"

    def get_raw_token(self, header: bytes) -> bytes | None:
        scheme, _, rest = header.strip().partition(b" ")
        return super().get_raw_token(b"Bearer " + rest) if scheme.lower() == b"bearer" else None

    def get_validated_token(self, raw_token: bytes) -> Any:
        """Return an access token, or the record of an application token or API key.

        Raises `InvalidToken` if the bearer is none of them.
        """
        if raw_token.count(b".") != 2:
            return self.get_api_key(raw_token)
        for token_class in self.token_classes:
            try:
                token = token_class(raw_token)  # type: ignore[arg-type]  # it takes bytes
                return ApplicationToken.record_of(token) if isinstance(token, ApplicationJWT) else token
            except TokenError as error:
                failure = error
        raise InvalidToken(str(failure))

    def get_api_key(self, raw_key: bytes) -> ApiKey:
        digest = ApiKey.digest_of(raw_key.decode("utf-8", "surrogateescape"))
        key: ApiKey | None = ApiKey.objects.usable().with_user().filter(digest=digest).first()
        if key is None:
            raise InvalidToken("The bearer is no token and no API key that is in use.")
        return key

    def get_user(self, validated_token: Any) -> Any:
        try:
            user = self.find_user(validated_token)
        except TokenError as error:
            raise InvalidToken(str(error)) from error
        if user is None or not user.is_active:
            raise self.refusal(user)
        return user

    def refusal(self, user: User | None) -> APIException:
        """Return the exception for a valid bearer whose user does not exist (`None`) or is inactive."""
        return AuthenticationFailed("The user is unknown or inactive.")

    def find_user(self, bearer: Any) -> User | None:
        return bearer.owner() if isinstance(bearer, Credential) else bearer.find_user()


class RefreshAuthentication(BearerAuthentication):
    """Accepts refresh tokens only."""

    token_classes = (RefreshToken,)

    def recognize(self, raw_token: bytes) -> tuple[User, Any]:
        # Without the cache: an ended token must be refused at once, and the other views must not find this
        # one there.
        return self.identify(raw_token)

    def get_api_key(self, raw_key: bytes) -> ApiKey:
        raise InvalidToken("The bearer is no refresh token.")

    def find_user(self, bearer: RefreshToken) -> User:
        return bearer.owner()
