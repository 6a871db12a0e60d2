"""A real Chromium on a real site with a real simulated upstream. Tests find things by role and name."""

import itertools
import os
import shutil

import pytest
from playwright.sync_api import expect

from tests.site import Site

PASSWORD = "lamb-two-ways-41"
PEOPLE = 64
USERS = f"""
from accounts.models import User
from billing.services import grant
boss = User.objects.create_superuser(email="admin@example.org", password="{PASSWORD}")
for number in range({PEOPLE}):
    email = f"person{{number}}@example.org"
    user = User.objects.create_user(email=email, password="{PASSWORD}", name=f"Person {{number}}")
    grant(user=user, amount=10**9, reason="To try it")
"""

expect.set_options(timeout=10_000)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args):
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    return {**browser_type_launch_args, "executable_path": chromium, "args": flags}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args, site):
    return {**browser_context_args, "base_url": site.url, "viewport": {"width": 1280, "height": 800}}


@pytest.fixture(scope="session")
def site():
    site = Site().start()
    site.python(USERS)
    yield site
    site.stop()


@pytest.fixture(scope="session")
def numbers():
    return itertools.count()


@pytest.fixture
def person(numbers):
    """The e-mail of somebody with exactly 1 credit whom no other test uses."""
    number = next(numbers)
    assert number < PEOPLE, "more tests than people: raise PEOPLE"
    return f"person{number}@example.org"


@pytest.fixture
def quiet(page):
    """Fails when a page logs an error, throws, or breaks the content security policy."""
    said = []
    page.set_default_timeout(8_000)
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    yield page
    assert said == []


@pytest.fixture
def chat(quiet, person):
    """The chat page of a person who has just signed in."""
    sign_in(quiet, person)
    expect(quiet.get_by_role("textbox", name="Message")).to_be_visible()
    return quiet


def sign_in(page, email, password=PASSWORD):
    page.goto("/accounts/login/")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in").click()


def send(page, text):
    page.get_by_role("textbox", name="Message").fill(text)
    page.get_by_role("button", name="Send").click()


def log(page):
    return page.get_by_role("log", name="Messages")


def answer(page):
    """The last answer alone: what was asked stands in the log too."""
    return log(page).get_by_role("article").last


def choose(page, model):
    """Choose a model by its public name."""
    picker = page.get_by_role("combobox", name="Model")
    value = picker.locator("option", has_text=model).first.get_attribute("value")
    picker.select_option(value)


def finished(page):
    """Wait until what was sent has been accepted and nothing is being written any more."""
    expect(page.get_by_role("textbox", name="Message")).to_have_value("")
    expect(page.get_by_role("button", name="Stop")).to_have_count(0, timeout=20_000)
