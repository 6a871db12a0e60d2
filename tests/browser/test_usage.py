"""Money as a member reads it in a browser: the receipt behind an answer, the month, the list and its export."""

import csv
import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import answer, choose, finished, send

MODEL = "deepseek-v31-terminus"
WORDS = re.compile(r"^\d+ in × 0\.40 \+ \d+ out × 2\.00 per million, .*price of \d{4}-\d\d-\d\d; counted here$")


def ask(page):
    choose(page, MODEL)
    send(page, "[[length=60 speed=0]] What does it cost?")
    finished(page)


def cost(page):
    return answer(page).locator("summary", has_text="credits")


def test_the_cost_of_an_answer_opens_to_its_receipt_also_by_keyboard(chat):
    ask(chat)
    expect(chat.locator(".receipt")).to_have_count(0)
    cost(chat).focus()
    chat.keyboard.press("Enter")
    receipt = answer(chat).locator(".receipt")
    expect(receipt).to_be_visible()
    exact = cost(chat).get_attribute("title").removesuffix(" credits")
    assert receipt.get_by_role("row", name="Charged").inner_text().split()[-1].rstrip("0") == exact


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_and_a_row_opens_to_its_receipt(chat, width, scheme):
    ask(chat)
    chat.set_viewport_size({"width": width, "height": 860})
    chat.emulate_media(color_scheme=scheme)
    chat.goto("/settings/usage/")
    expect(chat.get_by_role("img", name=re.compile("The dearest day was"))).to_be_visible()
    expect(chat.get_by_text("To try it")).to_be_visible()
    chat.locator("summary", has_text="counted here").click()
    receipt = chat.locator(".receipt").filter(visible=True)
    expect(receipt.get_by_role("columnheader", name="Price per million")).to_be_visible()
    assert chat.evaluate("document.documentElement.scrollWidth <= innerWidth")
    chat.get_by_role("link", name="Receipt as a page").click()
    expect(chat.get_by_role("heading", level=1, name="Receipt")).to_be_visible()
    expect(chat.get_by_text(WORDS)).to_be_visible()


def test_the_sum_of_a_model_leads_to_its_charges_and_they_can_be_saved(chat):
    ask(chat)
    chat.goto("/settings/usage/")
    chat.get_by_role("region", name="Totals by model").get_by_role("link", name=MODEL).click()
    expect(chat).to_have_url(re.compile(rf"model={MODEL}"))
    expect(chat.get_by_text("To try it")).to_have_count(0)
    with chat.expect_download() as saved:
        chat.get_by_role("link", name="This list as CSV").click()
    with saved.value.path().open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert row["model"] == MODEL
    assert re.fullmatch(r"0\.000\d{1,6}", row["charged_credits"])


def test_without_javascript_the_cost_leads_to_the_receipt(browser, chat, person, site):
    ask(chat)
    context = browser.new_context(
        base_url=site.url, java_script_enabled=False, storage_state=chat.context.storage_state()
    )
    page = context.new_page()
    page.goto(chat.url)
    cost(page).click()
    answer(page).get_by_role("link", name="Receipt").click()
    expect(page.get_by_role("heading", level=1, name="Receipt")).to_be_visible()
    context.close()
