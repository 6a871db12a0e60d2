"""What a catalogue does to the database, once and again."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.models import Group
from billing.models import Price
from billing.services import current_price
from panel.catalog import SHIPPED, load_shipped_catalogue
from panel.catalog_file import CatalogError, read
from providers import vault
from providers.endpoints import endpoints_for, target_of
from providers.models import Deployment, Model, UpstreamKey
from tests.canary import CANARY

pytestmark = pytest.mark.django_db
KEY = CANARY
OWN = """
[[deployments]]
model = "house-model"
dialect = "openai"
base_url = "https://llm.example.org/v1/"
upstream_model = "served-name"
key_env = "HOUSE_KEY"
context_window = 32000
max_output = 4000
input_price = 0.1
output_price = "0.25"
enabled = true
"""
AWAY = """
[[deployments]]
model = "deepseek-reasoner"
dialect = "thinking"
base_url = "https://thinking.example.org"
key_env = "HOUSE_KEY"
context_window = 64000
max_output = 8192
input_price = 0
output_price = 0
"""


@pytest.fixture(autouse=True)
def environment(monkeypatch, settings):
    settings.SIMULATOR_URL = "http://127.0.0.1:1"
    for name in ("EIGENAI_API_KEY", "DEEPINFRA_API_KEY", "SEGMIND_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOUSE_KEY", KEY)


@pytest.fixture
def apply(tmp_path):
    def run(text, *options):
        file, out = tmp_path / "own.toml", StringIO()
        file.write_text(text, encoding="utf-8")
        call_command("apply", str(file), *options, stdout=out)
        return out.getvalue().splitlines()

    return run


def counted():
    return [table.objects.count() for table in (Model, Deployment, Price, UpstreamKey)]


def test_the_shipped_catalogue_has_the_six_documented_models():
    load_shipped_catalogue()

    found = {
        row.model.name: (row.dialect, row.base_url, row.upstream_model, row.context_window, row.model.thinks)
        for row in Deployment.objects.select_related("model")
    }
    assert found == {
        "deepseek-v31-terminus": ("eigenai", "https://app.eigenai.com", "deepseek-v31-terminus", 128000, True),
        "deepseek-ai/DeepSeek-V3": ("deepinfra", "https://api.deepinfra.com", "deepseek-ai/DeepSeek-V3", 16000, False),
        "deepseek-chat": ("thinking", "https://api.example.com", "deepseek-chat", 128000, True),
        "deepseek-reasoner": ("thinking", "https://api.example.com", "deepseek-reasoner", 128000, True),
        "deepseek-coder": ("thinking", "https://api.example.com", "deepseek-coder", 128000, True),
        "segmind/deepseek-chat": ("segmind", "https://api.segmind.com", "deepseek-chat", 128000, False),
    }
    assert all(Deployment.objects.values_list("documented", flat=True))


def test_documented_prices_are_documented_and_the_rest_is_free_for_the_simulated_upstream():
    load_shipped_catalogue()

    found = {p.deployment.model.name: (p.input, p.output, p.source) for p in Price.objects.all()}
    assert found == {
        "deepseek-v31-terminus": (400_000_000, 2_000_000_000, "documented"),
        "deepseek-ai/DeepSeek-V3": (850_000_000, 900_000_000, "documented"),
        "deepseek-chat": (0, 0, "demo"),
        "deepseek-reasoner": (0, 0, "demo"),
        "deepseek-coder": (0, 0, "demo"),
        "segmind/deepseek-chat": (0, 0, "demo"),
    }


def test_a_second_start_changes_nothing_and_asks_little(django_assert_max_num_queries):
    load_shipped_catalogue()
    before = counted()

    with django_assert_max_num_queries(10):
        lines = load_shipped_catalogue()

    assert counted() == before == [6, 6, 6, 0]
    assert [str(line) for line in lines[:2]] == [
        "deployment deepseek-v31-terminus at https://app.eigenai.com: unchanged",
        "key        deepseek-v31-terminus: EIGENAI_API_KEY is not set: stays simulated",
    ]


def test_what_an_admin_changed_survives_the_next_start():
    load_shipped_catalogue()
    Deployment.objects.filter(model__name="deepseek-chat").update(
        enabled=False, position=7, base_url="https://ours.example.org"
    )
    Model.objects.filter(name="deepseek-chat").update(title="Our chat", enabled=False)

    load_shipped_catalogue()

    row = Deployment.objects.select_related("model").get(model__name="deepseek-chat")
    assert (row.enabled, row.position, row.base_url) == (False, 7, "https://ours.example.org")
    assert (row.model.title, row.model.enabled) == ("Our chat", False)


def test_a_key_in_the_environment_is_stored_once_and_never_over_a_saved_one(monkeypatch):
    load_shipped_catalogue()
    monkeypatch.setenv("DEEPINFRA_API_KEY", KEY)
    first = load_shipped_catalogue()
    monkeypatch.setenv("DEEPINFRA_API_KEY", "sk-another-9876543210")
    load_shipped_catalogue()

    saved = UpstreamKey.objects.select_related("deployment__model").get()
    assert "key        deepseek-ai/DeepSeek-V3: stored (…wxyz from DEEPINFRA_API_KEY)" in map(str, first)
    assert (saved.deployment.model.name, vault.open_key(saved)) == ("deepseek-ai/DeepSeek-V3", KEY)


def test_a_file_declares_a_deployment_its_price_and_its_key(apply):
    lines = apply(OWN)

    row = Deployment.objects.select_related("model").get()
    assert (row.model.name, row.model.title, row.documented) == ("house-model", "house-model", False)
    assert (row.base_url, row.upstream_model) == ("https://llm.example.org/v1", "served-name")
    price = current_price(row)
    assert (price.input, price.output, price.source) == (100_000_000, 250_000_000, "admin")
    assert vault.open_key(row.keys.get()) == KEY
    assert lines == [
        "deployment house-model at https://llm.example.org/v1: created",
        "price      house-model: created (0.1 in, 0.25 out per million)",
        "key        house-model: stored (…wxyz from HOUSE_KEY)",
        "3 lines, applied.",
    ]


def test_applying_a_file_twice_changes_nothing(apply):
    apply(OWN)
    before = counted()

    lines = apply(OWN)

    assert counted() == before == [1, 1, 1, 1]
    assert lines == [
        "deployment house-model at https://llm.example.org/v1: unchanged",
        "price      house-model: unchanged (0.1 in, 0.25 out per million)",
        "key        house-model: unchanged (HOUSE_KEY)",
        "3 lines, applied.",
    ]


def test_a_dry_run_tells_the_plan_and_writes_nothing(apply):
    lines = apply(OWN, "--dry-run")

    assert lines[0] == "deployment house-model at https://llm.example.org/v1: created"
    assert lines[-1] == "Nothing was changed: this was a dry run."
    assert counted() == [0, 0, 0, 0]


def test_a_changed_price_is_one_new_version(apply):
    apply(OWN)

    lines = apply(OWN.replace('"0.25"', "0.3"))

    versions = Price.objects.order_by("effective_from").values_list("output", flat=True)
    assert list(versions) == [250_000_000, 300_000_000]
    assert "price      house-model: changed (0.1 in, 0.3 out per million)" in lines


def test_a_file_changes_what_it_names_and_leaves_the_rest(apply):
    apply(OWN)
    Deployment.objects.update(position=4)

    lines = apply(OWN.replace("32000", "64000").replace("enabled = true", 'enabled = false\ntitle = "House"'))

    row = Deployment.objects.select_related("model").get()
    assert (row.context_window, row.enabled, row.position, row.model.title) == (64000, False, 4, "House")
    assert "context_window 32000 → 64000, enabled True → False, title house-model → House" in lines[0]


def test_another_key_in_a_file_replaces_the_saved_one(apply, monkeypatch):
    apply(OWN)
    monkeypatch.setenv("HOUSE_KEY", "sk-second-9876543210-abcd")

    lines = apply(OWN)

    assert vault.open_key(UpstreamKey.objects.get()) == "sk-second-9876543210-abcd"
    assert "key        house-model: stored (…abcd from HOUSE_KEY, instead of …wxyz)" in lines


def test_a_members_own_key_is_left_alone(apply, alice, monkeypatch):
    from providers.services import save_key

    apply(OWN)
    own = save_key(deployment=Deployment.objects.get(), plain="sk-alice-0123456789", owner=alice)
    monkeypatch.setenv("HOUSE_KEY", "sk-second-9876543210-abcd")

    apply(OWN)

    assert vault.open_key(UpstreamKey.objects.get(pk=own.pk)) == "sk-alice-0123456789"


def test_a_waiting_shipped_model_takes_over_the_address_key_and_price(apply):
    load_shipped_catalogue()

    apply(AWAY)
    apply(AWAY)

    row = Deployment.objects.get(model__name="deepseek-reasoner")
    assert row.base_url == "https://thinking.example.org"
    assert vault.open_key(row.keys.get()) == KEY
    # A demo price of 0 serves no real key; the same 0 from a file does.
    assert list(row.prices.order_by("effective_from").values_list("source", flat=True)) == ["demo", "admin"]


def test_a_second_address_for_a_model_in_one_file_is_a_second_deployment(apply):
    load_shipped_catalogue()

    keyless = AWAY.replace('key_env = "HOUSE_KEY"\n', "")
    apply(keyless + keyless.replace("thinking.example.org", "backup.example.org"))

    found = Deployment.objects.filter(model__name="deepseek-reasoner").values_list("base_url", flat=True)
    assert set(found) == {"https://thinking.example.org", "https://backup.example.org"}


def test_a_shipped_model_that_has_a_key_keeps_its_address(apply):
    load_shipped_catalogue()
    apply(AWAY)

    apply(AWAY.replace("thinking.example.org", "backup.example.org"))

    found = Deployment.objects.filter(model__name="deepseek-reasoner").values_list("base_url", flat=True)
    assert set(found) == {"https://thinking.example.org", "https://backup.example.org"}


def test_a_key_that_is_not_set_is_refused_by_name_and_nothing_is_kept(apply, monkeypatch):
    monkeypatch.delenv("HOUSE_KEY")

    with pytest.raises(CommandError, match="house-model: the environment variable HOUSE_KEY is not set"):
        apply(OWN)
    assert counted() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("input_price = 0.1", "inptu_price = 0.1", "unknown field “inptu_price”, did you mean “input_price”?"),
        ("input_price = 0.1", "input_price = -1", "input_price: a price is not negative"),
        ("input_price = 0.1", "input_price = true", "input_price: a price is a number of credits"),
        ("input_price = 0.1", "", "input_price and output_price are missing"),
        ("max_output = 4000", "max_output = 40000", "max_output is larger than context_window"),
        ("max_output = 4000", 'max_output = "4000"', "max_output: Input should be a valid integer"),
        ('"openai"', '"anthropic"', "dialect: Input should be"),
        ("https://llm.example.org/v1/", "ftp://llm.example.org", "base_url: The address must begin with https://"),
        ("https://llm.example.org/v1/", "https://me:secret@llm.example.org", "base_url: The address holds a user name"),
        ("https://llm.example.org/v1/", "http://169.254.169.254/v1", "base_url: This address is inside a private"),
        ('"openai"', '"eigenai"', "base_url: The address is scheme and host only"),
        ('dialect = "openai"\nbase_url = "https://llm.example.org/v1/"',
         'dialect = "segmind"\nbase_url = "https://llm.example.org"\nabilities = ["tools"]',
         "abilities: the segmind dialect cannot carry “tools”"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_refused_by_name(apply, old, new, complaint):
    assert old in OWN
    with pytest.raises(CommandError) as refused:
        apply(OWN.replace(old, new))
    assert complaint in str(refused.value)
    assert "house-model" in str(refused.value)


def test_prices_are_read_exactly_as_they_are_written(apply):
    apply(OWN.replace("input_price = 0.1", "input_price = 0.000000001"))
    assert Price.objects.get().input == 1


def test_a_file_that_is_no_catalogue_is_refused(apply):
    with pytest.raises(CommandError, match="unknown field “deployment”"):
        apply(OWN.replace("[[deployments]]", "[[deployment]]"))
    with pytest.raises(CommandError, match="is not TOML"):
        apply("[[")
    with pytest.raises(CommandError, match=r"house-model at https://llm.example.org/v1 is listed twice"):
        apply(OWN + OWN)


def test_the_shipped_file_can_be_applied_by_name_and_keeps_its_rules():
    out = StringIO()
    call_command("apply", str(SHIPPED), stdout=out)
    assert "18 lines, applied." in out.getvalue()
    assert Price.objects.filter(source="admin").count() == 0


def test_reading_says_which_file_is_missing(tmp_path):
    with pytest.raises(CatalogError, match="cannot be read: No such file"):
        read(tmp_path / "none.toml")


def test_a_file_opens_a_model_to_groups_and_to_everybody_again(apply, alice, bob):
    lines = apply(OWN + 'abilities = ["tools", "json"]\ngroups = ["Research", "Legal"]\n')
    house = Model.objects.get(name="house-model")
    assert house.abilities == ["tools", "json"]
    assert sorted(group.name for group in house.groups.all()) == ["Legal", "Research"]
    house.groups.get(name="Legal").members.add(alice)
    assert list(Model.objects.usable_by(alice)) == [house]
    assert list(Model.objects.usable_by(bob)) == []

    lines = apply(OWN + "groups = []\n")
    assert "deployment house-model at https://llm.example.org/v1: changed (groups Legal, Research → everybody)" in lines
    assert list(Model.objects.usable_by(bob)) == [house]
    assert apply(OWN + "groups = []\n")[0].endswith(": unchanged")


def test_a_model_of_two_groups_is_listed_once_for_whoever_is_in_both(apply, alice):
    apply(OWN + 'groups = ["Research", "Legal"]\n')
    for group in Group.objects.all():
        group.members.add(alice)
    assert Model.objects.usable_by(alice).count() == 1


def test_a_server_without_a_key_is_declared_as_such(apply, alice):
    lines = apply(OWN.replace('key_env = "HOUSE_KEY"', "needs_key = false"))
    assert "key        house-model: none needed" in lines
    (endpoint,) = endpoints_for(Model.objects.get(), alice)
    assert not endpoint.simulated
    assert (target_of(endpoint).base_url, target_of(endpoint).key) == ("https://llm.example.org/v1", "")
