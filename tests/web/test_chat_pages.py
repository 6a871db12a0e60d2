"""The chat's pages: who sees what, what stands on them, and what their forms do."""

import re
from uuid import uuid4

import pytest
from django.utils import timezone

from billing.models import Price
from billing.services import grant, set_price
from conversations import selectors
from conversations.models import Conversation, Generation, Message
from providers import health
from providers.services import save_key
from tests.factories import make_model
from tests.web.chats import add_answer, add_turn, make_chat

HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def simulator(settings):
    settings.SIMULATOR_URL = "http://127.0.0.1:9"


@pytest.fixture
def chat(alice, model):
    return make_chat(alice, model)


@pytest.fixture
def page(client, alice):
    client.force_login(alice)
    return client


@pytest.fixture
def stranger(client, bob):
    client.force_login(bob)
    return client


def html(response):
    return response.content.decode()


def send(client, text="Hello", **fields):
    defaults = {"conversation": "", "parent": "", "model": "deepseek-v31-terminus", "client_id": str(uuid4())}
    return client.post("/turns", defaults | {"text": text} | fields)


def test_without_a_session_a_page_leads_to_the_sign_in_page_and_back(client, chat):
    response = client.get(f"/c/{chat.pk}")
    assert response.status_code == 302
    assert response.url == f"/accounts/login/?next=/c/{chat.pk}"


def test_without_a_session_a_fragment_moves_the_whole_page(client, db):
    response = client.get("/sidebar", headers=HTMX | {"HX-Current-URL": "http://testserver/c/1"})
    assert response.headers["HX-Redirect"] == "/accounts/login/?next=/c/1"


def test_the_chat_has_the_names_that_people_and_programs_look_for(page, chat):
    shown = html(page.get(f"/c/{chat.pk}"))
    for name in ["Message", "Model", "Send", "Stop", "Regenerate", "Conversations", "Messages", "Balance"]:
        assert f'aria-label="{name}"' in shown
    assert re.search(r"<button[^>]*>.*New chat</button>", shown)
    assert '<option value="deepseek-v31-terminus"' in shown


def test_a_new_chat_shows_the_chosen_model_with_its_price(page, model):
    shown = html(page.get("/"))
    assert "Input 0.40 / M tokens" in shown
    assert "Output 2.00 / M tokens" in shown
    assert "128K context" in shown
    assert "simulated" in shown


def test_a_new_chat_greets_by_the_clock_of_the_browser(page, model, monkeypatch):
    noon = timezone.datetime(2026, 3, 1, 12, 0, tzinfo=timezone.get_default_timezone())
    monkeypatch.setattr("django.utils.timezone.now", lambda: noon)
    page.cookies["tz"] = "Asia/Tokyo"
    assert "Good evening, Alice" in html(page.get("/"))


def test_a_made_up_time_zone_is_not_believed(page, model):
    page.cookies["tz"] = "../../etc/passwd"
    assert page.get("/").status_code == 200


@pytest.mark.parametrize("address", ["/c/{chat}", "/c/{chat}/thread", "/messages/{message}"])
def test_a_chat_is_its_owners_alone_to_read(page, chat, bob, address):
    address = address.format(chat=chat.pk, message=chat.leaf_id)
    assert page.get(address).status_code == 200
    page.force_login(bob)
    assert page.get(address).status_code == 404


@pytest.mark.parametrize("address", ["/c/{chat}/rename", "/c/{chat}/delete", "/messages/{message}/show"])
def test_a_stranger_can_change_nothing(stranger, chat, address):
    assert stranger.post(address.format(chat=chat.pk, message=chat.leaf_id), {"title": "Mine"}).status_code == 404
    chat.refresh_from_db()
    assert chat.title == "Lamb, two ways"


def test_an_answer_shows_its_text_its_tokens_and_its_exact_price(page, chat):
    shown = html(page.get(f"/c/{chat.pk}"))
    assert "<strong>Answer</strong> 0" in shown
    assert "1,212 in / 338 out (120 reasoning)" in shown
    assert 'title="0.00083 credits">0.00083 credits' in shown


@pytest.mark.parametrize(("seconds", "speed"), [(2, ["169 tokens/s"]), (0.1, [])])
def test_an_answer_that_came_at_one_go_has_no_speed(page, chat, seconds, speed):
    run = Generation.objects.get(conversation=chat)
    run.first_token = run.finished - timezone.timedelta(seconds=seconds)
    run.save(update_fields=["first_token"])
    assert re.findall(r"\d+ tokens/s", html(page.get(f"/c/{chat.pk}"))) == speed


def test_what_a_person_wrote_is_text_and_nothing_else(page, alice, model):
    chat = make_chat(alice, model, turns=0)
    add_turn(chat, question="<script>alert(1)</script>")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html(page.get(f"/c/{chat.pk}"))


@pytest.mark.parametrize(
    ("status", "word"), [("failed", "Failed."), ("stopped", "Stopped."), ("interrupted", "Interrupted.")]
)
def test_an_answer_that_did_not_end_well_says_so(page, alice, model, status, word):
    chat = make_chat(alice, model, turns=0)
    answer = add_turn(chat, status=status, error="It did not answer within 60 s.", charge=0)
    shown = html(page.get(f"/messages/{answer.pk}"))
    assert f"<b>{word}</b>" in shown
    assert ("It did not answer within 60 s. You were not charged." in shown) is (status == "failed")


def test_a_running_answer_shows_what_is_checkpointed_and_can_be_followed(page, alice, model):
    chat = make_chat(alice, model, turns=0)
    answer = add_turn(chat, answer="So **far", reasoning="Let me see", status="running")
    shown = html(page.get(f"/messages/{answer.pk}"))
    assert f'data-generation="{answer.generation.pk}"' in shown
    assert '<div class="live__text live__stream" data-part="text">So **far</div>' in shown
    assert 'data-part="reasoning">Let me see</div>' in shown


def test_a_message_can_be_had_as_it_was_written(page, chat):
    response = page.get(f"/messages/{chat.leaf_id}?as=text")
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert html(response) == "**Answer** 0"


def test_a_long_page_takes_as_many_queries_as_a_short_one(page, alice, model, django_assert_num_queries):
    short, long = make_chat(alice, model, turns=1), make_chat(alice, model, turns=25)
    for chat in (short, long):
        health.forget_cached()
        with django_assert_num_queries(15):
            page.get(f"/c/{chat.pk}")


def test_a_thread_is_the_branch_of_the_leaf_with_three_queries(alice, model, django_assert_num_queries):
    chat = make_chat(alice, model, turns=25)
    with django_assert_num_queries(3):
        thread = selectors.thread_of(chat)
        assert [each.message.text for each in thread[-2:]] == ["Question 24", "**Answer** 24"]
        assert [each.generation is None for each in thread[-2:]] == [True, False]
        assert len(thread) == 50


def test_choosing_a_version_shows_where_it_was_last_continued(page, alice, model):
    chat = make_chat(alice, model, turns=0)
    first = add_turn(chat, answer="First version")
    follow_up = add_turn(chat, parent=first, question="And then?", answer="The follow-up")
    add_answer(first.parent, answer="Second version")
    assert "Second version" in html(page.get(f"/c/{chat.pk}"))

    response = page.post(f"/messages/{first.pk}/show", headers=HTMX)

    shown = html(response)
    assert "The follow-up" in shown
    assert "Second version" not in shown
    assert '<span class="number">1/2</span>' in shown
    chat.refresh_from_db()
    assert chat.leaf == follow_up


def test_choosing_a_version_without_javascript_leads_back_to_the_chat(page, chat):
    assert page.post(f"/messages/{chat.leaf_id}/show").url == f"/c/{chat.pk}"


def test_the_sidebar_groups_chats_by_day(page, alice, model):
    now = timezone.now()
    for title, days in [("Fresh", 0), ("Of yesterday", 1), ("Of last week", 5), ("Ancient", 40)]:
        make_chat(alice, model, turns=0, title=title)
        Conversation.objects.filter(title=title).update(touched=now - timezone.timedelta(days=days))
    rows = html(page.get("/sidebar", headers=HTMX))
    words = ["Today", "Fresh", "Yesterday", "Of yesterday", "Previous 7 days", "Of last week", "Older", "Ancient"]
    assert [rows.index(f">{word}<") for word in words] == sorted(rows.index(f">{word}<") for word in words)


def test_the_sidebar_filters_by_title_and_says_when_nothing_fits(page, alice, model):
    make_chat(alice, model, turns=0, title="SQL for May")
    make_chat(alice, model, turns=0, title="Release notes")
    rows = html(page.get("/sidebar?q=sql"))
    assert "SQL for May" in rows
    assert "Release notes" not in rows
    assert "No chat is called “tax”." in html(page.get("/sidebar?q=tax"))


def test_the_sidebar_marks_the_chat_in_view_and_the_one_that_is_answered(page, alice, model):
    chat = make_chat(alice, model, turns=0)
    add_turn(chat, status="running")
    rows = html(page.get("/sidebar", headers=HTMX | {"HX-Current-URL": f"http://testserver/c/{chat.pk}"}))
    assert f'href="/c/{chat.pk}" aria-current="page"' in rows
    assert 'aria-label="Answering"' in rows


def test_the_sidebar_lists_nobody_elses_chats(stranger, chat):
    assert "Your chats will be listed here." in html(stranger.get("/sidebar"))


def test_the_balance_is_what_can_still_be_spent(page, alice):
    grant(user=alice, amount=9_999_170_000, reason="To try it")
    shown = html(page.get("/balance"))
    assert 'title="9.99917 credits"' in shown
    assert "9.9991 credits" in shown


def test_an_empty_wallet_says_so(page, alice):
    assert "none left" in html(page.get("/balance"))


def test_a_chat_can_be_renamed(page, chat):
    assert page.post(f"/c/{chat.pk}/rename", {"title": "  Lamb \n at last "}).url == f"/c/{chat.pk}"
    chat.refresh_from_db()
    assert chat.title == "Lamb at last"


def test_an_empty_title_changes_nothing(page, chat):
    page.post(f"/c/{chat.pk}/rename", {"title": " "})
    chat.refresh_from_db()
    assert chat.title == "Lamb, two ways"


def test_a_chat_can_be_deleted_and_what_it_cost_stays(page, chat):
    generation = Generation.objects.get(conversation=chat)
    assert page.post(f"/c/{chat.pk}/delete").url == "/"
    assert not Conversation.objects.exists()
    assert selectors.UsageRecord.objects.get().subject == f"generation:{generation.pk}"


def test_a_chat_is_not_deleted_while_an_answer_holds_credits(page, chat):
    add_turn(chat, status="running")
    response = page.post(f"/c/{chat.pk}/delete", follow=True)
    assert "Stop it, then delete the chat." in html(response)
    assert Conversation.objects.filter(pk=chat.pk).exists()


def test_without_javascript_a_message_starts_a_chat(page, alice, model):
    grant(user=alice, amount=10**9, reason="To try it")
    response = send(page, "Hello", can_think="1", temperature="0.5")
    generation = Generation.objects.get()
    assert response.url == f"/c/{generation.conversation_id}"
    assert generation.params == {"thinking": False, "temperature": 0.5}
    assert generation.prompt.text == "Hello"


def test_without_credits_nothing_is_sent_and_the_text_stays(page, alice, model):
    response = send(page, "A story & more")
    assert response.status_code == 402
    shown = html(response)
    assert re.search(r'role="alert"[^>]*>Not sent: this can cost up to', shown)
    assert ">A story &amp; more</textarea>" in shown
    assert not Message.objects.exists()


@pytest.mark.parametrize("fields", [{"text": " "}, {"model": "nobody"}, {"temperature": "9"}, {"client_id": "x"}])
def test_a_message_that_cannot_be_sent_stays_with_its_reason(page, alice, model, fields):
    grant(user=alice, amount=10**9, reason="To try it")
    response = send(page, **fields)
    assert response.status_code == 422
    assert re.search(r'role="alert" data-part="alert">[A-Z]', html(response))


def test_nobody_can_write_into_a_strangers_chat(stranger, bob, chat):
    grant(user=bob, amount=10**9, reason="To try it")
    response = send(stranger, "Hello", conversation=chat.pk, parent=chat.leaf_id)
    assert response.status_code == 422
    assert "Answer</strong>" not in html(response)
    assert chat.messages.count() == 2


def test_models_that_cannot_be_used_say_why(alice, settings):
    make_model("unkeyed", documented=False)
    make_model("no-price", input=None)
    demo = make_model("demo", input=0, output=0, source=Price.Source.DEMO)
    choices = {choice.model.name: choice for choice in selectors.picker(alice)}
    assert [choices[name].reason for name in ("unkeyed", "no-price", "demo")] == ["No key", "No price", ""]
    assert choices["demo"].is_free
    assert choices["demo"].simulated
    assert selectors.chosen(choices.values(), "unkeyed").model == demo


def test_a_demo_price_is_no_price_for_a_real_key_and_an_own_key_needs_none(alice, bob):
    demo = make_model("demo", input=0, output=0, source=Price.Source.DEMO).deployments.get()
    save_key(deployment=demo, plain="team-key-0001", owner=None)
    save_key(deployment=demo, plain="own-key-00002", owner=alice)
    (mine,), (his,) = selectors.picker(alice), selectors.picker(bob)
    assert (mine.reason, mine.own_key, mine.is_free, mine.simulated) == ("", True, True, False)
    assert (his.reason, his.own_key, his.simulated) == ("No price", False, False)


def test_the_picker_takes_five_queries_however_many_models_there_are(alice, django_assert_num_queries):
    models = [make_model(f"model-{number}") for number in range(6)]
    set_price(deployment=models[0].deployments.get(), input=1, output=2, source=Price.Source.ADMIN)
    with django_assert_num_queries(5):
        choices = selectors.picker(alice)
    assert [choice.input_price for choice in choices] == [1, *[400_000_000] * 5]
    assert choices[0].settable == ("thinking", "effort", "temperature", "max_tokens", "top_p", "top_k")


def test_the_theme_of_the_cookie_is_on_the_page_before_it_is_painted(page, model):
    assert '<html lang="en" data-theme="system">' in html(page.get("/"))
    page.cookies["theme"] = "dark"
    assert '<html lang="en" data-theme="dark">' in html(page.get("/"))
    page.cookies["theme"] = '"><script>'
    assert '<html lang="en" data-theme="system">' in html(page.get("/"))


def test_the_one_inline_script_carries_the_nonce_of_the_policy(page, model):
    response = page.get("/")
    nonce = re.search(r'<script type="importmap" nonce="([^"]+)">', html(response))[1]
    assert f"'nonce-{nonce}'" in response.headers["Content-Security-Policy"]
    assert not re.search(r"<script(?![^>]*(?:src|importmap))|\sstyle=|\son\w+=", html(response))
