"""The chosen model's parameters behind the gear: typed, refused, reset, kept with the chat, carried to other models."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import answer, choose, finished, log, send, sign_in

V3, V31 = "deepseek-ai/DeepSeek-V3", "deepseek-v31-terminus"
SHORT = "[[speed=0 length=5]] Hello"
# It shows the parameters of `openai`; the only place that serves it lacks most of them.
NARROW = """
from billing.models import Price
from billing.services import set_price
from providers.models import Deployment, Model
model = Model.objects.create(name="narrow", title="Narrow", dialect="openai", position=999)
place = Deployment.objects.create(
    model=model, dialect="eigenai", base_url="https://app.eigenai.com", upstream_model="narrow",
    context_window=8000, max_output=800, documented=True,
)
set_price(deployment=place, input=0, output=0, source=Price.Source.DOCUMENTED)
"""


@pytest.fixture
def narrow(site):
    site.python(NARROW)
    yield "narrow"
    site.python('from providers.models import Model; Model.objects.filter(name="narrow").update(enabled=False)')


def gear(page):
    return page.get_by_label("Parameters", exact=True)


def form(page):
    return page.locator("#parameters")


def parameter(page, label):
    return form(page).get_by_label(re.compile(rf"^{label}\b"))


def set_to(page, **values):
    """Open the form and type these values, by name."""
    if not form(page).is_visible():
        gear(page).click()
    for name, value in values.items():
        form(page).locator(f'[name="{name}"]').fill(value)


def shows(page, model):
    expect(form(page).locator(f'[data-model="{model}"]')).to_have_count(1)


def test_a_bad_value_is_refused_beside_its_field_before_anything_is_sent(chat):
    choose(chat, V3)
    shows(chat, V3)
    set_to(chat, top_p="0", top_k="999")
    top_p = parameter(chat, "Top p")
    chat.keyboard.press("Escape")
    expect(form(chat)).to_be_hidden()

    message = chat.get_by_role("textbox", name="Message")
    message.fill(SHORT)
    message.press("Enter")

    expect(form(chat)).to_be_visible()
    expect(top_p).to_be_focused()
    expect(top_p).to_have_attribute("aria-invalid", "true")
    expect(top_p).to_have_accessible_description(re.compile(r"^Must be a number over 0, up to 1\."))
    expect(log(chat).get_by_role("article")).to_have_count(0)
    expect(message).to_have_value(SHORT)

    top_p.fill("0.5")
    expect(top_p).not_to_have_attribute("aria-invalid", "true")
    chat.get_by_role("button", name="Send").click()
    finished(chat)
    expect(log(chat).get_by_role("article")).to_have_count(2)
    expect(form(chat)).to_be_hidden()


@pytest.mark.parametrize(
    ("name", "text", "rule"),
    [
        ("top_k", "1000", "Must be a whole number from 0 to 999."),
        ("top_k", "4.5", "Must be a whole number from 0 to 999."),
        ("temperature", "2.01", "Must be a number from 0 to 2."),
        ("stop", "\n".join("x" * 17), "Must be at most 16 lines of up to 200 characters."),
    ],
)
def test_what_breaks_a_rule_says_so_when_its_field_is_left(chat, name, text, rule):
    choose(chat, V3)
    shows(chat, V3)
    set_to(chat, **{name: text})
    chat.keyboard.press("Tab")
    expect(form(chat).locator(f"#parameter-{name}-error")).to_have_text(rule)


def test_values_are_kept_with_the_chat_until_they_are_reset(chat, person, browser, site):
    set_to(chat, temperature="0.30", max_tokens="4096")
    expect(gear(chat)).to_contain_text("1 set")  # 4096 is what is documented
    send(chat, SHORT)
    finished(chat)

    chat.reload()
    expect(gear(chat)).to_contain_text("1 set")
    send(chat, SHORT)  # with what the chat has, although nobody opened the form
    finished(chat)
    chat.reload()
    expect(gear(chat)).to_contain_text("1 set")
    gear(chat).click()
    expect(parameter(chat, "Temperature")).to_have_value("0.3")

    elsewhere = browser.new_context(base_url=site.url)
    page = elsewhere.new_page()
    sign_in(page, person)
    page.goto(chat.url)
    gear(page).click()
    expect(parameter(page, "Temperature")).to_have_value("0.3")
    elsewhere.close()

    form(chat).get_by_role("button", name="Reset").click()
    expect(parameter(chat, "Temperature")).to_have_value("")
    expect(parameter(chat, "Temperature")).to_have_attribute("placeholder", "default 0.7")
    expect(gear(chat)).not_to_contain_text("set")
    send(chat, SHORT)
    finished(chat)
    chat.reload()
    expect(gear(chat)).not_to_contain_text("set")
    chat.goto("/")
    expect(gear(chat)).not_to_contain_text("set")


def test_answering_again_uses_what_the_form_shows_now(chat):
    send(chat, "[[speed=0]] Hello")
    finished(chat)
    set_to(chat, max_tokens="0")
    answer(chat).get_by_role("button", name="Regenerate").click()
    expect(parameter(chat, "Max tokens")).to_be_focused()
    set_to(chat, max_tokens="3")
    answer(chat).get_by_role("button", name="Regenerate").click()
    expect(answer(chat).get_by_text("2/2")).to_be_visible()
    expect(answer(chat).get_by_text("/ 3 out")).to_be_visible()


def test_another_model_keeps_what_both_know(chat):
    set_to(chat, temperature="0.4", top_p="0.5")
    choose(chat, V3)
    shows(chat, V3)
    expect(gear(chat)).to_contain_text("2 set")
    set_to(chat, min_p="0.1")
    expect(parameter(chat, "Temperature")).to_have_value("0.4")
    expect(parameter(chat, "Top p")).to_have_value("0.5")

    choose(chat, "segmind/deepseek-chat")
    expect(form(chat)).to_contain_text("This model takes no parameters.")
    expect(gear(chat)).not_to_contain_text("set")
    send(chat, SHORT)
    finished(chat)
    expect(log(chat).get_by_role("article")).to_have_count(2)

    choose(chat, V3)
    shows(chat, V3)
    expect(gear(chat)).to_contain_text("3 set")
    choose(chat, V31)
    shows(chat, V31)
    expect(gear(chat)).to_contain_text("2 set")


def test_a_model_chosen_while_another_ones_form_is_fetched_wins(chat):
    set_to(chat, temperature="0.4")
    chat.route("**/parameters?*DeepSeek-V3*", lambda route: chat.wait_for_timeout(300) or route.continue_())
    for model in (V3, "segmind/deepseek-chat", V3, V31):
        choose(chat, model)
    chat.unroute_all(behavior="wait")
    shows(chat, V31)
    expect(parameter(chat, "Temperature")).to_have_value("0.4")


def test_without_thinking_there_is_nothing_to_set_about_it(chat):
    gear(chat).click()
    effort = parameter(chat, "Reasoning effort")
    effort.select_option("High")
    expect(gear(chat)).to_contain_text("1 set")
    chat.locator("label", has_text="Thinking").click()
    gear(chat).click()
    expect(effort).to_be_disabled()
    expect(gear(chat)).not_to_contain_text("set")
    send(chat, SHORT)
    finished(chat)
    chat.reload()
    expect(chat.get_by_role("checkbox", name="Thinking")).not_to_be_checked()


def test_what_the_server_refuses_stands_beside_its_field(chat, narrow):
    chat.reload()
    choose(chat, narrow)
    shows(chat, narrow)
    set_to(chat, presence_penalty="1.5")
    send(chat, SHORT)
    field = parameter(chat, "Presence penalty")
    expect(field).to_be_focused()
    said = "This model has no presence_penalty: leave it out, or choose another model."
    expect(form(chat).locator("#parameter-presence_penalty-error")).to_have_text(said)
    expect(chat.locator("[data-part=alert]")).to_have_text(said)
    expect(chat.get_by_role("textbox", name="Message")).to_have_value(SHORT)
    field.fill("")
    chat.get_by_role("button", name="Send").click()
    finished(chat)


def test_the_form_is_used_by_keyboard_alone(chat):
    expect(chat.get_by_role("textbox", name="Message")).to_be_focused()
    for _ in range(3):
        chat.keyboard.press("Tab")
    expect(gear(chat)).to_be_focused()
    chat.keyboard.press("Enter")
    chat.keyboard.press("Tab")
    expect(form(chat).get_by_role("button", name="Reset")).to_be_focused()
    chat.keyboard.press("Tab")
    chat.keyboard.press("Tab")
    expect(parameter(chat, "Temperature")).to_be_focused()
    chat.keyboard.type("3")
    chat.keyboard.press("Enter")
    expect(parameter(chat, "Temperature")).to_be_focused()  # it is wrong, and nothing was sent
    chat.keyboard.press("Escape")
    expect(form(chat)).to_be_hidden()
    expect(gear(chat)).to_be_focused()


def test_on_a_phone_the_form_fits_and_scrolls_inside(chat):
    chat.set_viewport_size({"width": 390, "height": 664})
    choose(chat, V3)
    shows(chat, V3)
    gear(chat).click()
    box = form(chat).bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    assert box["y"] >= 0
    stop = parameter(chat, "Stop sequences")
    stop.scroll_into_view_if_needed()
    expect(stop).to_be_in_viewport()
    assert chat.evaluate("document.scrollingElement.scrollWidth") == 390


def test_without_javascript_a_refused_value_stays_in_the_open_form(browser, site, person):
    context = browser.new_context(base_url=site.url, java_script_enabled=False)
    page = context.new_page()
    sign_in(page, person)
    gear(page).click()
    parameter(page, "Temperature").fill("3")
    page.get_by_role("textbox", name="Message").fill(SHORT)
    page.get_by_role("button", name="Send").click()
    expect(form(page).locator("#parameter-temperature-error")).to_contain_text("0 ≤ temperature ≤ 2")
    expect(parameter(page, "Temperature")).to_have_value("3")
    expect(page.get_by_role("textbox", name="Message")).to_have_value(SHORT)
    parameter(page, "Temperature").fill("1")
    page.get_by_role("button", name="Send").click()
    page.wait_for_url("**/c/*")
    context.close()


def test_the_picker_says_how_each_model_is_doing_and_leads_to_its_page(chat):
    chat.get_by_role("combobox", name="Model").click()
    row = chat.locator("option", has_text="deepseek-ai/DeepSeek-V3")
    expect(row).to_be_visible()
    expect(row).to_contain_text(re.compile("Backend (online|degraded|offline)|Not checked yet"))
    expect(row.locator(".badge")).to_have_text(["Tools", "JSON"])
    chat.keyboard.press("Escape")
    chat.get_by_role("link", name="DeepSeek V3.1").click()
    chat.wait_for_url("**/models/deepseek-v31-terminus/")
