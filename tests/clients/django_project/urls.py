"""The paths of the project: djoser, simplejwt's blacklist, and a path for administrators only."""

from django.urls import include, path
from rest_framework.permissions import IsAdminUser
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.views import TokenBlacklistView


class AdministratorsOnly(APIView):
    """Answers administrators."""

    permission_classes = [IsAdminUser]

    def get(self, request):
        """Return an empty object."""
        return Response({})


urlpatterns = [
    path("auth/", include("djoser.urls")),
    path("auth/", include("djoser.urls.jwt")),
    path("auth/jwt/blacklist/", TokenBlacklistView.as_view()),
    path("auth/admin/users/", AdministratorsOnly.as_view()),
]
