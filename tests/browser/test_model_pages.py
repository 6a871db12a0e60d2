"""The models' pages in a browser: by keyboard, on a phone, light and dark, and what a call changes."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import choose, finished, send, sign_in
from tests.site import wait_until

PAGE = "/models/deepseek-ai/DeepSeek-V3/"
CONTRASTS = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true })
  const light = (color) => {
    canvas.fillStyle = color
    canvas.fillRect(0, 0, 1, 1)
    const linear = (v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((v) => linear(v / 255))
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const behind = (each) => {
    while (each && getComputedStyle(each).backgroundColor === "rgba(0, 0, 0, 0)") each = each.parentElement
    return getComputedStyle(each ?? document.documentElement).backgroundColor
  }
  const ratio = (each) => {
    const [a, b] = [light(getComputedStyle(each).color), light(behind(each))].sort((x, y) => y - x)
    return (a + 0.05) / (b + 0.05)
  }
  return [...document.querySelectorAll("main :is(.health, .badge, dt, .muted, .code__bar, td, .pick)")].map(ratio)
}"""


@pytest.fixture
def admin(quiet):
    sign_in(quiet, "admin@example.org")
    expect(quiet.get_by_role("textbox", name="Message")).to_be_visible()
    return quiet


def test_the_list_leads_to_a_page_and_the_page_to_a_chat_with_the_model(admin):
    admin.goto("/models/")
    admin.get_by_role("link", name="DeepSeek V3", exact=True).click()
    expect(admin.get_by_role("heading", level=1, name="DeepSeek V3")).to_be_visible()
    admin.get_by_role("link", name="Chat with it").click()
    expect(admin.get_by_role("combobox", name="Model")).to_have_value("deepseek-ai/DeepSeek-V3")


def test_language_and_answer_are_chosen_by_keyboard_and_one_request_is_shown(admin):
    admin.goto(PAGE)
    shown = admin.locator(".snippet:visible")
    expect(shown).to_have_count(1)
    expect(shown).to_contain_text("curl https://api.deepinfra.com/v1/openai/chat/completions")
    admin.get_by_role("radio", name="cURL").focus()
    admin.keyboard.press("ArrowRight")
    expect(shown).to_contain_text("import requests")
    admin.keyboard.press("Tab")
    admin.keyboard.press("ArrowRight")
    expect(admin.get_by_role("radio", name="Streamed")).to_be_checked()
    expect(shown).to_have_count(1)
    expect(shown).to_contain_text('"stream": True')
    admin.keyboard.press("Tab")
    expect(shown.get_by_role("button", name="Copy the Python request, streamed")).to_be_focused()


def test_what_is_copied_is_what_is_shown(admin):
    admin.context.grant_permissions(["clipboard-read", "clipboard-write"])
    admin.goto(PAGE)
    admin.get_by_role("button", name="Copy the public name").click()
    expect(admin.locator("button[data-done]")).to_have_count(1)
    assert admin.evaluate("navigator.clipboard.readText()") == "deepseek-ai/DeepSeek-V3"
    admin.get_by_role("button", name="Copy the cURL request", exact=True).click()
    expect(admin.locator(".snippet [data-done]")).to_have_count(1)
    assert admin.evaluate("navigator.clipboard.readText()") == admin.locator(".snippet:visible pre").inner_text()


def test_the_schemas_open_by_keyboard(admin):
    admin.goto(PAGE)
    schema = admin.get_by_label("One event of a stream")
    expect(schema).to_be_hidden()
    admin.locator("summary", has_text="Output Schema").focus()
    admin.keyboard.press("Enter")
    expect(schema).to_be_visible()
    expect(schema).to_contain_text("chat.completion.chunk")


@pytest.mark.parametrize("address", ["/models/", PAGE])
def test_on_a_phone_only_boxes_scroll_and_everything_can_be_read(admin, address):
    admin.set_viewport_size({"width": 390, "height": 844})
    admin.goto(address)
    for fold in admin.locator("summary:visible").all():
        fold.click()
    admin.locator(".mono, .model__name code").first.evaluate("name => name.textContent = 'long-public-name'.repeat(9)")
    assert admin.evaluate("document.documentElement.scrollWidth") == 390
    for theme in ("light", "dark"):
        admin.emulate_media(color_scheme=theme)
        assert min(admin.evaluate(CONTRASTS)) >= 4.5
    for box in admin.locator(".table__scroll:visible, .code pre:visible").all():
        assert (box.get_attribute("tabindex"), box.evaluate("box => getComputedStyle(box).overflowX")) == ("0", "auto")


def test_without_javascript_the_tabs_work_all_the_same(site, browser, browser_context_args):
    context = browser.new_context(**browser_context_args, java_script_enabled=False)
    page = context.new_page()
    sign_in(page, "admin@example.org")
    page.goto(PAGE)
    page.get_by_text("JavaScript", exact=True).click()
    shown = page.locator(".snippet:visible")
    expect(shown).to_have_count(1)
    expect(shown).to_contain_text("await fetch(")
    expect(page.get_by_role("button", name=re.compile("^Copy"))).to_have_count(0)
    context.close()


def test_an_answer_in_the_chat_is_a_call_on_the_models_page(chat):
    choose(chat, "deepseek-coder")
    send(chat, '[[say="Done" reasoning=0]] Hello')
    finished(chat)
    health = chat.get_by_role("region", name="Health")
    wait_until(lambda: chat.goto("/models/deepseek-coder/") and "0 % of 1 call" in health.inner_text())
    expect(health).to_contain_text("Backend online")
    expect(health).to_contain_text(re.compile(r"First token, usually\s*0\.\d s"))
    expect(health.get_by_role("img", name=re.compile("The last hour: .*none failed"))).to_be_visible()
