"""The settings' first page."""

import pytest

from tests.factories import make_user


@pytest.fixture
def members(client, alice):
    client.force_login(alice)
    return client


def test_a_member_changes_the_name_and_nothing_else(members, alice):
    forged = {"name": "Alice B.", "email": "x@example.org", "is_staff": "on", "is_superuser": "on", "is_active": ""}
    response = members.post("/settings/", forged, follow=True)

    alice.refresh_from_db()
    assert (alice.name, alice.email) == ("Alice B.", "alice@example.org")
    assert (alice.is_staff, alice.is_superuser, alice.is_active) == (False, False, True)
    assert "Saved." in response.content.decode()


def test_a_name_that_is_too_long_is_refused_beside_its_field(members, alice):
    response = members.post("/settings/", {"name": "x" * 121})

    assert response.status_code == 422
    assert "at most 120 characters" in response.content.decode()
    alice.refresh_from_db()
    assert alice.name == "Alice"


def test_the_page_leads_to_the_password(members):
    assert 'href="/accounts/password/change/"' in members.get("/settings/").content.decode()


@pytest.mark.parametrize("chosen", ["light", "dark"])
def test_a_theme_is_kept_in_a_cookie(members, chosen):
    members.post("/settings/theme/", {"theme": chosen})

    assert members.cookies["theme"].value == chosen
    assert f'data-theme="{chosen}"' in members.get("/settings/").content.decode()


@pytest.mark.parametrize("chosen", ["system", '"><script>', ""])
def test_anything_else_is_the_systems_theme(members, chosen):
    members.post("/settings/theme/", {"theme": "dark"})
    members.post("/settings/theme/", {"theme": chosen})

    assert members.cookies["theme"].value == ""


def test_only_an_admin_is_led_to_the_admin(members, client):
    assert "/admin/" not in members.get("/settings/").content.decode()

    client.force_login(make_user("root@example.org", is_staff=True, is_superuser=True))
    assert 'href="/admin/"' in client.get("/settings/").content.decode()


def test_settings_are_for_the_signed_in(client, db):
    assert client.get("/settings/").status_code == 302
    assert client.post("/settings/theme/", {"theme": "dark"}).status_code == 302
