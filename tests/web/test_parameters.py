"""The form of parameters on the chat's page: whose it is, what stands in it, and what becomes of what is posted."""

import re
from uuid import uuid4

import pytest

from accounts.models import Group
from billing.errors import InsufficientCredits
from billing.models import Price
from billing.services import grant, set_price
from conversations.models import Conversation, Generation
from conversations.protocol import Params
from conversations.turns import ask_again, start, start_turn
from providers.errors import InvalidRequest
from tests.factories import make_model
from tests.web.chats import make_chat


@pytest.fixture(autouse=True)
def simulator(settings):
    settings.SIMULATOR_URL = "http://127.0.0.1:9"


@pytest.fixture
def infra(db):
    return make_model("deepseek-ai/DeepSeek-V3", "deepinfra", "https://api.deepinfra.com", thinks=False)


@pytest.fixture
def alice(alice):
    grant(user=alice, amount=10**9, reason="To try it")
    return alice


@pytest.fixture
def page(client, alice):
    client.force_login(alice)
    return client


def html(response):
    return response.content.decode()


def field(shown, name):
    """The tag of the field with this name."""
    return re.search(rf'<(?:input|select|textarea)[^>]*\sname="{name}"[^>]*>', shown)[0]


def send(page, model, **fields):
    posted = {"text": "Hello", "model": model.name, "client_id": str(uuid4()), "conversation": "", "parent": ""}
    return page.post("/turns", posted | fields)


def turn(user, model, conversation=None, **params):
    values = {"conversation_id": conversation, "parent_id": None, "text": "Hello", "model_name": model.name}
    return start_turn(user=user, **values, params=Params(**params), client_id=uuid4()).generation


def test_a_models_form_has_its_defaults_and_bounds(page, infra):
    shown = html(page.get("/parameters", {"model": infra.name}))
    assert 'placeholder="default 1"' in field(shown, "top_p")
    assert 'data-above="0"' in field(shown, "top_p")
    assert 'max="999"' in field(shown, "top_k")
    assert 'aria-describedby="parameter-seed-error parameter-seed-hint"' in field(shown, "seed")
    assert 'name="thinking"' not in shown


def test_a_model_without_parameters_says_so(page, db):
    plain = make_model("segmind/deepseek-chat", "segmind", "https://api.segmind.com", thinks=False)
    assert "This model takes no parameters." in html(page.get("/parameters", {"model": plain.name}))


def test_a_form_is_for_those_who_may_use_its_model(page, alice, infra):
    team = Group.objects.create(name="Research")
    infra.groups.add(team)
    assert page.get("/parameters", {"model": infra.name}).status_code == 404
    team.members.add(alice)
    assert page.get("/parameters", {"model": infra.name}).status_code == 200


@pytest.mark.parametrize(
    "query", [{}, {"model": "nobody"}, {"model": "a\0"}, {"model": "{model}", "conversation": "7"}]
)
def test_a_form_that_cannot_be_is_not_found(page, infra, query):
    query = {name: value.format(model=infra.name) for name, value in query.items()}
    assert page.get("/parameters", query).status_code == 404


def test_a_form_is_not_shown_without_a_session(client, infra):
    assert client.get("/parameters", {"model": infra.name}).status_code == 302


def test_the_values_of_a_chat_are_its_owners_alone(page, alice, bob, infra):
    chat = make_chat(alice, infra)
    Conversation.objects.filter(pk=chat.pk).update(params={"seed": 4711})
    query = {"model": infra.name, "conversation": chat.pk}
    assert 'value="4711"' in html(page.get("/parameters", query))
    page.force_login(bob)
    assert page.get("/parameters", query).status_code == 404


def test_a_chat_shows_what_its_last_turn_was_sent_with(page, alice, infra):
    params = {"temperature": 0.5, "response_format": "json_object", "stop": ["END", "<end>"], "top_p": 1.0}
    run = turn(alice, infra, **params)
    shown = html(page.get(f"/c/{run.conversation_id}"))
    assert 'value="0.5"' in field(shown, "temperature")
    assert '<option value="json_object" selected>' in shown
    assert ">\nEND\n&lt;end&gt;</textarea>" in shown
    assert ">3 set</span>" in shown
    assert Conversation.objects.get().params == params


def test_a_new_chat_starts_with_the_defaults(page, alice, model):
    turn(alice, model, thinking=False, temperature=1.5)
    shown = html(page.get("/"))
    assert 'value=""' in field(shown, "temperature")
    assert " checked" in field(shown, "thinking")
    assert re.search(r'data-part="count-set" hidden></span>', shown)


def test_thinking_that_was_off_is_off_when_the_chat_is_opened_again(page, alice, model):
    run = turn(alice, model, thinking=False)
    assert " checked" not in field(html(page.get(f"/c/{run.conversation_id}")), "thinking")


def test_what_is_refused_changes_nothing_in_the_chat(alice, infra):
    run = turn(alice, infra, seed=1)
    with pytest.raises(InvalidRequest) as refused:
        turn(alice, infra, run.conversation_id, top_p=0.0)
    assert refused.value.param == "top_p"
    assert refused.value.message == "Not sent: top_p must be a number, 0 < top_p ≤ 1; this is the integer 0."
    set_price(deployment=infra.deployments.get(), input=0, output=10**15, source=Price.Source.ADMIN)
    with pytest.raises(InsufficientCredits):
        turn(alice, infra, run.conversation_id, seed=2)
    assert Conversation.objects.get().params == {"seed": 1}
    assert Generation.objects.count() == 1


def test_answering_again_keeps_what_it_was_asked_with(alice, infra):
    run = turn(alice, infra, seed=1)
    Generation.objects.filter(pk=run.pk).update(status="done", finished=run.created)
    asked = ask_again(user=alice, message_id=run.answer_id, model_name=None, params=Params(seed=2), client_id=uuid4())
    assert start(asked).generation.params == {"seed": 2}
    assert Conversation.objects.get().params == {"seed": 2}


def test_without_javascript_all_that_was_typed_is_sent_as_its_type(page, infra):
    posted = {"temperature": "0.5", "top_k": "40", "seed": "", "stop": "END\r\n###", "response_format": "json_object"}
    assert send(page, infra, **posted).status_code == 302
    assert Generation.objects.get().params == {
        "temperature": 0.5,
        "top_k": 40,
        "stop": ["END", "###"],
        "response_format": "json_object",
    }


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("top_p", "0", "Not sent: top_p must be a number, 0 &lt; top_p ≤ 1; this is the integer 0."),
        ("top_k", "1000", "Not sent: top_k must be an integer, 0 ≤ top_k &lt; 1000; this is the integer 1000."),
        ("seed", "1.5", "Seed must be a whole number from 0 to 9,007,199,254,740,991."),
    ],
)
def test_without_javascript_a_bad_value_stays_with_its_reason_in_the_open_form(page, infra, name, text, message):
    response = send(page, infra, **{"temperature": "0.5", name: text})
    shown = html(response)
    assert response.status_code == 422
    assert f'role="alert" data-part="alert">{message}<' in shown
    assert f'id="parameter-{name}-error">{message}<' in shown
    assert 'aria-invalid="true"' in field(shown, name)
    assert f'value="{text}"' in field(shown, name)
    assert 'value="0.5"' in field(shown, "temperature")
    assert '<details class="knobs__popover" open>' in shown
    assert not Conversation.objects.exists()


def test_without_javascript_another_model_gets_only_what_it_knows(page, infra):
    assert send(page, infra, can_think="1", thinking="on", effort="high", top_p="0.5").status_code == 302
    assert Generation.objects.get().params == {"top_p": 0.5}


def test_without_javascript_too_long_a_line_is_refused_in_words(page, infra):
    response = send(page, infra, stop="x" * 201)
    assert response.status_code == 422
    assert "Not sent: stop.0: String should have at most 200 characters." in html(response)
