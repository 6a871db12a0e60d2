"""What an answer cost, and what happens without credit."""

import re

from playwright.sync_api import expect

from tests.browser.conftest import PASSWORD, choose, finished, log, send, sign_in


def balance(page):
    return page.get_by_role("status", name="Balance")


def test_the_balance_goes_down_by_exactly_what_the_answer_says(chat, site, person):
    choose(chat, "deepseek-v31-terminus")
    expect(balance(chat)).to_contain_text("1")
    send(chat, "[[length=100 speed=0]] What does it cost?")
    finished(chat)
    code = f"""
from billing.models import UsageRecord, Account
u = UsageRecord.objects.get(user__email="{person}")
print(u.charge, u.prompt_tokens * 400 + u.completion_tokens * 2000, Account.objects.get(user__email="{person}").posted)
"""
    charge, expected, posted = map(int, site.python(code).split())
    assert 0 < charge == expected
    assert posted == 10**9 - charge
    shown = log(chat).get_by_text(re.compile("credits")).first
    assert f"{charge / 10**9:.9f}".rstrip("0") in (shown.get_attribute("title") or shown.inner_text())
    exact = balance(chat).get_attribute("title") or balance(chat).inner_html()
    assert f"{posted / 10**9:.9f}".rstrip("0") in exact
    assert "sound" in site.command("audit_ledger")


def test_without_credit_nothing_is_sent_and_the_text_stays(quiet, site):
    site.python(
        f"from accounts.models import User\nUser.objects.create_user(email='poor@example.org', password='{PASSWORD}')\n"
    )
    site.command("grant_credits", "poor@example.org", "0.001", "--reason", "Not enough")
    sign_in(quiet, "poor@example.org")
    choose(quiet, "deepseek-v31-terminus")
    send(quiet, "Write me a long story")
    alert = quiet.get_by_role("alert")
    expect(alert).to_contain_text("0.001 available")
    expect(alert).to_contain_text(re.compile(r"up to 0\.008\d* credits"))
    expect(quiet.get_by_role("textbox", name="Message")).to_have_value("Write me a long story")
    assert "/c/" not in quiet.url
    site.command("grant_credits", "poor@example.org", "1", "--reason", "Enough")
    quiet.get_by_role("button", name="Send").click()
    expect(quiet).to_have_url(re.compile("/c/"))
    finished(quiet)
