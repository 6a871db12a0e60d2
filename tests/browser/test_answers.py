"""Sending, streaming, stopping, reloading: what a person does with an answer while it is written."""

import json
import re
import time

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import answer, choose, finished, log, send, sign_in
from tests.site import get, wait_until

DOCUMENTED = [
    "deepseek-v31-terminus",
    "deepseek-chat",
    "deepseek-reasoner",
    "deepseek-coder",
    "segmind/deepseek-chat",
    "deepseek-ai/DeepSeek-V3",
]

WORDS = " ".join(f"word{number}" for number in range(400))


def journal(site):
    return json.loads(get(f"{site.simulator_url()}/__simulator__/requests"))


def last_call(site, word):
    """The upstream's own record of the call whose prompt holds `word`."""
    return next(call for call in reversed(journal(site)) if word in json.dumps(call["body"]))


@pytest.mark.parametrize("model", DOCUMENTED)
def test_every_documented_model_answers_and_says_that_it_is_simulated(chat, model):
    choose(chat, model)
    expect(chat.get_by_text("simulated", exact=False).first).to_be_visible()
    send(chat, '[[say="**Bonjour**"]] Hello there')
    expect(log(chat).locator("strong", has_text="Bonjour")).to_be_visible()
    expect(log(chat)).to_contain_text(model)


def test_the_address_becomes_the_conversation_before_the_first_token(chat):
    send(chat, "[[delay=3 length=5]] Wait a little")
    expect(chat).to_have_url(re.compile(r"/c/[0-9a-f-]{36}$"), timeout=2500)
    expect(log(chat)).to_contain_text("Wait a little")
    finished(chat)


def test_reasoning_stands_in_a_block_of_its_own_and_the_answer_is_rendered(chat):
    choose(chat, "deepseek-reasoner")
    send(chat, "[[reasoning=40 speed=200]] Explain relativity")
    finished(chat)
    expect(log(chat).get_by_text(re.compile("Thought for"))).to_be_visible()
    expect(log(chat).locator("details.reasoning")).not_to_have_attribute("open", "")
    expect(log(chat)).not_to_contain_text("**")


def test_stop_ends_within_300_ms_keeps_the_text_and_closes_upstream(chat, site):
    send(chat, f'[[speed=50 say="{WORDS}"]] stopword-1 Tell me everything')
    expect(answer(chat)).to_contain_text("word20 ")
    begun = time.monotonic()
    chat.get_by_role("button", name="Stop").click()
    clicked = time.monotonic()
    call = wait_until(lambda: (c := last_call(site, "stopword-1"))["disconnected"] and c, seconds=3, step=0.01)
    assert time.monotonic() - clicked < 0.3 + (clicked - begun)
    assert call["tokens_sent"] < 400
    expect(log(chat)).to_contain_text("Stopped")
    expect(chat.get_by_role("button", name="Send")).to_be_visible()
    chat.reload()
    expect(answer(chat)).to_contain_text("word20 ")
    expect(log(chat)).to_contain_text("Stopped")


def test_a_reload_and_a_second_tab_show_the_whole_answer_so_far_and_go_on(chat, context):
    send(chat, f'[[speed=80 say="{WORDS}"]] Count')
    expect(answer(chat)).to_contain_text("word40 ")
    chat.reload()
    second = context.new_page()
    second.goto(chat.url)
    expect(answer(chat)).to_contain_text("word0 word1 word2")
    expect(answer(second)).to_contain_text("word0 word1 word2")
    finished(chat)
    finished(second)
    for page in (chat, second):
        assert re.findall(r"word\d+", answer(page).inner_text()) == WORDS.split()


def test_what_is_streamed_is_what_is_stored_character_for_character(chat):
    text = "Café ☕ 日本語 👩‍👩‍👧 e\u0301 — end of it"
    send(chat, f'[[speed=20 say="{text}"]] Unicode')
    finished(chat)
    chat.reload()
    expect(answer(chat)).to_contain_text(text)


def test_a_second_message_follows_the_first_and_sees_it(chat, site):
    send(chat, '[[say="First answer"]] One')
    finished(chat)
    send(chat, '[[say="Second answer"]] secondword-7 Two')
    finished(chat)
    expect(answer(chat)).to_contain_text("Second answer")
    roles = [message["role"] for message in last_call(site, "secondword-7")["body"]["messages"]]
    assert roles == ["user", "assistant", "user"]


def test_regenerate_gives_another_version_and_keeps_the_first(chat):
    send(chat, "[[length=20]] Say something")
    finished(chat)
    chat.get_by_role("button", name="Regenerate").click()
    finished(chat)
    expect(log(chat)).to_contain_text("2/2")


def test_another_chat_answers_while_the_first_still_does(chat):
    send(chat, "[[speed=40 length=400]] The first chat")
    expect(log(chat)).to_contain_text("The first chat")
    expect(chat).to_have_url(re.compile("/c/"))
    first = chat.url
    chat.get_by_role("button", name="New chat").click()
    expect(chat.get_by_role("textbox", name="Message")).to_be_empty()
    send(chat, '[[say="Quick"]] The second chat')
    expect(answer(chat)).to_contain_text("Quick")
    chat.get_by_role("navigation", name="Conversations").get_by_text("The first chat").click()
    expect(chat).to_have_url(first)
    expect(log(chat)).to_contain_text("The first chat")
    finished(chat)


def test_a_failed_answer_says_so_in_words_and_can_be_tried_again(chat):
    send(chat, "[[fail=500]] Break")
    expect(log(chat)).to_contain_text("Failed")
    expect(chat.get_by_role("button", name="Regenerate")).to_be_visible()


def test_an_answer_cut_off_in_the_middle_keeps_its_text(chat):
    send(
        chat, '[[reasoning=4 fail_after=12 fail_mode=close say="one two three four five six seven eight nine ten"]] Cut'
    )
    expect(log(chat)).to_contain_text("Failed")
    expect(answer(chat)).to_contain_text("one two three")


def test_hostile_markup_from_a_model_stays_text(chat):
    dialogs = []
    chat.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    send(chat, '[[say="<img src=x onerror=alert(1)><script>alert(2)</script><b hx-get=/x>hi</b>"]] Attack')
    finished(chat)
    expect(answer(chat)).to_contain_text("<script>alert(2)</script>")
    assert dialogs == []
    assert log(chat).locator("b").count() == 0


def test_nobody_else_can_open_a_conversation(chat, browser, site):
    send(chat, '[[say="secret"]] Mine')
    finished(chat)
    other = browser.new_context(base_url=site.url).new_page()
    sign_in(other, "admin@example.org")
    expect(other.get_by_role("textbox", name="Message")).to_be_visible()
    assert other.goto(chat.url).status == 404
    other.context.close()
