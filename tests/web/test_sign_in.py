"""Signing in, staying in and signing out."""

import re

import pytest
from django.contrib.auth import get_user_model
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.urls import NoReverseMatch, get_resolver, reverse

PASSWORD = "a sound of seven bells"
LOGIN = "/accounts/login/"
MISMATCH = "The e-mail address or the password is not right."
TOO_MANY = "Too many failed attempts. Wait 5 minutes, then try again."


@pytest.fixture(autouse=True)
def fresh_limits():
    cache.clear()


@pytest.fixture
def pat(db):
    return get_user_model().objects.create_user(email="Pat@Example.org", password=PASSWORD)


def sign_in(client, email="pat@example.org", password=PASSWORD, **more):
    address = more.pop("address", "127.0.0.1")
    return client.post(LOGIN, {"login": email, "password": password, **more}, REMOTE_ADDR=address)


def signed_in(client):
    return "_auth_user_id" in client.session


@pytest.mark.parametrize("email", ["pat@example.org", "PAT@EXAMPLE.ORG", "  Pat@Example.org "])
def test_a_person_signs_in_with_the_address_in_any_case(client, pat, email):
    response = sign_in(client, email)

    assert (response.status_code, response["Location"]) == (302, "/")
    assert client.session["_auth_user_id"] == str(pat.pk)
    assert mail.outbox == []


def test_a_superuser_signs_in_at_once(client, db):
    get_user_model().objects.create_superuser("boss@example.org", PASSWORD)

    assert sign_in(client, "boss@example.org")["Location"] == "/"


def test_a_session_lasts_two_weeks_and_its_cookie_is_kept_from_scripts(client, pat):
    cookie = sign_in(client).cookies["session"]

    assert (cookie["max-age"], cookie["httponly"], cookie["samesite"]) == (14 * 24 * 3600, True, "Lax")


def test_a_planted_session_is_not_the_one_after_signing_in(client, pat):
    session = client.session
    session["planted"] = 1
    session.save()
    before = client.cookies["session"].value

    sign_in(client)

    assert client.cookies["session"].value != before


def test_an_unknown_address_and_a_wrong_password_are_answered_alike(client, pat):
    """AU-1"""
    answers = [sign_in(Client(), email, "wrong") for email in ("pat@example.org", "nobody@example.org")]
    pages = [re.sub(r'value="[^"]*"', "", answer.text) for answer in answers]

    assert MISMATCH in pages[0]
    assert pages[0] == pages[1]
    assert answers[0].status_code == answers[1].status_code
    assert answers[0].cookies.keys() == answers[1].cookies.keys()


def test_a_form_without_an_address_says_so_beside_the_field(client, pat):
    page = sign_in(client, email="").text

    assert 'aria-invalid="true" aria-describedby="id_login_error"' in page
    assert '<p class="field__error" id="id_login_error">This field is required.</p>' in page


def test_ten_wrong_passwords_for_one_account_from_anywhere_close_it_for_a_while(client, pat):
    """AU-3"""
    for number in range(10):
        assert MISMATCH in sign_in(client, password="wrong", address=f"10.0.0.{number}").text

    assert TOO_MANY in sign_in(client, address="10.0.1.1").text
    assert not signed_in(client)


def test_ten_wrong_passwords_from_one_address_close_it_for_every_account(client, pat):
    """AU-3"""
    for number in range(10):
        assert MISMATCH in sign_in(client, f"guess-{number}@example.org", "wrong").text

    assert TOO_MANY in sign_in(client).text
    assert sign_in(client, address="10.0.0.9").status_code == 302


def test_nine_wrong_passwords_are_forgiven(client, pat):
    for _ in range(9):
        sign_in(client, password="wrong")

    assert sign_in(client).status_code == 302


def test_forty_people_sign_in_from_one_office(client, pat):
    """AU-5"""
    assert [sign_in(Client()).status_code for _ in range(40)] == [302] * 40


def test_behind_a_proxy_the_address_it_saw_counts_and_not_what_the_client_claims(client, pat, settings):
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    for number in range(10):
        client.post(
            LOGIN,
            {"login": f"guess-{number}@example.org", "password": "wrong"},
            HTTP_X_FORWARDED_FOR=f"10.9.9.{number}, 203.0.113.5",
        )

    assert (
        TOO_MANY
        in client.post(
            LOGIN, {"login": "pat@example.org", "password": PASSWORD}, HTTP_X_FORWARDED_FOR="203.0.113.5"
        ).text
    )


def test_sixty_four_characters_with_spaces_and_signs_are_a_password(client, db):
    """AU-6"""
    password = "sixty four characters of passphrase, with spaces and signs 🦉🦊🐝🐢✨"
    assert len(password) == 64
    get_user_model().objects.create_user("pat@example.org", password)

    assert sign_in(client, password=password).status_code == 302


def test_a_giant_password_is_refused_before_it_is_hashed(client, pat, monkeypatch):
    """AU-6"""
    monkeypatch.setattr(get_user_model(), "check_password", lambda *_: pytest.fail("hashed"))
    monkeypatch.setattr(get_user_model(), "set_password", lambda *_: pytest.fail("hashed"))

    assert sign_in(client, password="x" * 100_000).status_code == 400


@pytest.mark.parametrize("path", ["/settings/", "/c/new?model=a&b=c"])
def test_a_person_comes_back_to_the_page_they_asked_for(client, pat, path):
    assert sign_in(client, next=path)["Location"] == path


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example", "https://evil.example/", "https:evil.example", r"/\evil.example", r"\\evil.example",
        "%2F%2Fevil.example", "javascript:alert(1)", "///evil.example", "http://testserver/", "/\t/evil.example",
        "http://127.0.0.1:9000/", "evil", " //evil.example",
    ],
)  # fmt: skip
def test_another_site_is_never_the_next_page(client, pat, target):
    """AU-11"""
    assert sign_in(client, next=target)["Location"] == "/"
    assert client.post("/accounts/logout/", {"next": target})["Location"] == LOGIN


def test_the_form_carries_the_next_page(client, pat):
    assert '<input type="hidden" name="next" value="/settings/">' in client.get(LOGIN, {"next": "/settings/"}).text


def test_asking_to_sign_out_changes_nothing_and_a_post_signs_out(client, pat):
    sign_in(client)
    assert client.get("/accounts/logout/").status_code == 200
    assert signed_in(client)

    response = client.post("/accounts/logout/")

    assert (response.status_code, response["Location"]) == (302, LOGIN)
    assert response["Clear-Site-Data"] == '"storage"'
    assert not signed_in(client)


@pytest.mark.parametrize("path", [LOGIN, "/accounts/logout/", "/accounts/password/change/"])
def test_a_post_without_the_token_of_the_page_is_refused(pat, path):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(pat)

    assert strict.post(path, {"login": "pat@example.org", "password": PASSWORD}).status_code == 403


def test_a_person_who_was_switched_off_cannot_sign_in(client, pat):
    get_user_model().objects.update(is_active=False)

    response = sign_in(client, follow=True)

    assert not signed_in(client)
    assert (response.status_code, response["Location"]) == (302, "/accounts/inactive/")
    assert "Your account is switched off" in client.get("/accounts/inactive/").text


def test_switching_a_person_off_ends_their_sessions(client, pat):
    sign_in(client)
    get_user_model().objects.update(is_active=False)

    assert client.get("/accounts/password/change/")["Location"].startswith(LOGIN)


def test_a_changed_password_signs_the_other_devices_out_and_not_this_one(client, pat):
    """SE-3"""
    other = Client()
    sign_in(client)
    sign_in(other)
    new = "another sound of bells"
    form = {"oldpassword": PASSWORD, "password1": new, "password2": new}

    assert client.post("/accounts/password/change/", form).status_code == 302

    assert client.get("/accounts/password/change/").status_code == 200
    assert other.get("/accounts/password/change/")["Location"].startswith(LOGIN)
    assert MISMATCH in sign_in(Client()).text
    assert sign_in(Client(), password=new).status_code == 302


@pytest.mark.parametrize("password", ["7 chars", "password123", "pat@example.org"])
def test_a_weak_new_password_is_refused(client, pat, password):
    """AU-6"""
    sign_in(client)
    page = client.post(
        "/accounts/password/change/", {"oldpassword": PASSWORD, "password1": password, "password2": password}
    ).text

    assert 'id="id_password1_error"' in page
    pat.refresh_from_db()
    assert pat.check_password(PASSWORD)


def test_confirming_the_password_takes_the_right_one(client, pat):
    sign_in(client)
    wrong = client.post("/accounts/reauthenticate/", {"password": "wrong"})
    right = client.post("/accounts/reauthenticate/", {"password": PASSWORD, "next": "/settings/"})

    assert "The password is not right." in wrong.text
    assert right["Location"] == "/settings/"


@pytest.mark.parametrize("method", ["get", "post"])
def test_sign_up_is_closed(client, db, method):
    form = {"email": "new@example.org", "password1": PASSWORD, "password2": PASSWORD}

    assert "An admin of this site adds people." in getattr(client, method)("/accounts/signup/", form).text
    assert not get_user_model().objects.exists()


def test_only_the_pages_that_were_designed_can_be_reached():
    names = {name for name in get_resolver().reverse_dict if isinstance(name, str) and name.startswith("account_")}

    assert names == {
        "account_login", "account_logout", "account_signup", "account_inactive", "account_reauthenticate",
        "account_change_password",
    }  # fmt: skip
    with pytest.raises(NoReverseMatch):
        reverse("account_email")


def test_every_page_around_signing_in_has_the_look_of_the_site(client, pat):
    sign_in(client)
    anonymous = ["/accounts/login/", "/accounts/signup/", "/accounts/inactive/"]
    own = ["/accounts/logout/", "/accounts/password/change/", "/accounts/reauthenticate/"]
    pages = [Client().get(path).text for path in anonymous] + [client.get(path).text for path in own]

    assert all('<section class="card card--message">' in page for page in pages)


def test_the_admin_sends_people_to_sign_in_and_back(client, pat):
    response = client.get("/admin/accounts/user/", follow=True)

    assert response.redirect_chain[-1][0] == "/accounts/login/?next=%2Fadmin%2Faccounts%2Fuser%2F"


def test_the_admin_has_no_form_of_its_own_to_sign_in(client, db):
    get_user_model().objects.create_superuser("boss@example.org", PASSWORD)

    response = client.post("/admin/login/", {"username": "boss@example.org", "password": PASSWORD})

    assert response["Location"].startswith(LOGIN)
    assert not signed_in(client)


def test_the_admin_is_closed_to_a_member_and_open_to_an_admin(client, pat):
    sign_in(client)
    assert client.get("/admin/login/").status_code == 403

    get_user_model().objects.update(is_staff=True, is_superuser=True)

    assert client.get("/admin/").status_code == 200
