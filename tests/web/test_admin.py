"""The admin: who may open it, what may be changed there, and what may not, forged requests included."""

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from billing.models import Account, Hold, Price, Transfer, UsageRecord
from billing.services import grant, wallet_of
from providers import vault
from providers.models import Deployment, Model, UpstreamKey
from providers.services import save_key
from tests.canary import CANARY
from tests.factories import make_user

KEY = CANARY
LEDGER = ["account", "transfer", "hold", "usagerecord"]


def permissions(*names):
    return Permission.objects.filter(codename__in=names)


@pytest.fixture
def admins(client, db):
    client.force_login(make_user("root@example.org", is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def viewers(client, db):
    """Staff who may look at everything and change nothing."""
    viewer = make_user("viewer@example.org", is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(viewer)
    return client


@pytest.fixture
def deployment(model):
    return Deployment.objects.get(model=model)


@pytest.fixture
def record(alice, deployment):
    """A paid answer: one row in every table of the ledger."""
    grant(user=alice, amount=10_500_000_000, reason="Welcome")
    hold = Hold.objects.create(wallet=wallet_of(alice), subject="generation:1", amount=0, state="settled")
    return UsageRecord.objects.create(
        hold=hold, user=alice, subject="generation:1", purpose="chat", model_name="<b>model</b>", outcome="done",
        deployment=deployment, price=Price.objects.get(), prompt_tokens=15, completion_tokens=16, charge=38_000,
        attempts=[{"result": "upstream_rejected", "excerpt": "<img src=x onerror=alert(1)>"}],
    )  # fmt: skip


def row_of(table):
    return {"account": Account.objects.filter(user__isnull=False), "transfer": Transfer.objects.all(),
            "hold": Hold.objects.all(), "usagerecord": UsageRecord.objects.all()}[table].first()  # fmt: skip


def form_of(response):
    """What the page's own form would post."""
    form = response.context["adminform"].form
    values = {name: form[name].value() for name in form.fields}
    return {name: value for name, value in values.items() if value is not None and value is not False}


# Who may come in


def test_a_member_is_kept_out_of_the_admin(client, alice, deployment):
    client.force_login(alice)
    for address in ("/admin/", "/admin/providers/upstreamkey/", "/admin/billing/account/grant/"):
        assert client.get(address, follow=True).status_code == 403


def test_an_admin_finds_the_tables_in_groups(admins):
    page = admins.get("/admin/").content.decode()
    assert '<a href="/admin/">Chatsite</a>' in page
    places = [page.index(f">{words}</a>") for words in ("People", "Models", "Provider keys", "Credits", "Usage")]
    assert places == sorted(places)


def test_staff_without_rights_see_no_tables(client, deployment):
    client.force_login(make_user("clerk@example.org", is_staff=True))
    assert "permission to view or edit anything" in client.get("/admin/").content.decode()
    assert client.get("/admin/billing/transfer/").status_code == 403


# The ledger


@pytest.mark.parametrize("table", LEDGER)
def test_an_admin_reads_the_ledger(admins, record, table):
    assert admins.get(f"/admin/billing/{table}/").status_code == 200
    assert admins.get(f"/admin/billing/{table}/{row_of(table).pk}/change/").status_code == 200


@pytest.mark.parametrize("table", LEDGER)
def test_nobody_adds_changes_or_deletes_a_row_of_the_ledger(admins, record, table):
    row = row_of(table)
    base = f"/admin/billing/{table}/"
    bulk = {"action": "delete_selected", "_selected_action": [str(row.pk)], "post": "yes"}

    assert admins.post(f"{base}add/", {"amount": "1"}).status_code == 403
    assert admins.post(f"{base}{row.pk}/change/", {"posted": "99", "amount": "99", "charge": "0"}).status_code == 403
    assert admins.post(f"{base}{row.pk}/delete/", {"post": "yes"}).status_code == 403
    admins.post(base, bulk)
    admins.post(base, {"form-TOTAL_FORMS": "1", "form-0-id": str(row.pk), "form-0-posted": "99", "_save": "Save"})

    again = type(row).objects.get(pk=row.pk)
    assert all(getattr(again, f.attname) == getattr(row, f.attname) for f in row._meta.concrete_fields)


def test_amounts_are_credits_and_exact(admins, record):
    page = admins.get("/admin/billing/account/?q=alice").content.decode()
    assert ">10.5<" in page
    assert ">0.000038<" in admins.get("/admin/billing/usagerecord/").content.decode()


def test_text_of_models_and_providers_is_shown_as_text(admins, record):
    shown = admins.get("/admin/billing/usagerecord/").content.decode()
    shown += admins.get(f"/admin/billing/usagerecord/{record.pk}/change/").content.decode()
    assert "<b>model</b>" not in shown
    assert "<img src=x" not in shown
    assert "&lt;img src=x" in shown


# Granting credits


def test_granting_asks_once_and_then_gives_the_credits_with_reason_and_actor(admins, alice):
    wish = {"user": "alice@example.org", "amount": "2.5", "reason": "New project", "key": "0" * 31 + "1"}

    asked = admins.post("/admin/billing/account/grant/", wish)
    assert "who then has\n        2.5 instead of 0" in asked.content.decode()
    assert not Transfer.objects.exists()

    done = admins.post("/admin/billing/account/grant/", wish | {"confirm": "yes"}, follow=True)
    assert "Granted 2.5 credits to alice@example.org." in done.content.decode()
    row = Transfer.objects.get()
    assert (row.kind, row.amount, row.reason, row.actor.email) == (
        "grant", 2_500_000_000, "New project", "root@example.org",
    )  # fmt: skip
    assert wallet_of(alice).available == 2_500_000_000
    history = admins.get(f"/admin/billing/account/{wallet_of(alice).pk}/history/").content.decode()
    assert "Granted 2.5 credits to alice@example.org: New project" in history


def test_a_grant_that_is_submitted_twice_gives_once(admins, alice):
    wish = {"user": "alice@example.org", "amount": "2.5", "reason": "x", "key": "0" * 31 + "1", "confirm": "yes"}
    admins.post("/admin/billing/account/grant/", wish)
    admins.post("/admin/billing/account/grant/", wish)
    assert wallet_of(alice).available == 2_500_000_000

    changed = admins.post("/admin/billing/account/grant/", wish | {"amount": "100"}, follow=True)
    assert "has granted already" in changed.content.decode()
    assert wallet_of(alice).available == 2_500_000_000


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("user", "nobody@example.org", "Nobody who can sign in has this e-mail address."),
        ("amount", "0", "Grant more than 0."),
        ("amount", "-5", "This is not negative."),
        ("amount", "ten", "is not a number of credits"),
        ("amount", "0.00000000001", "finer than a nanocredit"),
        ("amount", "9000001", "more than one account can hold"),
        ("reason", " ", "This field is required."),
    ],
)
def test_a_grant_that_cannot_be_is_explained(admins, alice, field, value, complaint):
    wish = {"user": "alice@example.org", "amount": "1", "reason": "x", "key": "0" * 31 + "1", "confirm": "yes"}
    response = admins.post("/admin/billing/account/grant/", wish | {field: value})
    assert response.status_code == 422
    assert complaint in response.content.decode()
    assert not Transfer.objects.exists()


def test_granting_needs_the_right_to_add_transfers(client, alice):
    clerk = make_user("clerk@example.org", is_staff=True)
    client.force_login(clerk)
    wish = {"user": "alice@example.org", "amount": "1", "reason": "x", "key": "0" * 31 + "1", "confirm": "yes"}

    assert client.post("/admin/billing/account/grant/", wish).status_code == 403
    clerk.user_permissions.set(permissions("add_transfer", "view_account"))
    assert client.post("/admin/billing/account/grant/", wish).status_code == 302
    assert wallet_of(alice).available == 1_000_000_000


def test_the_button_on_a_persons_page_fills_in_their_address(admins, alice):
    page = admins.get(f"/admin/accounts/user/{alice.pk}/change/").content.decode()
    assert "/admin/billing/account/grant/?user=alice%40example.org" in page
    form = admins.get("/admin/billing/account/grant/?user=alice%40example.org").content.decode()
    assert 'value="alice@example.org"' in form


# Prices


def test_no_price_is_edited_or_deleted(admins, deployment):
    price = Price.objects.get()
    assert admins.get(f"/admin/billing/price/{price.pk}/change/").status_code == 200
    assert admins.post(f"/admin/billing/price/{price.pk}/change/", {"input": "0"}).status_code == 403
    assert admins.post(f"/admin/billing/price/{price.pk}/delete/", {"post": "yes"}).status_code == 403
    assert Price.objects.get().input == 400_000_000


# Models and deployments


def test_an_admin_adds_a_model_and_where_it_is_served(admins):
    admins.post("/admin/providers/model/add/", {"name": "m", "title": "M", "dialect": "openai", "position": "1"})
    values = {
        "model": str(Model.objects.get().pk), "dialect": "openai", "base_url": "https://llm.example.org/v1/",
        "upstream_model": "m", "context_window": "1000", "max_output": "100", "position": "1", "enabled": "on",
        "needs_key": "on", "connect_timeout": "5", "first_token_timeout": "60", "silence_timeout": "60",
    }  # fmt: skip
    assert admins.post("/admin/providers/deployment/add/", values).status_code == 302

    row = Deployment.objects.get()
    assert (row.base_url, row.documented) == ("https://llm.example.org/v1", False)
    assert "None: not served" in admins.get("/admin/providers/deployment/").content.decode()


def test_an_address_that_does_not_fit_the_dialect_is_refused(admins, deployment):
    address = f"/admin/providers/deployment/{deployment.pk}/change/"
    values = form_of(admins.get(address)) | {"base_url": "https://app.eigenai.com/api/v1"}
    response = admins.post(address, values)
    assert "is scheme and host only" in response.content.decode()


def test_an_admin_switches_a_deployment_off_but_renames_and_deletes_none(admins, model, deployment):
    address = f"/admin/providers/deployment/{deployment.pk}/change/"
    values = form_of(admins.get(address)) | {"dialect": "openai", "documented": ""}
    values.pop("enabled")
    assert admins.post(address, values).status_code == 302
    address = f"/admin/providers/model/{model.pk}/change/"
    admins.post(address, form_of(admins.get(address)) | {"name": "else", "title": "Title"})

    deployment.refresh_from_db()
    model.refresh_from_db()
    assert (deployment.enabled, deployment.dialect, deployment.documented) == (False, "eigenai", True)
    assert (model.name, model.title) == ("deepseek-v31-terminus", "Title")
    assert admins.post(f"/admin/providers/deployment/{deployment.pk}/delete/", {"post": "yes"}).status_code == 403
    assert admins.post(f"/admin/providers/model/{model.pk}/delete/", {"post": "yes"}).status_code == 403


def test_a_viewer_looks_and_changes_nothing(viewers, deployment, record):
    save_key(deployment=deployment, plain=KEY)
    for table in ("model", "deployment", "upstreamkey"):
        row = {"model": Model, "deployment": Deployment, "upstreamkey": UpstreamKey}[table].objects.get()
        base = f"/admin/providers/{table}/"
        assert viewers.get(base).status_code == 200
        assert viewers.get(f"{base}{row.pk}/change/").status_code == 200
        assert viewers.post(f"{base}{row.pk}/change/", {"new_key": "sk-forged-0123456789"}).status_code == 403
        assert viewers.post(f"{base}add/", {}).status_code == 403
        assert viewers.post(f"{base}{row.pk}/delete/", {"post": "yes"}).status_code == 403
    assert vault.open_key(UpstreamKey.objects.get()) == KEY


def test_lists_cost_the_same_however_long_they_are(admins, alice, record, django_assert_max_num_queries):
    from tests.factories import make_model

    for number in range(8):
        model = make_model(name=f"model-{number}", base_url=f"https://host-{number}.example.org")
        save_key(deployment=model.deployments.get(), plain=f"sk-number-0123456-{number}", owner=alice)
        grant(user=make_user(f"member-{number}@example.org"), amount=1, reason="x")
    lists = [("providers", t) for t in ("model", "deployment", "upstreamkey")] + [("billing", t) for t in LEDGER]
    for room, table in [*lists, ("billing", "price")]:
        with django_assert_max_num_queries(9):
            admins.get(reverse(f"admin:{room}_{table}_changelist"))
