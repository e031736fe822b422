from django.urls import re_path

from accounts.views import (
    ApplicationTokenView,
    LoginView,
    RefreshView,
    TokenPairView,
    TokenRefreshView,
    TokenVerifyView,
)

urlpatterns = [
    re_path(r"^users/login/?$", LoginView.as_view()),
    re_path(r"^users/refresh/?$", RefreshView.as_view()),
    re_path(r"^users/application-token/?$", ApplicationTokenView.as_view()),
    re_path(r"^token/?$", TokenPairView.as_view()),
    re_path(r"^token/refresh/?$", TokenRefreshView.as_view()),
    re_path(r"^token/verify/?$", TokenVerifyView.as_view()),
]
