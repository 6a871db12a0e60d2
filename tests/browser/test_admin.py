"""The admin's work in a browser: credits, a real key, prices; and a member's own key."""

import hashlib
import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import USERS, answer, choose, finished, log, send, sign_in
from tests.canary import CANARY
from tests.simulator.peer import Peer, running
from tests.site import Site

TEAM_KEY = f"{CANARY}-team"
OWN_KEY = f"{CANARY}-own"


@pytest.fixture(scope="module")
def real_host():
    """Stands for a provider's real host: another process than the site's own simulated upstream."""
    with running("--port", "0", "--with-parent") as (process, port):
        yield Peer(port)
        process.stdin.close()
        process.wait(timeout=5)


@pytest.fixture(scope="module")
def own_site(real_host):
    site = Site(PRIVATE_UPSTREAMS=f"127.0.0.1:{real_host.port}").start()
    site.python(USERS)
    site.python(
        "from providers.models import Deployment\n"
        f"Deployment.objects.filter(model__name__in=['deepseek-ai/DeepSeek-V3', 'deepseek-v31-terminus'])"
        f".update(base_url='http://127.0.0.1:{real_host.port}')\n"
    )
    yield site
    site.stop()


@pytest.fixture
def visit(browser, own_site):
    """Sign in somewhere of one's own; no page may log an error or break the content security policy."""
    contexts, said = [], []

    def as_person(email):
        contexts.append(browser.new_context(base_url=own_site.url))
        page = contexts[-1].new_page()
        page.set_default_timeout(8_000)
        page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        sign_in(page, email)
        expect(page.get_by_role("textbox", name="Message")).to_be_visible()
        return page

    yield as_person
    for context in contexts:
        context.close()
    assert said == []


def key_seen_by(host, word):
    call = next(call for call in reversed(host.journal()) if word in str(call["body"]))
    return call["key"]


def fingerprint(key):
    return hashlib.sha256(key.encode()).hexdigest()[:8]


def test_credits_are_granted_with_a_reason_and_the_ledger_cannot_be_edited(visit):
    admin = visit("admin@example.org")
    admin.goto("/admin/")
    admin.get_by_role("link", name="Wallets and grants").first.click()
    admin.get_by_role("link", name=re.compile("Grant credits", re.I)).first.click()
    admin.get_by_role("textbox", name="To:").fill("person3@example.org")
    admin.get_by_label("Credits").fill("2.5")
    admin.get_by_label("Reason").fill("For the workshop")
    admin.get_by_role("button", name="Continue").click()
    expect(admin.get_by_text("3.5").first).to_be_visible()
    admin.get_by_role("button", name="Grant 2.5 credits").click()
    expect(admin.get_by_text(re.compile("2.5 credits to person3@example.org")).first).to_be_visible()
    member = visit("person3@example.org")
    expect(member.get_by_role("status", name="Balance")).to_contain_text("3.5")
    admin.goto("/admin/billing/transfer/")
    expect(admin.get_by_text("For the workshop")).to_be_visible()
    expect(admin.get_by_role("link", name=re.compile("Add"))).to_have_count(0)


def test_with_a_key_the_same_model_talks_to_the_real_host(visit, real_host):
    admin = visit("admin@example.org")
    admin.goto("/admin/providers/upstreamkey/add/")
    option = admin.get_by_label("Deployment").locator("option", has_text="deepseek-ai/DeepSeek-V3")
    admin.get_by_label("Deployment").select_option(option.get_attribute("value"))
    admin.get_by_label("New key").fill(TEAM_KEY)
    admin.get_by_role("button", name="Save", exact=True).click()
    expect(admin.get_by_text(f"…{TEAM_KEY[-4:]}").first).to_be_visible()
    assert TEAM_KEY not in admin.content()
    admin.get_by_role("button", name="Test", exact=True).click()
    expect(admin.get_by_text(re.compile("Answered in .*It cost the house"))).to_be_visible()
    assert key_seen_by(real_host, "pong") == fingerprint(TEAM_KEY)
    member = visit("person4@example.org")
    choose(member, "deepseek-ai/DeepSeek-V3")
    send(member, '[[say="From the real host"]] realword-1 Hello')
    finished(member)
    expect(answer(member)).to_contain_text("From the real host")
    expect(answer(member)).not_to_contain_text("simulated")
    assert key_seen_by(real_host, "realword-1") == fingerprint(TEAM_KEY)


def test_a_price_is_previewed_confirmed_and_undone(visit, own_site):
    admin = visit("admin@example.org")
    admin.goto("/admin/providers/deployment/")
    row = admin.locator("#result_list tbody tr", has_text="deepseek-v31-terminus")
    expect(row).to_contain_text("0.4 in · 2 out")
    row.get_by_role("link", name="Set a price").click()
    admin.get_by_label("Output").fill("5")
    admin.get_by_role("textbox", name="Reason:").fill("The new list")
    admin.get_by_role("button", name="Preview").click()
    expect(admin.get_by_role("row", name=re.compile("Output 2 5 .150 %"))).to_be_visible()
    admin.get_by_label("Yes, this is what I want").check()
    admin.get_by_role("button", name="Confirm").click()
    expect(admin.get_by_text(re.compile("Saved for .*0.4 in, 5 out"))).to_be_visible()
    in_force = admin.locator("#result_list tbody tr", has_text="In force")
    expect(in_force).to_contain_text("The new list")
    in_force.get_by_role("link", name="Undo").click()
    expect(admin.get_by_role("row", name=re.compile("Output 5 2 .60 %"))).to_be_visible()
    admin.get_by_role("textbox", name="Reason:").fill("Mistyped")
    admin.get_by_label("Yes, this is what I want").check()
    admin.get_by_role("button", name="Confirm").click()
    expect(in_force).to_contain_text("Mistyped")
    expect(admin.locator("#result_list tbody tr")).to_have_count(3)
    assert "sound" in own_site.command("audit_ledger")


def test_a_member_adds_replaces_and_removes_an_own_key(visit, own_site, real_host):
    member = visit("person5@example.org")
    member.goto("/settings/keys/")
    card = member.get_by_role("region", name="DeepSeek V3.1")
    for key in ("sk-first-canary-0000", OWN_KEY):
        card.get_by_label(re.compile("Your key|Replace with")).fill(key)
        card.get_by_role("button", name=re.compile("Save|Replace")).click()
        expect(card).to_contain_text(f"…{key[-4:]}")
    assert OWN_KEY not in member.content()
    card.get_by_role("button", name=re.compile("^Test")).click()
    expect(card.get_by_role("alert")).to_contain_text(re.compile("Answered in .*Your own key: it cost no credits here"))
    expect(card.get_by_role("button", name=re.compile("^Test"))).to_be_focused()
    assert key_seen_by(real_host, "pong") == fingerprint(OWN_KEY)
    member.goto("/")
    choose(member, "deepseek-v31-terminus")
    send(member, '[[say="On my own key"]] ownword-1 Hello')
    finished(member)
    expect(log(member)).to_contain_text("On my own key")
    assert key_seen_by(real_host, "ownword-1") == fingerprint(OWN_KEY)
    expect(member.get_by_role("status", name="Balance")).to_contain_text(re.compile(r"1(\.0+)? credit"))
    member.goto("/settings/keys/")
    card.get_by_text(f"Remove …{OWN_KEY[-4:]}").click()
    card.get_by_role("button", name=re.compile("Remove the key")).click()
    expect(card).to_contain_text("No key of yours")
    assert "sound" in own_site.command("audit_ledger")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_of_the_admin_keeps_the_content_security_policy(visit, theme):
    admin = visit("admin@example.org")
    admin.emulate_media(color_scheme=theme)
    admin.goto("/admin/")
    pages = admin.locator("#content-main a").evaluate_all("links => links.map(link => link.pathname)")
    assert len(pages) > 10
    for page in sorted(set(pages)):
        assert admin.goto(page).status == 200
        expect(admin.locator("#content h1, #content h2").first).to_be_visible()
        rows = admin.locator("#result_list tbody th a").evaluate_all("links => links.map(link => link.pathname)")
        for row in rows[:1]:
            assert admin.goto(row).status == 200
            expect(admin.locator("#content h1, #content h2").first).to_be_visible()


def test_no_key_stands_in_the_database_in_clear(own_site):
    dump = (own_site.folder / "db.sqlite3").read_bytes()
    for name in ("db.sqlite3-wal",):
        if (own_site.folder / name).exists():
            dump += (own_site.folder / name).read_bytes()
    for key in (TEAM_KEY, OWN_KEY):
        assert key.encode() not in dump
        assert key[:16].encode() not in dump
