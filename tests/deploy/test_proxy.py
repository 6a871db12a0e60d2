"""A site with an https address speaks http to its proxy, and believes what the proxy says about the client."""

import http.client

import pytest

from tests.deploy.deployment import Deployment

NAME = "chat.example.org"
FORWARDED = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.7"}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """One that listens, on SQLite."""
    folder = tmp_path_factory.mktemp("data")
    site = Deployment(folder, f"sqlite:///{folder / 'db.sqlite3'}", SITE_URL=f"https://{NAME}", REDIS_URL="")
    site.command("python", "manage.py", "migrate", "--verbosity", "0")
    site.serving()
    yield site
    site.stop()


def answer(site, **headers):
    """Status and headers of the first page, asked for as the proxy asks."""
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=10)
    connection.request("GET", "/accounts/login/", headers={"Host": NAME} | headers)
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status, response.headers


def test_what_came_by_https_is_answered_and_not_sent_round_in_a_circle(site):
    status, headers = answer(site, **FORWARDED)
    assert status == 200
    assert headers["Strict-Transport-Security"].startswith("max-age=31536000")


def test_what_came_by_http_is_sent_to_the_whole_https_address(site):
    status, headers = answer(site, **FORWARDED | {"X-Forwarded-Proto": "http"})
    assert (status, headers["Location"]) == (301, f"https://{NAME}/accounts/login/")


def test_another_name_is_not_answered(site):
    assert answer(site, Host="evil.example.org", **FORWARDED)[0] == 400


def test_the_question_about_its_health_goes_the_same_way(site):
    ask = site.start_words("python", "-m", "chatsite.health")
    assert (ask.finish(), ask.lines) == (0, [])


def test_a_site_that_is_not_there_is_not_healthy(site):
    ask = site.start_words("python", "-m", "chatsite.health", PORT="1")
    assert (ask.finish(), ask.lines) == (1, ["Port 1 does not answer: [Errno 111] Connection refused"])


def test_a_site_that_answers_something_else_is_not_healthy(site):
    ask = site.start_words("python", "-m", "chatsite.health", SITE_URL="https://elsewhere.example.org")
    assert (ask.finish(), ask.lines) == (1, ["/accounts/login/ answered 400"])
