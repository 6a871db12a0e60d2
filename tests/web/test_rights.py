"""Who may open and press what about models, places and keys: strangers, members, and staff without the permission."""

import pytest
from django.contrib.auth.models import Permission

from accounts.models import Group, User
from billing.models import UsageRecord
from conversations.models import Conversation
from providers.models import Deployment, UpstreamKey
from providers.services import save_key
from tests.canary import CANARY
from tests.factories import make_user

pytestmark = pytest.mark.django_db
BUTTONS = ["upstreamkey/{key}/test/", "upstreamkey/{key}/lift/", "deployment/{place}/lift/", "deployment/{place}/up/"]

PAGES = ["/models/deepseek-v31-terminus/", "/parameters?model=deepseek-v31-terminus"]


@pytest.fixture
def place(model):
    return model.deployments.get()


@pytest.fixture
def key(place):
    return save_key(deployment=place, plain=CANARY)


def staff(client, *permissions):
    person = User.objects.filter(email="staff@example.org").first() or make_user("staff@example.org", is_staff=True)
    person.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(person)
    return client


def address(button, place, key):
    return "/admin/providers/" + button.format(place=place.pk, key=key.pk)


@pytest.mark.parametrize("button", [*BUTTONS, "deployment/{place}/down/"])
@pytest.mark.parametrize("permission", ["", "view_upstreamkey", "view_deployment"])
def test_staff_without_the_permission_to_change_press_no_button(client, place, key, button, permission):
    UpstreamKey.objects.update(state="refused")
    assert staff(client, permission).post(address(button, place, key)).status_code in (403, 404)
    assert UpstreamKey.objects.get().state == "refused"
    assert not UsageRecord.objects.exists()


@pytest.mark.parametrize("button", BUTTONS)
def test_members_and_strangers_are_sent_to_sign_in_by_every_button(client, alice, place, key, button):
    UpstreamKey.objects.update(state="refused")
    strangers = client.post(address(button, place, key))
    client.force_login(alice)
    members = client.post(address(button, place, key))
    assert (strangers.status_code, members.status_code) in [(302, 302), (302, 403)]
    assert UpstreamKey.objects.get().state == "refused"
    assert not UsageRecord.objects.exists()


@pytest.mark.parametrize("page", ["/models/", *PAGES])
def test_a_stranger_sees_no_page_of_a_model(client, model, page):
    response = client.get(page)
    assert (response.status_code, response["Location"].partition("?")[0]) == (302, "/accounts/login/")


@pytest.mark.parametrize("page", PAGES)
def test_a_model_of_another_group_is_as_unknown_as_one_that_is_not_there(client, alice, model, page):
    model.groups.add(Group.objects.create(name="Others"))
    client.force_login(alice)
    assert client.get(page).status_code == 404


def test_the_parameters_of_another_persons_chat_are_not_there(client, alice, bob, model):
    chat = Conversation.objects.create(owner=bob, title="x", params={"temperature": 0.123})
    client.force_login(alice)
    response = client.get(f"/parameters?model={model.name}&conversation={chat.pk}")
    assert response.status_code == 404


def test_a_members_key_is_tested_by_nobody_else(client, alice, bob, place):
    save_key(deployment=place, plain=CANARY, owner=bob)
    client.force_login(alice)
    assert client.post(f"/settings/keys/{place.pk}/test/").status_code == 404
    assert not UsageRecord.objects.exists()


def test_staff_see_the_places_of_a_model_only_with_the_permission_to_see_deployments(client, model, place):
    Deployment.objects.update(base_url="http://10.9.8.7:8080")
    staff(client)
    assert "10.9.8.7" not in client.get(f"/models/{model.name}/").content.decode()
    staff(client, "view_deployment")
    assert "10.9.8.7" in client.get(f"/models/{model.name}/").content.decode()
