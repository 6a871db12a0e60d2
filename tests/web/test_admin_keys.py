"""Provider keys in the admin: typed in, used, never shown."""

import pytest

from providers import vault
from providers.models import Deployment, UpstreamKey
from providers.services import save_key
from tests.canary import CANARY
from tests.factories import make_user
from tests.web.test_admin import form_of

KEY = CANARY
KEYS = "/admin/providers/upstreamkey/"


@pytest.fixture
def admins(client, db):
    client.force_login(make_user("root@example.org", is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def deployment(model):
    return Deployment.objects.get(model=model)


def test_an_admin_saves_a_key_for_the_team(admins, deployment):
    response = admins.post(f"{KEYS}add/", {"deployment": str(deployment.pk), "new_key": KEY}, follow=True)

    saved = UpstreamKey.objects.get()
    assert (saved.owner, saved.state, saved.host) == (None, "good", "app.eigenai.com")
    assert vault.open_key(saved) == KEY
    assert "…wxyz" in response.content.decode()


def test_no_page_of_the_admin_shows_a_key_or_its_ciphertext(admins, alice, deployment):
    save_key(deployment=deployment, plain=KEY)
    save_key(deployment=deployment, plain=KEY, owner=alice)
    pages = [KEYS, f"{KEYS}add/", "/admin/", "/admin/providers/deployment/"]
    pages += [f"/admin/providers/deployment/{deployment.pk}/change/"]
    pages += [f"{KEYS}{key.pk}/{act}/" for key in UpstreamKey.objects.all() for act in ("change", "history", "delete")]

    for page in pages:
        shown = admins.get(page).content
        assert KEY.encode() not in shown, page
        assert KEY[3:20].encode() not in shown, page
        for key in UpstreamKey.objects.all():
            assert bytes(key.ciphertext).hex().encode() not in shown, page
            assert repr(bytes(key.ciphertext)).encode() not in shown, page
    assert "…wxyz" in admins.get(KEYS).content.decode()


def test_a_key_that_is_refused_is_explained_and_not_sent_back(admins, deployment):
    for typed, complaint in (("", "Type or paste the whole key."), ("two secret-words", "Paste the key alone.")):
        page = admins.post(f"{KEYS}add/", {"deployment": str(deployment.pk), "new_key": typed}).content.decode()
        assert complaint in page
        assert "secret-words" not in page
    assert not UpstreamKey.objects.exists()


def test_a_new_key_takes_the_old_ones_place(admins, deployment):
    key = save_key(deployment=deployment, plain=KEY)
    second = {"state": "good", "new_key": "sk-second-0123456789"}

    assert admins.post(f"{KEYS}{key.pk}/change/", second, follow=True).status_code == 200

    assert vault.open_key(UpstreamKey.objects.get()) == "sk-second-0123456789"


@pytest.mark.parametrize("typed", ["", "…wxyz", "••••••••"])
def test_saving_the_page_as_it_is_keeps_the_key(admins, deployment, typed):
    key = save_key(deployment=deployment, plain=KEY)
    address = f"{KEYS}{key.pk}/change/"

    admins.post(address, form_of(admins.get(address)) | {"new_key": typed})

    assert vault.open_key(UpstreamKey.objects.get()) == KEY


def test_an_admin_puts_a_key_back_in_use_and_cannot_call_a_good_one_bad(admins, deployment):
    key = save_key(deployment=deployment, plain=KEY)
    UpstreamKey.objects.update(state="broke")

    admins.post(f"{KEYS}{key.pk}/change/", {"state": "good", "new_key": ""})
    key.refresh_from_db()
    assert key.state == "good"

    admins.post(f"{KEYS}{key.pk}/change/", {"state": "refused", "new_key": ""})
    key.refresh_from_db()
    assert key.state == "good"


def test_a_members_key_can_be_removed_by_an_admin_but_not_replaced_or_moved(admins, alice, deployment):
    key = save_key(deployment=deployment, plain=KEY, owner=alice)
    forged = {"state": "good", "new_key": "sk-forged-0123456789", "owner": "", "host": "evil.example.org"}

    admins.post(f"{KEYS}{key.pk}/change/", forged)

    saved = UpstreamKey.objects.get()
    assert (saved.owner, saved.host, vault.open_key(saved)) == (alice, "app.eigenai.com", KEY)
    admins.post(f"{KEYS}{key.pk}/delete/", {"post": "yes"})
    assert not UpstreamKey.objects.exists()


def test_several_keys_are_removed_at_once(admins, alice, deployment):
    keys = [save_key(deployment=deployment, plain=KEY), save_key(deployment=deployment, plain=KEY, owner=alice)]
    chosen = {"action": "delete_selected", "_selected_action": [str(key.pk) for key in keys], "post": "yes"}
    admins.post(KEYS, chosen)
    assert not UpstreamKey.objects.exists()


def test_the_deployments_say_whether_they_have_a_key(admins, deployment, settings):
    settings.SIMULATOR_URL = "http://127.0.0.1:1"

    def said():
        return admins.get("/admin/providers/deployment/").content.decode()

    assert "None: simulated" in said()
    save_key(deployment=deployment, plain=KEY)
    assert "…wxyz" in said()
    UpstreamKey.objects.update(state="refused")
    assert "Refused by the provider" in said()
    Deployment.objects.update(base_url="https://elsewhere.example.org")
    assert "Saved for another address: save it again" in said()


def test_the_key_is_in_no_log_entry_either(admins, deployment):
    from django.contrib.admin.models import LogEntry

    admins.post(f"{KEYS}add/", {"deployment": str(deployment.pk), "new_key": KEY})

    entry = LogEntry.objects.get()
    assert entry.object_id == str(UpstreamKey.objects.get().pk)
    assert KEY not in f"{entry.change_message} {entry.object_repr}"
