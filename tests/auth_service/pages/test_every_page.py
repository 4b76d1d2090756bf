"""What holds for every page: headers, languages, accessibility of the markup, and templates of one's own."""

import base64
import hashlib
import re
from pathlib import Path

import pytest
from flask import Flask

from auth_service.page_templates.templates import PageTemplates
from auth_service.page_templates.texts import PageProblem, load_texts
from tests.auth_service.conftest import MakeApp
from tests.auth_service.pages.conftest import MakeBrowser
from tests.auth_service.pages.page_browser import Page, PageBrowser

PUBLIC = [
    "/auth/login/",
    "/auth/login/?next=/x",
    "/auth/login/?done=activated",
    "/auth/register/",
    "/auth/register/sent/",
    "/auth/activate/",
    "/auth/activate/sent/",
    "/auth/activate/confirm/",
    "/auth/password/reset/",
    "/auth/password/reset/sent/",
    "/auth/password/reset/confirm/",
    "/auth/email/reset/",
    "/auth/email/reset/sent/",
    "/auth/email/reset/confirm/",
    "/auth/invitation/",
    "/auth/invitation/sent/",
    "/auth/invitation/confirm/",
]
PRIVATE = [
    "/auth/login/",
    "/auth/account/",
    "/auth/account/profile/",
    "/auth/account/email/",
    "/auth/account/password/",
    "/auth/account/sessions/",
    "/auth/account/log-out/",
    "/auth/account/delete/",
]


def pages_of(browser: PageBrowser) -> list[tuple[str, Page]]:
    """Return every page without a session, then every page with one."""
    public = [(path, browser.page(path)) for path in PUBLIC]
    browser.register(first_name="Ann")
    return public + [(path, browser.page(path)) for path in PRIVATE]


def test_every_page_forbids_scripts_frames_caches_and_foreign_forms(browser: PageBrowser) -> None:
    for path in PUBLIC:
        response = browser.open(path)
        (style,) = re.findall(r"<style>(.*?)</style>", response.text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        assert response.headers["Content-Security-Policy"] == (
            f"default-src 'none'; style-src 'sha256-{digest}'; img-src 'self' data:; form-action 'self'; "
            "base-uri 'none'; frame-ancestors 'none'"
        )
        assert response.headers["X-Frame-Options"] == "DENY"
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Referrer-Policy"] == "strict-origin"
        assert response.headers["Content-Type"] == "text/html; charset=utf-8"


def test_redirects_and_errors_have_these_headers_too(browser: PageBrowser, app: Flask) -> None:
    for response in (
        browser.open("/auth/account/"),
        browser.post("/auth/login/"),
        app.test_client().post("/auth/login/"),
        browser.open("/auth/account/nothing/"),
    ):
        assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert response.headers["Cache-Control"] == "no-store"


def test_no_page_has_a_script_an_inline_style_or_a_foreign_address(browser: PageBrowser) -> None:
    for path, page in pages_of(browser):
        assert not page.all("script"), path
        assert not [one for one in page.elements if {"style", "onclick", "onload"} & set(one.attributes)], path
        targets = [one.attributes.get(name, "") for one in page.elements for name in ("href", "src", "action")]
        assert all(target.startswith(("/", "#", "data:,")) for target in targets if target), path


def test_every_field_has_a_label_and_tells_password_managers_what_it_is(browser: PageBrowser) -> None:
    for path, page in pages_of(browser):
        labels = {label.attributes["for"] for label in page.all("label")}
        ids = [one.attributes["id"] for one in page.elements if "id" in one.attributes]
        assert len(ids) == len(set(ids)), path
        for field in page.all("input") + page.all("select"):
            if field.attributes.get("type") == "hidden" or "hidden" in field.attributes:
                continue
            assert field.attributes["id"] in labels, path
            assert field.attributes["autocomplete"] not in ("", "off"), (path, field)


@pytest.mark.parametrize(
    ("accept_language", "language"),
    [
        ("en", "en"),
        ("fr", "fr"),
        ("fr-CH, en;q=0.5", "fr"),
        ("de, fr;q=0.3", "fr"),
        ("de", "en"),
        ("", "en"),
        (";;", "en"),
    ],
)
def test_pages_have_the_language_that_the_browser_prefers(
    browser: PageBrowser, accept_language: str, language: str
) -> None:
    browser.language = accept_language
    response = browser.open("/auth/login/")
    assert response.headers["Content-Language"] == language
    assert Page(response.text).all("html")[0].attributes["lang"] == language
    assert Page(response.text).title == {"en": "Log in", "fr": "Connexion"}[language]


def test_every_text_exists_in_every_language_and_no_page_falls_back(browser: PageBrowser) -> None:
    texts = load_texts(None).by_language
    for name, section in texts["en"].items():
        missing = set(section) - set(texts["fr"][name])
        assert not missing, (name, missing)
        for key, text in section.items():
            if name != "errors":
                assert set(re.findall(r"{\w+}", text)) == set(re.findall(r"{\w+}", texts["fr"][name][key])), key
    browser.language = "fr"
    for path, page in pages_of(browser):
        assert not re.search(r"\b(password|account|log in|save|address)\b", page.all("main")[0].text.lower()), path


def test_errors_are_in_the_language_of_the_page(browser: PageBrowser) -> None:
    browser.language = "fr"
    page = browser.register("ann@example.org", "short")
    assert page.errors_of("password") == ["Ce mot de passe est trop court. Utilisez au moins 8 caractères."]
    assert browser.register("no address").errors_of("email") == [
        "Saisissez une adresse e-mail comme anne@example.org."
    ]


def test_a_folder_replaces_texts_colours_and_pages(
    make_app: MakeApp, make_browser: MakeBrowser, tmp_path: Path
) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "en.toml").write_text('[login]\ntitle = "Welcome to {site}"\n')
    (folder / "de.toml").write_text('[common]\nlanguage_name = "Deutsch"\n[login]\ntitle = "Anmelden"\n')
    (folder / "theme.css").write_text(":root { --accent: #0b6e4f; }")
    (folder / "fr.toml").write_text('[common]\nlanguage_name = "{site} (fr)"\n[more]\n')
    (folder / "log_out.html").write_text(
        '{% extends "default/log_out.html" %}{% block title %}Bye, {{ caller.user.email }}?{% endblock %}'
    )
    browser = make_browser(make_app(PAGES_TEMPLATES=str(folder), SITE_NAME="Notes & more"))
    page = browser.page("/auth/login/")
    assert page.title == "Welcome to Notes & more"
    assert page.all("style")[0].text.endswith(":root { --accent: #0b6e4f; }")
    browser.language = "de"
    assert browser.page("/auth/login/").title == "Anmelden"
    browser.register()
    assert browser.page("/auth/account/log-out/").title == "Bye, ann@example.org?"
    assert "de" in [option.attributes["value"] for option in browser.page("/auth/account/profile/").all("option")]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("en.toml", "[login", "en.toml"),
        ("de.toml", '[login]\ntitle = "{nam}"', "de.toml: login.title has {nam}; its values are site"),
        ("fr.toml", '[logged_in]\ntext = "{mail}"', "fr.toml: logged_in.text has {mail}; its values are email, site"),
        ("en.toml", "[login]\ntitel = 'x'\n", "login.titel"),
        ("en.toml", "[login]\ntitle = 1\n", "[login]"),
        ("login.html", "{% if %}", "login.html, line 1"),
        ("theme.css", "</style><script>", "theme.css"),
        ("style.css", b"\xff", "style.css"),
    ],
)
def test_a_wrong_file_stops_the_start_and_is_named(
    tmp_path: Path, name: str, content: str | bytes, reason: str
) -> None:
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(PageProblem, match=re.escape(reason)):
        PageTemplates(tmp_path, "x").check()
