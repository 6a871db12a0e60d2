"""The site's own life: first start, end, SIGKILL in mid-answer and start again."""

import re
import signal

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PASSWORD, USERS, answer, choose, finished, log, send, sign_in
from tests.site import Site, get, is_alive, wait_until

WORDS = " ".join(f"word{number}" for number in range(600))


@pytest.fixture
def fresh_site():
    """A site of its own on an empty folder, not started yet."""
    site = Site(STARTING_CREDITS="10")
    yield site
    site.stop()


@pytest.fixture
def visit(browser):
    """Open a page in a context of its own."""
    contexts = []

    def open_page(site, path="/"):
        contexts.append(browser.new_context(base_url=site.url))
        page = contexts[-1].new_page()
        page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()


def test_from_nothing_to_the_first_admin_and_the_first_answer(fresh_site, visit):
    site = fresh_site.start()
    assert f"Chatsite is at {site.url}" in site.lines
    link = site.setup_link()
    assert link.startswith(site.url)
    page = visit(site, link)
    page.get_by_label("E-mail").fill("first@example.org")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label(re.compile("again|confirm|repeat", re.I)).fill(PASSWORD)
    page.get_by_role("button").last.click()
    expect(page.get_by_role("textbox", name="Message")).to_be_visible()
    assert page.goto(link).status == 404
    page.goto("/")
    send(page, '[[say="Welcome"]] Hello!')
    expect(answer(page)).to_contain_text("Welcome")
    children = site.children()
    assert site.stop(signal.SIGINT) == 0
    assert not any(is_alive(child) for child in children)
    site.start()
    assert site.setup_link() is None


def test_a_taken_port_gets_one_clear_sentence(fresh_site):
    fresh_site.start()
    second = Site(fresh_site.folder.with_name(fresh_site.folder.name + "-second"), PORT=str(fresh_site.port))
    with pytest.raises(AssertionError, match=rf"Port {fresh_site.port}\D.* taken"):
        second.start()
    assert not any("Traceback" in line for line in second.lines)


def test_killed_in_mid_answer_it_comes_back_interrupted_charged_and_usable(fresh_site, visit):
    site = fresh_site.start()
    site.python(USERS)
    page = visit(site)
    sign_in(page, "person1@example.org")
    choose(page, "deepseek-v31-terminus")
    send(page, f'[[speed=60 say="{WORDS}"]] Count')
    expect(answer(page)).to_contain_text("word120 ", timeout=15_000)
    children = site.children()
    site.kill()
    wait_until(lambda: not any(is_alive(child) for child in children), seconds=3)
    site.start()
    page.reload()
    expect(log(page)).to_contain_text("Interrupted")
    shown = re.findall(r"word\d+", answer(page).inner_text())
    assert len(shown) > 50  # a second at most is lost, and the answer was 120 words and two seconds long
    assert shown[:-1] == WORDS.split()[: len(shown) - 1]
    code = """
from billing.models import UsageRecord, Account, Hold
u = UsageRecord.objects.get()
print(u.outcome, u.source, u.charge, u.prompt_tokens * 400 + u.completion_tokens * 2000, u.completion_tokens > 60)
print(Hold.objects.filter(state="open").count(), Account.objects.get(user__email="person1@example.org").held)
"""
    outcome, source, charge, expected, many, open_holds, held = site.python(code).split()
    assert (outcome, source, many, open_holds, held) == ("interrupted", "counted", "True", "0", "0")
    assert int(charge) == int(expected) > 0
    assert "sound" in site.command("audit_ledger")
    send(page, '[[say="Going on"]] Still there?')
    finished(page)
    expect(answer(page)).to_contain_text("Going on")


def test_a_terminated_site_saves_running_answers_and_ends_its_children(fresh_site, visit):
    site = fresh_site.start()
    site.python(USERS)
    page = visit(site)
    sign_in(page, "person2@example.org")
    send(page, f'[[speed=30 say="{WORDS}"]] A long one')
    expect(answer(page)).to_contain_text("word20 ")
    children = site.children()
    assert site.stop(signal.SIGTERM) == 0
    assert not any(is_alive(child) for child in children)
    site.start()
    page.reload()
    expect(log(page)).to_contain_text("Interrupted")
    assert "sound" in site.command("audit_ledger")


def test_without_make_it_collects_its_own_static_files(fresh_site):
    fresh_site.environment.pop("STATIC_ROOT")
    fresh_site.start()
    assert "Collecting static files …" in fresh_site.lines
    assert (fresh_site.folder / "static" / "staticfiles.json").exists()
    assert b"<h1>Sign in</h1>" in get(f"{fresh_site.url}/accounts/login/")
