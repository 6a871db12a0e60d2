"""What a first visit may cost, over the wire and in the console."""

from urllib.parse import urlsplit

from playwright.sync_api import expect

from tests.browser.conftest import sign_in

MOST_REQUESTS = 12
MOST_BYTES = 100_000


def test_the_first_chat_page_is_small_and_asks_nobody_else(quiet, person, browser, site):
    sign_in(quiet, person)
    expect(quiet.get_by_role("textbox", name="Message")).to_be_visible()
    cold = browser.new_context(base_url=site.url, storage_state=quiet.context.storage_state())
    page = cold.new_page()
    asked, weighed, said = [], [], []
    page.on("console", lambda message: said.append(message.text))
    wire = cold.new_cdp_session(page)
    wire.send("Network.enable")
    wire.on("Network.requestWillBeSent", lambda event: asked.append(event["request"]["url"]))
    wire.on("Network.loadingFinished", lambda event: weighed.append(event["encodedDataLength"]))

    page.goto("/", wait_until="networkidle")

    expect(page.get_by_role("textbox", name="Message")).to_be_focused()
    over_the_wire = [url for url in asked if not url.startswith("data:")]
    assert {urlsplit(url).netloc for url in over_the_wire} == {urlsplit(site.url).netloc}
    assert 8 < len(over_the_wire) <= MOST_REQUESTS, over_the_wire
    assert 30_000 < sum(weighed) <= MOST_BYTES
    assert said == []
    cold.close()
