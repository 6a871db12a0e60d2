"""Adding and changing people in the admin."""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from accounts.models import Group
from tests.factories import make_user

PASSWORD = "a sound of seven bells"
NEW = {
    "email": "New@Example.org",
    "name": "New",
    "usable_password": "true",
    "password1": PASSWORD,
    "password2": PASSWORD,
}


@pytest.fixture
def admin(db):
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("boss@example.org", PASSWORD, name="Boss"))
    return client


@pytest.fixture
def member(db):
    return get_user_model().objects.create_user("pat@example.org", PASSWORD, name="Pat")


def test_an_added_person_signs_in(admin):
    response = admin.post("/admin/accounts/user/add/", NEW)

    person = get_user_model().objects.get(email="new@example.org")
    assert response["Location"] == f"/admin/accounts/user/{person.pk}/change/"
    assert (person.name, person.is_staff) == ("New", False)
    login = Client().post("/accounts/login/", {"login": "new@example.org", "password": PASSWORD})
    assert login.status_code == 302


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ({"email": "PAT@example.org"}, "User with this E-mail address already exists."),
        ({"password1": "short", "password2": "short"}, "This password is too short."),
        ({"password2": "other"}, "The two password fields didn’t match."),
    ],
)
def test_a_person_who_cannot_be_added_is_explained(admin, member, answers, error):
    assert error in admin.post("/admin/accounts/user/add/", NEW | answers).text
    assert get_user_model().objects.count() == 2


def test_people_are_found_by_address_and_name(admin, member):
    page = admin.get("/admin/accounts/user/", {"q": "pat"}).text

    assert "pat@example.org" in page
    assert "boss@example.org" not in page.split('id="result_list"')[1]
    assert [f"column-{name}" in page for name in ("email", "name", "is_active", "is_staff", "date_joined")] == [
        True
    ] * 5


def test_an_admin_changes_an_address_and_switches_a_person_off(admin, member):
    form = {"email": "Patricia@Example.org", "name": "Patricia"}

    assert admin.post(f"/admin/accounts/user/{member.pk}/change/", form).status_code == 302

    member.refresh_from_db()
    assert (member.email, member.name, member.is_active) == ("patricia@example.org", "Patricia", False)


def test_an_admin_sets_a_new_password(admin, member):
    new = "another sound of bells"
    form = {"usable_password": "true", "password1": new, "password2": new}

    assert admin.post(f"/admin/accounts/user/{member.pk}/password/", form).status_code == 302

    member.refresh_from_db()
    assert member.check_password(new)


def test_no_table_has_numbers_for_addresses(admin):
    assert admin.get("/admin/auth/group/").status_code == 404


def test_a_person_has_one_address_and_no_second_table_of_them(admin):
    assert admin.get("/admin/account/emailaddress/").status_code == 404


def test_a_member_adds_nobody(client, member):
    client.force_login(member)

    assert client.post("/admin/accounts/user/add/", NEW).status_code == 302
    assert get_user_model().objects.count() == 1


def test_rights_are_given_by_who_has_them_all(client, admin, member):
    helper = make_user("helper@example.org", is_staff=True)
    helper.user_permissions.set(Permission.objects.filter(codename__in=["view_user", "change_user"]))
    url = reverse("admin:accounts_user_change", args=[helper.pk])
    forged = {"email": helper.email, "name": "Helper", "is_active": "on", "is_staff": "on", "is_superuser": "on"}
    client.force_login(helper)
    assert client.post(url, forged).status_code == 302
    helper.refresh_from_db()
    assert (helper.name, helper.is_superuser) == ("Helper", False)
    assert admin.post(url, forged).status_code == 302
    helper.refresh_from_db()
    assert helper.is_superuser


def test_a_group_is_made_and_opens_its_model_to_its_members(admin, member):
    made = admin.post("/admin/accounts/group/add/", {"name": "Research", "members": [str(member.pk)]})

    group = Group.objects.get()
    assert made["Location"] == "/admin/accounts/group/"
    assert list(group.members.all()) == [member]
    assert "Research" in admin.get("/admin/accounts/group/").text
    assert admin.post("/admin/accounts/group/add/", {"name": "Research"}).status_code == 200  # once is enough
    assert Group.objects.count() == 1
