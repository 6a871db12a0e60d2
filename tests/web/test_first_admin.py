"""The page that makes the first admin, once."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth import get_user_model
from django.db import connections
from django.test import Client

from accounts import first_admin
from accounts.first_admin import first_admin_link

PASSWORD = "a sound of seven bells"
FORM = {"email": "Boss@Example.org", "password1": PASSWORD, "password2": PASSWORD}
ONE_TIME_LINK = "open the one-time link that was printed where the server was started"


@pytest.fixture
def path(db):
    return first_admin_link().removeprefix("http://testserver")


def test_the_link_is_whole_and_the_same_after_a_restart(db, settings):
    settings.SITE_URL = "https://chat.example.org"

    assert first_admin_link().startswith("https://chat.example.org/setup/")
    assert first_admin_link() == first_admin_link()


def test_the_link_depends_on_the_secret_of_the_site(path, settings):
    settings.SECRET_KEY = "another-secret-of-at-least-32-characters"

    assert not first_admin_link().endswith(path)


def test_the_first_admin_is_made_and_signed_in(client, path):
    response = client.post(path, FORM)

    boss = get_user_model().objects.get()
    assert (response.status_code, response["Location"]) == (302, "/")
    assert (boss.email, boss.is_staff, boss.is_superuser, boss.is_active) == ("boss@example.org", True, True, True)
    assert boss.check_password(PASSWORD)
    assert client.session["_auth_user_id"] == str(boss.pk)


def test_the_page_is_gone_once_anybody_exists(client, path):
    get_user_model().objects.create_user("member@example.org", PASSWORD)

    assert first_admin_link() is None
    assert client.get(path).status_code == 404
    assert client.post(path, FORM).status_code == 404
    assert get_user_model().objects.count() == 1


@pytest.mark.parametrize("token", ["0" * 64, "x", "é", "a/b"])
def test_a_wrong_token_leads_nowhere(client, db, token):
    assert client.get(f"/setup/{token}/").status_code == 404
    assert client.post(f"/setup/{token}/", FORM).status_code == 404
    assert not get_user_model().objects.exists()


@pytest.mark.parametrize(
    ("answers", "place"),
    [
        ({"email": "boss"}, "id_email_error"),
        ({"password1": "short", "password2": "short"}, "id_password1_error"),
        ({"password1": "password123", "password2": "password123"}, "id_password1_error"),
        ({"password1": "boss@example.org", "password2": "boss@example.org"}, "id_password1_error"),
        ({"password2": "another sound of bells"}, "id_password2_error"),
    ],
)
def test_what_is_wrong_stands_beside_its_field(client, path, answers, place):
    response = client.post(path, FORM | answers)

    assert response.status_code == 422
    assert f'<p class="field__error" id="{place}">' in response.text
    assert not get_user_model().objects.exists()


def test_a_giant_password_is_refused(client, path):
    giant = "x" * 100_000

    assert client.post(path, FORM | {"password1": giant, "password2": giant}).status_code == 400


def test_the_form_needs_the_token_of_its_page(path):
    assert Client(enforce_csrf_checks=True).post(path, FORM).status_code == 403


def test_the_page_is_neither_kept_nor_told_to_other_sites(client, path):
    response = client.get(path)

    assert "no-store" in response["Cache-Control"]
    assert response["Referrer-Policy"] == "same-origin"


def test_the_sign_in_page_points_to_the_link_only_while_nobody_exists(client, db):
    assert ONE_TIME_LINK in client.get("/accounts/login/").text

    get_user_model().objects.create_user("member@example.org", PASSWORD)

    assert ONE_TIME_LINK not in client.get("/accounts/login/").text


@pytest.mark.django_db(transaction=True)
def test_of_twenty_people_at_once_one_becomes_the_admin(path, monkeypatch):
    nobody_yet = first_admin.nobody_yet

    def nobody_a_moment_ago():
        answer = nobody_yet()
        time.sleep(0.02)
        return answer

    monkeypatch.setattr(first_admin, "nobody_yet", nobody_a_moment_ago)

    def post(number):
        try:
            return Client().post(path, FORM | {"email": f"boss-{number}@example.org"}).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(20) as pool:
        answers = sorted(pool.map(post, range(20)))

    assert answers == [302] + [404] * 19
    assert get_user_model().objects.count() == 1
