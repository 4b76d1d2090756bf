"""The texts and templates of mails, in every language, and the folder that replaces them."""

import re
from pathlib import Path

import pytest

from auth_service.mail.outbox import MailKind
from auth_service.mail.settings import MailSettings
from auth_service.mail.templates import SAMPLE, Templates
from auth_service.mail.texts import BUILT_IN, COMMON, SECTIONS, TEST, TemplateProblem, load_texts
from chassis.settings import SettingsError, load

WITH_LINK = {MailKind.ACTIVATION, MailKind.PASSWORD_RESET, MailKind.EMAIL_RESET, MailKind.INVITATION}
LINK = "https://example.org/reset/abc/t3xq5h-token?a=1&b=2"


def problem(folder: Path) -> str:
    with pytest.raises(SettingsError) as raised:
        load(MailSettings, {"MAIL_TEMPLATES": str(folder)})
    return str(raised.value)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_each_language_has_every_text(language: str) -> None:
    texts = load_texts(None)
    english = texts.by_language["en"]
    assert set(texts.by_language[language]) == set(english) == {COMMON, *SECTIONS}
    for name, section in english.items():
        assert set(texts.by_language[language][name]) == set(section), name


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("section", SECTIONS)
def test_a_mail_has_a_subject_a_text_and_html(section: str, language: str) -> None:
    has_link = section in WITH_LINK
    values = {**SAMPLE, "link": LINK if has_link else "", "minutes": "60" if has_link else ""}
    content = Templates().render(section, language, values)
    assert "Example" in content.subject
    assert "\n" not in content.subject
    assert ("\n" + LINK + "\n" in content.text) == has_link
    assert content.html.count(f'href="{LINK.replace("&", "&amp;")}"') == (2 if has_link else 0)
    assert ("60 minutes" in content.text) == has_link
    assert "-- \n" in content.text
    assert "\n\n\n" not in content.text
    assert "{" not in content.text + content.html.replace("{margin", "")


def test_a_mail_loads_nothing_and_is_read_in_light_and_dark() -> None:
    """No picture, script or style sheet from elsewhere: mail programs block them, and they would tell who reads."""
    html = (BUILT_IN / "layout.html").read_text()
    assert not re.search(r"<(img|script|link|iframe)\b|url\(", html)
    assert '<meta name="color-scheme" content="light dark">' in html
    assert '<meta name="referrer" content="no-referrer">' in html


def test_html_is_escaped_and_plain_text_is_not() -> None:
    values = {**SAMPLE, "site_name": '<b>"A & B"</b>', "email": "o'neil@example.org"}
    content = Templates().render(MailKind.PASSWORD_RESET, "en", values)
    assert "&lt;b&gt;&#34;A &amp; B&#34;&lt;/b&gt;" in content.html
    assert "<b>" not in content.html
    assert '<b>"A & B"</b>' in content.text
    assert content.subject == 'Reset your password at <b>"A & B"</b>'


def test_a_value_is_not_rendered_as_a_template() -> None:
    values = {**SAMPLE, "email": "{{7*7}}@example.org", "site_name": "{% raw %}"}
    content = Templates().render(MailKind.PASSWORD_RESET, "en", values)
    assert "{{7*7}}@example.org" in content.text
    assert "{{7*7}}@example.org" in content.html
    assert "{% raw %}" in content.subject


def test_own_texts_replace_single_ones_and_add_languages(tmp_path: Path) -> None:
    (tmp_path / "en.toml").write_text('[password_reset]\nsubject = "New password for {{ email }}"\n')
    (tmp_path / "de.toml").write_text('[password_reset]\nsubject = "Neues Passwort"\n[common]\ngreeting = "Hallo,"\n')
    templates = Templates(tmp_path)
    assert templates.languages == ["de", "en", "fr"]
    english = templates.render(MailKind.PASSWORD_RESET, "en", SAMPLE)
    assert english.subject == "New password for ann@example.org"
    assert "Choose a new password:" in english.text
    german = templates.render(MailKind.PASSWORD_RESET, "de", SAMPLE)
    assert german.subject == "Neues Passwort"
    assert german.text.startswith("Hallo,\n")
    assert "Choose a new password:" in german.text


def test_own_templates_replace_the_layout_or_one_mail_or_one_mail_in_one_language(tmp_path: Path) -> None:
    (tmp_path / "fr").mkdir()
    (tmp_path / "layout.html").write_text(
        '{% extends "default/layout.html" %}{% block header %}<p>Our logo</p>{% endblock %}'
    )
    (tmp_path / "activation.txt").write_text("Open {{ link }}\n")
    (tmp_path / "fr" / "activation.txt").write_text("Ouvrez {{ link }}\n")
    templates = Templates(tmp_path)
    templates.check()
    reset = templates.render(MailKind.PASSWORD_RESET, "en", SAMPLE)
    assert "<p>Our logo</p>" in reset.html
    assert "Choose a new password:" in reset.html
    assert "Choose a new password:" in reset.text
    assert templates.render(MailKind.ACTIVATION, "en", SAMPLE).text == f"Open {SAMPLE['link']}\n"
    assert templates.render(MailKind.ACTIVATION, "fr", SAMPLE).text == f"Ouvrez {SAMPLE['link']}\n"


WRONG = [
    (
        "password_reset.txt",
        "{{ new_email }}",
        "the mail password_reset in en cannot be rendered: 'new_email' is undef",
    ),
    ("en.toml", "[password_reset\n", "en.toml: Expected"),
    (
        "en.toml",
        '[pasword_reset]\nsubject = "x"\n',
        r"en.toml: \[pasword_reset\] is no mail; there are: common, activ",
    ),
    ("en.toml", 'password_reset = "x"\n', "en.toml: password_reset must be a table"),
    ("en.toml", '[password_reset]\nbody = "x"\n', "password_reset.body must be a list of strings"),
    ("en.toml", "[password_reset]\nsubject = 1\n", "password_reset.subject must be a string"),
    (
        "en.toml",
        '[password_reset]\nsubjct = "x"\n',
        "password_reset.subjct is no text; there are: action, after, body",
    ),
    (
        "en.toml",
        '[password_reset]\nsubject = "{{ nam }}"\n',
        "password_reset in en cannot be rendered: 'nam' is undef",
    ),
    ("layout.txt", "{% if %}", "layout.txt, line 1: the mail activation in en cannot be rendered: Expected"),
    ("invitation.html", "{{ lnk }}", "the mail invitation in en cannot be rendered: 'lnk' is undefined"),
    (
        "fr/test.html",
        '{% extends "absent.html" %}',
        "the mail test in fr cannot be rendered: there is no template 'absent.html'",
    ),
]


@pytest.mark.parametrize(("file", "text", "expected"), WRONG)
def test_a_wrong_file_stops_the_start_and_is_named(tmp_path: Path, file: str, text: str, expected: str) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(text)
    found = problem(tmp_path)
    assert found.startswith("MAIL_TEMPLATES has a template that cannot be used: ")
    assert re.search(expected, found), found


def test_a_file_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    (tmp_path / "layout.txt").write_bytes(b"\xff")
    assert "cannot be rendered" in problem(tmp_path)
    (tmp_path / "fr.toml").write_bytes(b"\xff")
    assert "fr.toml: " in problem(tmp_path)


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    assert problem(tmp_path / "absent").startswith("MAIL_TEMPLATES must be an existing folder; got ")


def test_an_unknown_section_is_a_defect_and_not_silent() -> None:
    with pytest.raises(KeyError):
        Templates().render("unknown", "en", SAMPLE)
    assert Templates().render(TEST, "en", SAMPLE).subject == "Test message from Example"


def test_a_template_problem_is_an_error_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "test.txt").write_text("{{ absent }}")
    with pytest.raises(TemplateProblem, match="'absent' is undefined"):
        Templates(tmp_path).check()
