"""A Django project with plain views, async views and views of REST framework. Run by itself, it has no auth."""

import sys
from typing import Any

import django
from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.urls import path

AUTHENTICATION = ["django.contrib.auth.middleware.AuthenticationMiddleware"]
UNSIGNED = ("X-User-Id", "X-User-Email", "X-User-Roles", "X-Session-Id")


def read_headers(get_response: Any) -> Any:
    """A middleware that reads `request.headers` first, so that Django caches them."""

    def middleware(request: HttpRequest) -> Any:
        assert request.headers is not None
        return get_response(request)

    return middleware


def configure() -> None:
    """Configure Django once per process, with an empty database in memory."""
    if settings.configured:
        return
    settings.configure(
        ALLOWED_HOSTS=["*"],
        AUTHENTICATION_BACKENDS=["sallyport_service.django.backends.IdentityBackend"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "file:u?mode=memory&cache=shared"}},
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "rest_framework",
        ],
        MIDDLEWARE=[
            "django_project.read_headers",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "sallyport_service.django.IdentityMiddleware",
        ],
        REST_FRAMEWORK={
            "DEFAULT_AUTHENTICATION_CLASSES": ["sallyport_service.rest_framework.IdentityAuthentication"],
            "DEFAULT_PERMISSION_CLASSES": ["sallyport_service.rest_framework.IdentityRequired"],
        },
        ROOT_URLCONF="django_project",
        SECRET_KEY="only for these tests",
    )
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def seen(request: HttpRequest) -> JsonResponse:
    return JsonResponse([request.headers[name] for name in UNSIGNED if name in request.headers], safe=False)


class Urls(list):  # type: ignore[type-arg]
    """The URL patterns, which are made when Django first reads them: REST framework needs configured settings."""

    def __iter__(self) -> Any:
        if not len(self):
            self.extend(patterns())
        return super().__iter__()


urlpatterns: Any = Urls()


def patterns() -> list[Any]:
    from asgiref.sync import sync_to_async
    from django.views.decorators.http import require_POST
    from rest_framework.permissions import AllowAny
    from rest_framework.response import Response
    from rest_framework.views import APIView

    from sallyport_service.django import current_identity, identity_required, roles_required
    from sallyport_service.rest_framework import roles_required as roles_permission

    @identity_required
    def who(request: HttpRequest) -> JsonResponse:
        return JsonResponse(current_identity(request).subject, safe=False)

    @roles_required("staff")
    def staff(request: HttpRequest) -> JsonResponse:
        return JsonResponse("ok", safe=False)

    @identity_required
    @require_POST
    def post(request: HttpRequest) -> JsonResponse:
        return JsonResponse("ok", safe=False)

    def user(request: HttpRequest) -> JsonResponse:
        found: Any = request.user
        return JsonResponse({"pk": found.pk, "name": found.get_username(), "is_staff": found.is_staff})

    @identity_required
    async def async_who(request: HttpRequest) -> JsonResponse:
        return JsonResponse(current_identity(request).subject, safe=False)

    @roles_required("staff")
    async def async_staff(request: HttpRequest) -> JsonResponse:
        return JsonResponse("ok", safe=False)

    async def async_user(request: Any) -> JsonResponse:
        return JsonResponse({"name": (await request.auser()).get_username()})

    class Who(APIView):
        def get(self, request: Any) -> Response:
            assert request.user.get_username() == request.auth.subject == current_identity(request).subject
            return Response(request.auth.subject)

    class Staff(APIView):
        permission_classes = [roles_permission("staff")]

        def get(self, request: Any) -> Response:
            return Response("ok")

        post = get

    class Seen(APIView):
        permission_classes = [AllowAny]

        def get(self, request: Any) -> Response:
            return Response([request.headers[name] for name in UNSIGNED if name in request.headers])

    return [
        path("who", who),
        path("staff", staff),
        path("seen", seen),
        path("post", post),
        path("user", user),
        path("async/who", async_who),
        path("async/staff", async_staff),
        path("async/seen", sync_to_async(seen)),
        path("async/user", async_user),
        path("rest/who", Who.as_view()),
        path("rest/staff", Staff.as_view()),
        path("rest/seen", Seen.as_view()),
    ]


def main(assertion: str) -> None:
    """Print the user that a project without django.contrib.auth sees."""
    settings.configure(
        ALLOWED_HOSTS=["*"], MIDDLEWARE=["sallyport_service.django.IdentityMiddleware"], ROOT_URLCONF="__main__"
    )
    django.setup()
    from callers import wsgi_caller
    from django.core.handlers.wsgi import WSGIHandler

    urlpatterns.append(path("plain", without_auth))
    sys.stdout.write(wsgi_caller(WSGIHandler())("/plain", [("X-Identity", assertion)]).body.decode())


def without_auth(request: HttpRequest) -> JsonResponse:
    user: Any = request.user
    return JsonResponse([user.pk, user.email, user.is_staff, user.is_authenticated], safe=False)


if __name__ == "__main__":
    main(sys.argv[1])
