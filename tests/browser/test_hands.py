"""The keyboard, small screens, a network that goes away: nobody loses their place."""

import re

from playwright.sync_api import expect

from tests.browser.conftest import answer, finished, log, send

WORDS = " ".join(f"word{number}" for number in range(200))


def box(page):
    return page.get_by_role("textbox", name="Message")


def press(page, name):
    """Press a button as the keyboard does."""
    page.get_by_role("button", name=name).first.focus()
    page.keyboard.press("Enter")


def open_from_menu(page, name):
    press(page, "Chat actions")
    press(page, name)


def test_the_focus_is_never_lost_while_answers_come_and_go(chat):
    expect(box(chat)).to_be_focused()
    box(chat).fill("[[speed=20 length=200 reasoning=0]] Lisbon")
    chat.keyboard.press("Enter")
    expect(answer(chat).locator("[data-part=text]")).not_to_be_empty()
    press(chat, "Stop")
    expect(log(chat)).to_contain_text("Stopped")
    expect(box(chat)).to_be_focused()
    press(chat, "Regenerate")
    expect(box(chat)).to_be_focused()
    chat.get_by_role("button", name="Stop").click()
    expect(log(chat)).to_contain_text("2/2")
    press(chat, "Previous version")
    expect(log(chat)).to_contain_text("1/2")
    expect(chat.get_by_role("button", name="Previous version")).to_be_focused()


def test_enter_renames_and_a_closed_dialog_gives_the_focus_back(chat):
    send(chat, '[[say="Done"]] Lisbon')
    finished(chat)
    open_from_menu(chat, "Rename")
    expect(chat.get_by_label("Title")).to_be_focused()
    chat.keyboard.press("Escape")
    expect(chat.get_by_role("button", name="Chat actions")).to_be_focused()
    open_from_menu(chat, "Rename")
    chat.keyboard.type("Porto")
    chat.keyboard.press("Enter")
    expect(chat.get_by_role("heading", name="Porto")).to_be_visible()


def test_escape_gives_up_an_edit_and_brings_back_what_stood_there(chat):
    send(chat, '[[say="Done"]] Lisbon')
    finished(chat)
    box(chat).fill("half a thought")
    press(chat, "Edit")
    expect(box(chat)).to_have_value('[[say="Done"]] Lisbon')
    chat.keyboard.press("Escape")
    expect(box(chat)).to_have_value("half a thought")
    expect(chat.get_by_text("Sends another version")).to_be_hidden()
    chat.get_by_label("Parameters").click()
    expect(chat.get_by_label("Temperature")).to_be_visible()
    chat.keyboard.press("Escape")
    expect(chat.get_by_label("Temperature")).to_be_hidden()


def test_that_a_chat_cannot_be_deleted_yet_is_said_where_it_is_seen(chat):
    send(chat, f'[[speed=90 reasoning=0 say="{WORDS}"]] Count')
    expect(answer(chat)).to_contain_text("word100 ")
    open_from_menu(chat, "Delete")
    chat.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(chat.get_by_text("Stop it, then delete the chat.")).to_be_in_viewport()
    finished(chat)


def test_without_a_network_the_page_says_so_and_then_shows_what_was_missed(chat, context):
    send(chat, f'[[speed=90 reasoning=0 say="{WORDS}"]] Count')
    expect(answer(chat)).to_contain_text("word20 ")
    context.set_offline(True)
    expect(chat.get_by_text("You are offline.")).to_be_visible()
    chat.wait_for_timeout(1500)
    context.set_offline(False)
    expect(chat.get_by_text("You are offline.")).to_be_hidden()
    finished(chat)
    assert re.findall(r"word\d+", answer(chat).inner_text()) == WORDS.split()


def test_a_new_chat_begins_at_its_beginning_on_a_small_screen(chat):
    chat.set_viewport_size({"width": 390, "height": 600})
    chat.get_by_role("button", name="Open sidebar").click()
    chat.get_by_role("button", name="New chat").click()
    expect(chat).to_have_url(re.compile("/$"))
    expect(chat.locator(".welcome__greeting")).to_be_in_viewport(ratio=1)
    assert chat.evaluate("scrollY") == 0


def test_sentences_are_announced_as_they_end(chat):
    chat.evaluate("""() => {
      window.heard = []
      const listen = ([change]) => heard.push(change.target.textContent)
      new MutationObserver(listen).observe(document.querySelector("[data-part=announcer]"), { childList: true })
    }""")
    send(chat, '[[speed=20 reasoning=0 say="Small **steps** help. Then rest a little. The end"]] Advise me')
    expect(answer(chat)).to_contain_text("tokens/s")
    sentences = ["Answer started", "Small steps help.", "Then rest a little.", "The end Answer finished"]
    assert chat.evaluate("heard") == sentences
