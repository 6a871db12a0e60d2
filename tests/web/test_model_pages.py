"""The models' pages: who sees which, and what they say of price, health, parameters and requests."""

import html
import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from accounts.models import Group
from billing.services import set_price
from panel.model_pages import parameter_rows
from providers import health
from providers.models import Deployment, Model, Observation, UpstreamKey
from providers.services import save_key
from tests.factories import make_model, make_user

NOW = datetime(2026, 3, 1, 12, 7, 30, tzinfo=UTC)
KEY = "sk-canary-5f1c9d2e8b-wxyz"


@pytest.fixture(autouse=True)
def _site(settings):
    settings.SIMULATOR_URL = "http://127.0.0.1:9"
    health.forget_cached()


@pytest.fixture
def page(client, alice):
    """Gives a page's text, without entities and without line ends."""
    client.force_login(alice)

    def get(address, status=200):
        response = client.get(address)
        assert response.status_code == status
        return re.sub(r"\s+", " ", html.unescape(response.content.decode()))

    return get


@pytest.fixture
def clock(monkeypatch):
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)


def saw(model, seconds_ago, **fields):
    at = NOW - timedelta(seconds=seconds_ago)
    values = {"ok": True, "latency_ms": 640} | fields
    return Observation.objects.create(deployment=model.deployments.first(), at=at, **values)


def text(shown):
    """What is read, without marks."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", shown))


def test_the_list_says_what_each_model_is_and_leads_to_it(page, clock):
    make_model("deepseek-v31-terminus", thinks=True)
    plain = make_model("segmind/deepseek-chat", dialect="segmind", base_url="https://s.example.org", thinks=False)
    saw(plain, 10)

    shown = page("/models/")

    first, second = shown.split('<li class="models__row">')[1:]
    assert "Not checked yet 128K context Input 0.40 / M tokens Output 2.00 / M tokens Thinking Simulated" in text(first)
    assert "Backend online 0.6 s to the first token 128K context" in text(second)
    assert "Thinking" not in second
    assert 'href="/models/segmind/deepseek-chat/"' in second
    assert 'href="/?model=segmind%2Fdeepseek-chat"' in second


def test_the_page_has_the_facts_of_its_model(page, model):
    set_price(deployment=Deployment.objects.get(), input=400_000_000, output=2_000_000_000, cached_input=50_000_000)
    Model.objects.update(description="Reasons step by step.", uses_tools=True, writes_json=True)

    shown = text(page("/models/deepseek-v31-terminus/"))

    assert "Deepseek-V31-Terminus deepseek-v31-terminus Reasons step by step. Thinking Tools JSON Simulated" in shown
    assert "Context window 128,000 tokens Most output 8,192 tokens" in shown
    assert "Input 0.40 Output 2.00 Cached input 0.05 Reasoning as output Prices are credits per million" in shown


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("free", "Price Free while simulated"),
        ("own key", "Price Your key: no charge here"),
        ("no price", "Price None yet, so it cannot be used"),
        ("no key", "Price –"),
    ],
)
def test_the_price_in_words_where_there_are_no_numbers(page, alice, settings, change, words):
    model = make_model(**({"input": None} if change == "no price" else {"input": 0, "output": 0}))
    if change in ("own key", "no price"):
        save_key(deployment=model.deployments.get(), plain=KEY, owner=alice if change == "own key" else None)
    if change == "no key":
        settings.SIMULATOR_URL = ""

    shown = text(page("/models/deepseek-v31-terminus/"))

    assert words in shown
    assert ("Chat with it" in shown) == (change in ("free", "own key"))


def test_a_model_that_is_served_nowhere_has_a_page_without_requests(page):
    Model.objects.create(name="to-come", title="To come", dialect="openai")

    shown = text(page("/models/to-come/"))

    assert "No key" in shown
    assert "No provider serves this model just now." in shown


def test_the_health_in_numbers_and_words(page, model, clock):
    saw(model, 30, latency_ms=1240)
    saw(model, 20, latency_ms=640)
    saw(model, 250, ok=False, latency_ms=None, problem="EigenAI did not answer within 60 s.")
    saw(model, 3000)

    shown = text(page("/models/deepseek-v31-terminus/"))

    assert "Health Backend degraded The simulated upstream answers for this model just now" in shown
    assert "First token, usually 0.6 s First token, 95 % within 1.2 s Failed, last 15 minutes 33 % of 3 calls" in shown
    assert "Last error, 4 minutes ago : EigenAI did not answer within 60 s." in shown
    assert "The last hour: 4 calls and probes, 1 failed" in shown
    assert "11:16 1 – 0.6 s 12:02 – 1 – 12:06 2 – 0.6 s" in shown


def test_the_bars_of_the_last_hour_share_one_scale(page, model, clock):
    for _ in range(2):
        saw(model, 1)
    saw(model, 100, ok=False, problem="No.")

    shown = page("/models/deepseek-v31-terminus/")

    assert 'viewBox="0 0 240 48"' in shown
    assert re.findall(r'<rect class="hour__(\w+)" x="(\d+)" y="([\d.]+)" width="6" height="([\d.]+)"/>', shown) == [
        ("failed", "225", "32.0", "16.0"),
        ("well", "233", "0.0", "32.0"),
    ]


def test_a_model_whose_first_place_is_offline_says_that_another_one_answers(page, model, clock):
    for seconds_ago in (1, 2, 3):
        saw(model, seconds_ago, ok=False, latency_ms=None, problem="No.")
    Deployment.objects.create(
        model=model,
        dialect="openai",
        base_url="https://b.example.org/v1",
        upstream_model="b",
        context_window=9,
        max_output=9,
        position=1,
        documented=True,
    )

    assert "Health Backend degraded Its first provider does not answer just now" in text(page(f"/models/{model.name}/"))


def test_parameters_with_their_type_default_range_and_description(page, model):
    shown = text(page("/models/deepseek-v31-terminus/")).replace(" . ", ".")

    for row in (
        "model required string – – Use deepseek-v31-terminus for the latest reasoning model",
        "max_tokens integer 4096 1 to 1,000,000 Maximum response tokens",
        "chat_template_kwargs. thinking boolean – – Set to true to request chain-of-thought output",
        "reasoning_effort string – low, medium, high Controls the amount of reasoning",
        "temperature number 0.7 0 to 2 Creativity",
        "top_p number – over 0, up to 1 Nucleus",
        "top_k integer – 1 or more, under 2³¹ Limits",
        "stream boolean false – Real-time",
    ):
        assert row in shown


def test_ranges_without_an_end_or_with_a_long_one():
    found = {row.parameter.name: row.allowed for row in parameter_rows("openai")}

    assert (found["seed"], found["stop"], found["presence_penalty"]) == (
        "−2⁶³ or more, under 2⁶³",
        "up to 16",
        "−2 to 2",
    )


@pytest.mark.parametrize(("name", "dialect", "outputs"), [("a", "eigenai", 2), ("b", "segmind", 1)])
def test_the_schemas_are_whole_json(client, alice, name, dialect, outputs):
    make_model(name, dialect=dialect)
    client.force_login(alice)

    shown = html.unescape(client.get(f"/models/{name}/").content.decode())

    schemas = [json.loads(each) for each in re.findall(r"<pre[^>]*><code>(\{\n.*?)</code></pre>", shown, re.DOTALL)]
    assert [schema["title"] for schema in schemas] == ["Request", "Answer", "Chunk"][: outputs + 1]
    assert "messages" in schemas[0]["required"]
    assert "choices" in schemas[1]["properties"]


def test_the_requests_to_copy_say_whose_key_they_use(page, model):
    shown = page("/models/deepseek-v31-terminus/")

    assert "straight to the provider with your own key from the environment variable PROVIDER_API_KEY" in text(shown)
    assert "curl https://app.eigenai.com/api/v1/generate " in shown
    assert "curl -N https://app.eigenai.com/api/v1/generate/stream " in shown
    assert "YOUR-HOST" not in shown


def test_an_address_in_a_private_network_is_not_shown_to_members(page):
    make_model("llama", dialect="openai", base_url="http://10.1.2.3:8080/hush/v1", documented=False)

    shown = page("/models/llama/")

    assert "curl https://YOUR-HOST/v1/chat/completions" in shown
    assert "write it in place of https://YOUR-HOST" in text(shown)
    assert "10.1.2.3" not in shown
    assert "hush" not in shown


def test_what_a_person_may_not_use_is_as_unknown_as_what_is_not_there(client, alice, bob):
    hidden = make_model("hidden/model")
    Model.objects.filter(pk=make_model("off").pk).update(enabled=False)
    group = Group.objects.create(name="Testers")
    hidden.groups.add(group, Group.objects.create(name="Others"))
    group.members.add(bob)
    client.force_login(alice)
    answers = [client.get(f"/models/{name}/") for name in ("nowhere", "hidden/model", "off", "%00")]

    assert [answer.status_code for answer in answers] == [404, 404, 404, 404]
    assert len({re.sub(rb'nonce="[^"]*"|csrf[^}]*', b"", answer.content) for answer in answers}) == 1
    assert b"hidden/model" not in client.get("/models/").content
    client.force_login(bob)
    assert client.get("/models/hidden/model/").status_code == 200
    assert client.get("/models/").content.count(b'class="models__row"') == 1


def test_without_a_session_the_pages_lead_to_signing_in(client, model):
    assert client.get("/models/").url == "/accounts/login/?next=/models/"
    assert client.get(f"/models/{model.name}/").url == "/accounts/login/?next=/models/deepseek-v31-terminus/"


def test_admins_see_every_deployment_with_its_keys(client, alice, model, clock):
    first = model.deployments.get()
    resting = {"rest": "asked", "resting_until": NOW + timedelta(seconds=9)}
    for number, fields in enumerate([{}, resting, {"state": "refused"}, {"state": "broke", **resting}]):
        key = save_key(deployment=first, plain=f"{KEY}-{number}")
        UpstreamKey.objects.filter(pk=key.pk).update(**fields)
    save_key(deployment=first, plain=KEY, owner=alice)
    Deployment.objects.create(
        model=model,
        dialect="openai",
        base_url="http://10.0.0.5:80/v1",
        upstream_model="b",
        context_window=9,
        max_output=9,
        position=1,
        enabled=False,
    )
    client.force_login(make_user("admin@example.org", is_staff=True, is_superuser=True))

    shown = text(html.unescape(client.get(f"/models/{model.name}/").content.decode()))

    assert "EigenAI app.eigenai.com, deepseek-v31-terminus Not checked yet On 1 1 2" in shown
    assert "OpenAI-compatible http://10.0.0.5:80, b Not checked yet Off – – –" in shown
    client.force_login(alice)
    assert b"Only admins see this" not in client.get(f"/models/{model.name}/").content


def test_the_pages_ask_the_database_so_often_however_many_models_there_are(
    client, alice, django_assert_max_num_queries
):
    for number in range(8):
        saw(make_model(f"model-{number}"), 10)
    client.force_login(alice)

    with django_assert_max_num_queries(7):
        assert client.get("/models/").status_code == 200
    health.forget_cached()
    with django_assert_max_num_queries(12):
        assert client.get("/models/model-3/").status_code == 200
    client.force_login(make_user("admin@example.org", is_staff=True, is_superuser=True))
    with django_assert_max_num_queries(14):
        assert client.get("/models/model-3/").status_code == 200
