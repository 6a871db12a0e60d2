"""Changes to upstream keys (SK-1, SK-2)."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.core import serializers
from django.db import connection

from accounts.models import User
from providers.errors import InvalidRequest
from providers.models import Deployment, Model, UpstreamKey
from providers.patience import mark_key
from providers.services import remove_key, save_key
from providers.vault import open_key
from tests.canary import CANARY

OTHER = "sk-other-9876543210-FEDCBA"


def saved(key):
    return UpstreamKey.objects.select_related("deployment").get(pk=key.pk)


def test_a_saved_key_opens_and_shows_its_end_only(deployment, alice):
    key = saved(save_key(deployment=deployment, plain=f"  {CANARY}\n", owner=alice))

    assert open_key(key) == CANARY
    assert (key.owner, key.host, key.last_four, key.state) == (alice, "api.deepinfra.com", "wxyz", "good")
    assert len(key.fingerprint) == 12


def test_no_column_holds_the_key(deployment):
    key = save_key(deployment=deployment, plain=CANARY)
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM providers_upstreamkey")
        columns = [
            bytes(value) if isinstance(value, (bytes, memoryview)) else str(value) for value in cursor.fetchone()
        ]

    assert CANARY[:20] not in repr(columns)
    assert CANARY[:20] not in serializers.serialize("json", [saved(key)])
    assert CANARY[:20] not in f"{key!r} {key}"


def test_a_short_key_shows_nothing(deployment):
    assert save_key(deployment=deployment, plain="elevenchars").last_four == ""
    assert save_key(deployment=deployment, plain="twelve-chars").last_four == "hars"


def test_a_members_new_key_takes_the_old_ones_place(deployment, alice):
    first = save_key(deployment=deployment, plain=CANARY, owner=alice)
    mark_key(key=first, state=UpstreamKey.State.REFUSED)

    second = save_key(deployment=deployment, plain=OTHER, owner=alice)

    assert second.pk == first.pk
    assert UpstreamKey.objects.count() == 1
    assert open_key(saved(second)) == OTHER
    assert saved(second).state == "good"


def test_members_and_the_team_keep_their_own(deployment, alice, bob):
    keys = [save_key(deployment=deployment, plain=CANARY, owner=owner) for owner in (alice, bob, None)]

    assert len({key.pk for key in keys}) == 3
    assert [open_key(saved(key)) for key in keys] == [CANARY] * 3


def test_the_team_may_have_several_keys_but_each_once(deployment):
    first = save_key(deployment=deployment, plain=CANARY)
    mark_key(key=first, state=UpstreamKey.State.BROKE)
    save_key(deployment=deployment, plain=OTHER)

    again = save_key(deployment=deployment, plain=CANARY)

    assert again.pk == first.pk
    assert saved(again).state == "good"
    assert UpstreamKey.objects.count() == 2


def test_a_key_saved_again_follows_its_deployment_to_another_host(deployment, alice):
    save_key(deployment=deployment, plain=CANARY, owner=alice)
    deployment.base_url = "https://eu.deepinfra.com"
    deployment.save(update_fields=["base_url"])

    key = save_key(deployment=deployment, plain=CANARY, owner=alice)

    assert saved(key).host == "eu.deepinfra.com"
    assert open_key(saved(key)) == CANARY


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        ("", "empty"),
        (" \t\n", "empty"),
        ("sk-two words", "space"),
        ("sk-line\nX-Admin: 1", "space"),
        ("sk-\x00", "character that no key has"),
        ("sk-ключ", "character that no key has"),
        ("…CDEF", "character that no key has"),
        ("••••••••CDEF", "character that no key has"),
        ("sk-********CDEF", "middle hidden"),
        ("k" * 501, "longer than 500 characters"),
    ],
)
def test_what_cannot_be_a_key_is_refused_and_changes_nothing(deployment, alice, plain, message):
    key = save_key(deployment=deployment, plain=CANARY, owner=alice)

    with pytest.raises(InvalidRequest, match=message) as refusal:
        save_key(deployment=deployment, plain=plain, owner=alice)

    assert refusal.value.param == "key"
    assert not plain.strip() or plain not in refusal.value.message
    assert open_key(saved(key)) == CANARY


def test_the_longest_key_is_taken(deployment):
    assert open_key(saved(save_key(deployment=deployment, plain="k" * 500))) == "k" * 500


def test_a_fingerprint_needs_the_secret_of_this_site(deployment, settings):
    before = save_key(deployment=deployment, plain=CANARY).fingerprint
    settings.SECRET_KEY = "another-secret-of-another-site-0000000000000000000"

    assert save_key(deployment=deployment, plain=CANARY).fingerprint != before


def test_a_removed_key_is_gone(deployment):
    key = save_key(deployment=deployment, plain=CANARY)

    assert (remove_key(key=key), remove_key(key=key)) == (True, False)
    assert UpstreamKey.objects.count() == 0


def test_a_verdict_on_an_old_key_does_not_fall_on_its_successor(deployment, alice):
    old = saved(save_key(deployment=deployment, plain=CANARY, owner=alice))
    new = save_key(deployment=deployment, plain=OTHER, owner=alice)

    assert mark_key(key=old, state=UpstreamKey.State.REFUSED) is False
    assert saved(new).state == "good"
    assert mark_key(key=new, state=UpstreamKey.State.REFUSED) is True
    assert saved(new).state == "refused"


@pytest.mark.django_db(transaction=True)
def test_eight_tabs_saving_at_once_leave_one_key():
    alice = User.objects.create_user("alice@example.org")
    model = Model.objects.create(name="m", title="M", dialect="openai")
    deployment = Deployment.objects.create(
        model=model, dialect="openai", base_url="https://a.example", upstream_model="m", context_window=9, max_output=9
    )

    ready = Barrier(8)

    def save(number):
        try:
            connection.ensure_connection()
            ready.wait(5)
            return save_key(deployment=deployment, plain=f"sk-number-{number:04}", owner=alice).pk
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(save, range(8)))

    assert len(ids) == UpstreamKey.objects.count() == 1
