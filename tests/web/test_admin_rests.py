"""In the admin: how keys and deployments stand, what ends a pause, and the order in which deployments are tried."""

from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from accounts.models import Group
from billing.models import Hold, UsageRecord
from billing.services import wallet_of
from providers.health import observe_probe
from providers.models import Deployment, Model, UpstreamKey
from providers.services import save_key
from tests.factories import make_model, make_user
from tests.web.test_admin import form_of

KEYS, DEPLOYMENTS = "/admin/providers/upstreamkey/", "/admin/providers/deployment/"
PLAIN = "sk-team-0123456789-team"


@pytest.fixture
def admins(client, db):
    client.force_login(make_user("root@example.org", is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def viewers(db):
    viewer = make_user("viewer@example.org", is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client = Client()
    client.force_login(viewer)
    return client


@pytest.fixture
def key(model):
    return save_key(deployment=model.deployments.get(), plain=PLAIN)


@pytest.fixture
def three(model):
    """A model's three deployments, all at the same position, in the order in which they are tried."""
    for name in ("second", "third"):
        Deployment.objects.create(
            model=model, dialect="openai", base_url=f"https://{name}.example.org/v1", upstream_model=name,
            context_window=1000, max_output=100,
        )  # fmt: skip
    return list(Deployment.objects.order_by("pk"))


def shown(client, address):
    return client.get(address).content.decode()


def ill(rows, seconds=90, **fields):
    until = timezone.now() + timedelta(seconds=seconds)
    rows.update(resting_until=until, **{"rest": "asked", "failures": 2, "last_problem": "Too many."} | fields)
    return f"{until:%H:%M:%S} UTC"


def order_of(model):
    return list(model.deployments.order_by("position").values_list("upstream_model", "position"))


# Keys


def test_a_keys_list_and_page_say_how_it_stands(admins, key):
    end = ill(UpstreamKey.objects)
    UpstreamKey.objects.update(credits=Decimal("12.500000"))

    for page in (shown(admins, KEYS), shown(admins, f"{KEYS}{key.pk}/change/")):
        assert f"The provider asked for a pause: left alone until {end} (90 s more)" in page
        assert ">12.5<" in page
    assert "Too many." in page
    assert ">2<" in page


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "In use"),
        ({"state": "refused"}, "Refused by the provider"),
        ({"state": "broke"}, "Out of credit at the provider: asked again by the next request"),
    ],
)
def test_a_state_is_words(admins, key, fields, words):
    UpstreamKey.objects.update(**fields)
    assert f'<td class="field-standing">{words}</td>' in shown(admins, KEYS)
    assert '<td class="field-credits_left">not told</td>' in shown(admins, KEYS)


def test_a_key_without_credit_says_when_it_is_asked_again(admins, key):
    end = ill(UpstreamKey.objects, seconds=3600, state="broke", rest="failed")
    assert f"Out of credit at the provider: asked again after {end} (60 min more)" in shown(admins, KEYS)


def test_what_failed_just_now_is_tried_last(admins, key):
    end = ill(UpstreamKey.objects, rest="failed", seconds=20)
    assert f"It failed just now: tried last until {end} (20 s more)" in shown(admins, KEYS)


def test_a_button_puts_a_key_back_in_use_and_is_in_its_history(admins, key):
    ill(UpstreamKey.objects, state="refused")
    assert f'action="{KEYS}{key.pk}/lift/"' in shown(admins, f"{KEYS}{key.pk}/change/")

    page = admins.post(f"{KEYS}{key.pk}/lift/", follow=True).content.decode()

    key.refresh_from_db()
    assert (key.state, key.rest, key.resting_until, key.failures, key.last_problem) == ("good", "", None, 0, "")
    assert "is in use again." in page
    assert "/lift/" not in page
    assert LogEntry.objects.get().change_message == "Put back in use."


def test_an_action_puts_several_keys_back_in_use(admins, key, alice):
    other = save_key(deployment=key.deployment, plain="sk-other-0123456789", owner=alice)
    ill(UpstreamKey.objects)
    chosen = {"action": "put_back", "_selected_action": [str(key.pk), str(other.pk)]}

    assert "2 put back in use." in admins.post(KEYS, chosen, follow=True).content.decode()
    assert UpstreamKey.objects.filter(rest="", resting_until=None).count() == 2
    assert "All of these were in use already." in admins.post(KEYS, chosen, follow=True).content.decode()


def test_a_viewer_presses_no_button(viewers, key, three):
    ill(UpstreamKey.objects)
    for page in (shown(viewers, f"{KEYS}{key.pk}/change/"), shown(viewers, KEYS), shown(viewers, DEPLOYMENTS)):
        for act in ("/lift/", "/test/", "/up/", "/down/", 'value="put_back"', 'value="test_selected"'):
            assert act not in page
    for address in (f"{KEYS}{key.pk}/lift/", f"{KEYS}{key.pk}/test/", f"{DEPLOYMENTS}{three[1].pk}/up/"):
        assert viewers.post(address).status_code == 403
    assert UpstreamKey.objects.get().rest == "asked"


def test_buttons_post_with_a_token_and_only_to_what_is_there(admins, key, three):
    places = [f"{KEYS}{key.pk}/lift/", f"{KEYS}{key.pk}/test/", f"{DEPLOYMENTS}{three[1].pk}/up/"]
    forged = Client(enforce_csrf_checks=True)
    forged.cookies = admins.cookies
    for address in places:
        assert admins.get(address).status_code == 405
        assert forged.post(address).status_code == 403
        assert admins.post(address.replace(address.split("/")[4], str(UUID(int=0)))).status_code == 404


# Deployments


def test_a_deployment_without_a_key_rests_by_itself_and_can_be_put_back(admins, model):
    deployment = model.deployments.get()
    end = ill(Deployment.objects, needs_key=False)
    assert f"The provider asked for a pause: left alone until {end}" in shown(admins, DEPLOYMENTS)
    assert end in shown(admins, f"{DEPLOYMENTS}{deployment.pk}/change/")

    admins.post(f"{DEPLOYMENTS}{deployment.pk}/lift/")

    deployment.refresh_from_db()
    assert (deployment.rest, deployment.resting_until, deployment.failures) == ("", None, 0)


def test_the_list_tells_the_health_in_words(admins, three):
    observe_probe(three[0], latency_ms=20)
    for _ in range(3):
        observe_probe(three[1], problem="There was no <sign> of life.")

    page = shown(admins, DEPLOYMENTS)
    for words in ("Backend online", "Backend offline", "Not checked yet"):
        assert page.count(f">{words}<") == 1
    page = shown(admins, f"{DEPLOYMENTS}{three[1].pk}/change/")
    assert "There was no &lt;sign&gt; of life." in page


def test_moving_changes_places_and_makes_positions_distinct(admins, model, three):
    page = admins.post(f"{DEPLOYMENTS}{three[2].pk}/up/?enabled__exact=1", follow=True)

    assert page.redirect_chain == [(f"{DEPLOYMENTS}?enabled__exact=1#tried-{three[2].pk}", 302)]
    assert "is tried as number 2 of 3 now." in page.content.decode()
    first = three[0].upstream_model
    assert order_of(model) == [(first, 0), ("third", 1), ("second", 2)]
    admins.post(f"{DEPLOYMENTS}{three[0].pk}/down/")
    assert order_of(model) == [("third", 0), (first, 1), ("second", 2)]


def test_at_the_ends_nothing_moves_and_the_buttons_are_off(admins, model, three):
    before = [name for name, _ in order_of(model)]
    admins.post(f"{DEPLOYMENTS}{three[0].pk}/up/")
    admins.post(f"{DEPLOYMENTS}{three[2].pk}/down/")

    assert order_of(model) == [(before[0], 0), (before[1], 1), (before[2], 2)]
    page = shown(admins, DEPLOYMENTS)
    assert page.count(' title="Earlier" disabled>') == page.count(' title="Later" disabled>') == 1
    assert page.count(' title="Earlier">') == page.count(' title="Later">') == 2


def test_only_deployments_of_the_same_model_change_places(admins, model, three):
    alone = make_model("other", base_url="https://other.example.org").deployments.get()
    Deployment.objects.filter(pk=alone.pk).update(position=7)

    admins.post(f"{DEPLOYMENTS}{three[1].pk}/up/")

    alone.refresh_from_db()
    assert alone.position == 7
    assert f"{alone.pk}/up/" not in shown(admins, DEPLOYMENTS)
    assert "1 of 1" in shown(admins, DEPLOYMENTS)


def test_a_deployment_may_need_no_key_and_drop_what_it_lacks(admins, model):
    address = f"{DEPLOYMENTS}{model.deployments.get().pk}/change/"
    values = form_of(admins.get(address)) | {"drops_unsupported": "on"}
    values.pop("needs_key")

    assert admins.post(address, values).status_code == 302

    deployment = Deployment.objects.get()
    assert (deployment.needs_key, deployment.drops_unsupported) == (False, True)
    assert "None needed" in shown(admins, DEPLOYMENTS)


def test_a_model_says_what_it_can_and_who_may_use_it(admins, model):
    group = Group.objects.create(name="Research")
    address = f"/admin/providers/model/{model.pk}/change/"
    abilities = {"uses_tools": "on", "writes_json": "on", "dearer_fallback": "on", "groups": [str(group.pk)]}

    assert admins.post(address, form_of(admins.get(address)) | abilities).status_code == 302

    row = Model.objects.get()
    assert (row.uses_tools, row.writes_json, row.dearer_fallback, list(row.groups.all())) == (True, True, True, [group])
    page = shown(admins, "/admin/providers/model/")
    assert "thinking, tools, json" in page
    assert ">Research<" in page


# What was tried


def test_a_usage_record_shows_what_was_tried_as_a_table(admins, alice, model):
    deployment = model.deployments.get()
    tried = [
        {"deployment": str(deployment.pk), "key": "…team", "own_key": False, "result": "upstream_rejected",
         "status": 401, "problem": "Not <accepted>.", "excerpt": "<b>bad</b>", "first_token_ms": None,
         "duration_ms": 120, "dropped": ["top_k", "seed"]},
        {"deployment": str(deployment.pk), "key": "…mine", "own_key": True, "result": "ok", "status": None,
         "problem": "", "excerpt": "", "first_token_ms": 640, "duration_ms": 900, "dropped": []},
    ]  # fmt: skip
    hold = Hold.objects.create(wallet=wallet_of(alice), subject="generation:1", amount=0, state="settled")
    record = UsageRecord.objects.create(
        hold=hold, user=alice, subject="generation:1", purpose="chat", model_name="m", outcome="done", attempts=tried
    )

    page = shown(admins, f"/admin/billing/usagerecord/{record.pk}/change/")

    for words in ("refused", "answered", "401", "…team", "…mine (own)", "120 ms", "640 ms", "top_k, seed"):
        assert words in page, words
    for words in ("Not &lt;accepted&gt;.", "&lt;b&gt;bad&lt;/b&gt;", f"{DEPLOYMENTS}{deployment.pk}/change/"):
        assert words in page, words
    assert "<b>bad" not in page
