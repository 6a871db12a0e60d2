"""What the chat says of models before and after they answer: their health, and the tries that failed."""

import re

import pytest
from django.utils import timezone

from conversations import selectors
from providers import health
from providers.models import Observation
from tests.factories import make_model
from tests.web.chats import add_turn, make_chat


@pytest.fixture(autouse=True)
def simulator(settings):
    settings.SIMULATOR_URL = "http://127.0.0.1:9"
    health.forget_cached()


@pytest.fixture
def page(client, alice):
    client.force_login(alice)
    return client


def observe(model, **fields):
    Observation.objects.create(deployment=model.deployments.get(), at=timezone.now(), **fields)


def html(response):
    return response.content.decode()


def option(shown, model):
    return re.search(rf'<option value="{model.name}".*?</option>', shown, re.DOTALL)[0]


def test_each_model_in_the_picker_says_how_it_is_doing(page, model):
    down, new = make_model("down"), make_model("new")
    observe(model, ok=True, latency_ms=640)
    for _ in range(3):
        observe(down, ok=False, problem="It does not answer.")
    shown = html(page.get("/"))
    assert "Backend online" in option(shown, model)
    assert "Backend offline" in option(shown, down)
    assert "Not checked yet" in option(shown, new)


def test_the_card_of_a_new_chat_says_how_soon_its_model_begins(page, model):
    observe(model, ok=True, latency_ms=640)
    card = re.search(r'<article class="model-card">.*?</article>', html(page.get("/")), re.DOTALL)[0]
    assert "Backend online" in card
    assert "0.6 s to the first token" in card
    assert '<a href="/models/deepseek-v31-terminus/">' in card


def test_the_picker_says_what_a_model_can_do(page, model):
    model.uses_tools = model.writes_json = True
    model.save(update_fields=["uses_tools", "writes_json"])
    badges = re.findall(r'class="badge">(\w+)<', option(html(page.get("/")), model))
    assert badges == ["Thinking", "Tools", "JSON"]


def test_health_is_read_once_for_pages_in_a_row(alice, model, django_assert_num_queries):
    with django_assert_num_queries(5):
        selectors.picker(alice)
    with django_assert_num_queries(4):
        selectors.picker(alice)


@pytest.mark.parametrize(
    ("results", "said"),
    [
        (["ok"], None),
        (["upstream_timeout"], None),
        (["upstream_unavailable", "ok"], "after 1 failed attempt"),
        (["upstream_unavailable", "upstream_timeout", "stopped"], "after 2 failed attempts"),
        (["upstream_unavailable", "upstream_timeout"], "after 2 failed attempts"),
    ],
)
def test_an_answer_says_which_tries_failed_before_it_came(page, alice, model, results, said):
    tries = [
        {"result": result, "problem": "" if result == "ok" else f"<{result}> of V3.1. Try again."} for result in results
    ]
    answer = add_turn(make_chat(alice, model, turns=0), attempts=tries)
    shown = html(page.get(f"/messages/{answer.pk}"))
    assert re.findall(r"<summary>(after [^<]*)</summary>", shown) == ([said] if said else [])
    failed = [result for result in results if said and result not in ("ok", "stopped")]
    assert re.findall(r"<li>(.*?)</li>", shown) == [f"&lt;{result}&gt; of V3.1." for result in failed]
