"""A member's own provider keys: added, replaced, removed, and never shown again."""

import pytest

from providers import vault
from providers.models import Deployment, Model, UpstreamKey
from providers.services import save_key
from tests.canary import CANARY

KEY = CANARY


@pytest.fixture
def deployment(model):
    return Deployment.objects.get(model=model)


@pytest.fixture
def members(client, alice):
    client.force_login(alice)
    return client


def address(deployment, act=""):
    return f"/settings/keys/{deployment.pk}/{act}"


def test_the_page_says_what_an_own_key_means(members, deployment):
    page = members.get("/settings/keys/").content.decode()
    for words in (
        "used for your requests only",
        "cost no credits here",
        "never fall back to the team’s key",
        "Deepseek-V31-Terminus",
        "app.eigenai.com",
        "No key of yours",
    ):
        assert words in page


def test_a_member_adds_a_key_that_is_encrypted_and_theirs(members, alice, deployment):
    response = members.post(address(deployment), {"key": f" {KEY} "}, follow=True)

    saved = UpstreamKey.objects.get()
    assert (saved.owner, saved.deployment) == (alice, deployment)
    assert vault.open_key(saved) == KEY
    assert KEY.encode() not in bytes(saved.ciphertext)
    assert "Saved …wxyz for Deepseek-V31-Terminus." in response.content.decode()


def test_the_page_shows_the_last_four_and_the_fingerprint_and_nothing_else_of_a_key(members, alice, deployment):
    saved = save_key(deployment=deployment, plain=KEY, owner=alice)

    page = members.get("/settings/keys/").content.decode()

    assert "…wxyz" in page
    assert saved.fingerprint in page
    assert KEY not in page
    assert KEY[:-4] not in page
    assert KEY[3:12] not in page


@pytest.mark.parametrize("typed", ["", "   ", "…wxyz", "••••wxyz", "********"])
def test_posting_nothing_or_the_mask_keeps_the_saved_key(members, alice, deployment, typed):
    save_key(deployment=deployment, plain=KEY, owner=alice)

    response = members.post(address(deployment), {"key": typed}, follow=True)

    assert vault.open_key(UpstreamKey.objects.get()) == KEY
    assert "Nothing was changed" in response.content.decode()


def test_a_new_key_replaces_the_saved_one(members, alice, deployment):
    save_key(deployment=deployment, plain=KEY, owner=alice)

    members.post(address(deployment), {"key": "sk-second-0123456789"})

    assert vault.open_key(UpstreamKey.objects.get()) == "sk-second-0123456789"


def test_a_refused_key_is_explained_and_not_sent_back(members, deployment):
    response = members.post(address(deployment), {"key": "two words-of-a-secret"})

    page = response.content.decode()
    assert response.status_code == 422
    assert "Paste the key alone." in page
    assert "words-of-a-secret" not in page
    assert not UpstreamKey.objects.exists()


def test_a_member_removes_a_key(members, alice, deployment):
    save_key(deployment=deployment, plain=KEY, owner=alice)

    response = members.post(address(deployment, "remove/"), follow=True)

    assert not UpstreamKey.objects.exists()
    assert "Removed …wxyz" in response.content.decode()


def test_a_key_of_a_model_that_is_switched_off_can_still_be_removed(members, alice, deployment):
    save_key(deployment=deployment, plain=KEY, owner=alice)
    Model.objects.update(enabled=False)

    assert "…wxyz" in members.get("/settings/keys/").content.decode()
    members.post(address(deployment, "remove/"))

    assert not UpstreamKey.objects.exists()


def test_no_key_is_taken_for_a_model_that_is_switched_off(members, deployment):
    Deployment.objects.update(enabled=False)

    assert members.post(address(deployment), {"key": KEY}).status_code == 404
    assert not UpstreamKey.objects.exists()


def test_a_refused_key_says_what_to_do(members, alice, deployment):
    key = save_key(deployment=deployment, plain=KEY, owner=alice)
    UpstreamKey.objects.filter(pk=key.pk).update(state="refused")

    assert (
        "Refused by the provider: your requests to this model fail." in members.get("/settings/keys/").content.decode()
    )


def test_a_key_for_another_address_says_that_it_is_not_sent(members, alice, deployment):
    save_key(deployment=deployment, plain=KEY, owner=alice)
    Deployment.objects.update(base_url="https://elsewhere.example.org")

    page = members.get("/settings/keys/").content.decode()
    assert "moved from app.eigenai.com to elsewhere.example.org" in page


def test_a_member_neither_sees_nor_removes_anyone_elses_key(members, bob, deployment):
    save_key(deployment=deployment, plain=KEY, owner=bob)
    save_key(deployment=deployment, plain="sk-team-0123456789-team", owner=None)

    page = members.get("/settings/keys/").content.decode()

    assert "wxyz" not in page
    assert "…team" not in page
    assert members.post(address(deployment, "remove/")).status_code == 404
    assert UpstreamKey.objects.count() == 2


def test_a_member_cannot_save_a_key_for_somebody_else(members, alice, bob, deployment):
    members.post(address(deployment), {"key": KEY, "owner": str(bob.pk), "state": "refused"})

    saved = UpstreamKey.objects.get()
    assert (saved.owner, saved.state) == (alice, "good")


def test_keys_are_for_the_signed_in(client, deployment):
    for answer in (
        client.get("/settings/keys/"),
        client.post(address(deployment), {"key": KEY}),
        client.post(address(deployment, "remove/")),
    ):
        assert answer.status_code == 302
        assert answer.headers["Location"].startswith("/accounts/login/")
    assert not UpstreamKey.objects.exists()


def test_a_link_changes_nothing(members, alice, deployment):
    save_key(deployment=deployment, plain=KEY, owner=alice)
    assert members.get(address(deployment)).status_code == 405
    assert members.get(address(deployment, "remove/")).status_code == 405
    assert UpstreamKey.objects.count() == 1


def test_more_models_cost_no_more_queries(members, deployment, django_assert_max_num_queries):
    from tests.factories import make_model

    for number in range(6):
        make_model(name=f"model-{number}", base_url=f"https://host-{number}.example.org")
    with django_assert_max_num_queries(5):
        members.get("/settings/keys/")
