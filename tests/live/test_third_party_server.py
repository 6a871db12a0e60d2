"""A chat with a server that is not ours: llama.cpp, unmodified, in its own process, behind a whole site."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from uuid import UUID, uuid4

import pytest

from tests.deploy.person import ALICE, Person
from tests.live import tiny_model
from tests.site import ROOT, Site

KEY, WRONG_KEY = "sk-on-our-machine-5c0f27d1", "sk-on-another-machine-9b3e"
SAYS = "Bonjour! I am a model of 64 numbers. ☕"  # 11 words and their end: 12 tokens
DEPLOYMENT = """
[[deployments]]
model = "{model}"
title = "Llama on our machine"
dialect = "{dialect}"
base_url = "{url}"
upstream_model = "tiny"
key_env = "{key_env}"
context_window = 2048
max_output = 512
input_price = "10"
output_price = "20"
"""
KEYS = {"LLAMA_KEY": KEY, "WRONG_KEY": WRONG_KEY}


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    """The address of a running llama.cpp that wants KEY."""
    folder = tmp_path_factory.mktemp("llama")
    model = tiny_model.write(folder / "tiny.gguf")
    with (folder / "log").open("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.live.llama_server", model],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "LLAMA_API_KEY": KEY},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        with process.stdin, process.stdout:
            address = process.stdout.readline().strip()
            assert address, (folder / "log").read_text()
            yield address
            process.stdin.close()
            assert process.wait(10) == 0


@pytest.fixture(scope="module")
def site(llama, tmp_path_factory):
    """A site that was told of it as the README says."""
    file = tmp_path_factory.mktemp("models") / "models.toml"
    known = {"model": "llama", "dialect": "openai", "url": f"{llama}/v1", "key_env": "LLAMA_KEY"}
    # The same server. A probe of this dialect takes no key along, so that a chat is the first to hear of the refusal.
    stranger = {"model": "stranger", "dialect": "thinking", "url": llama, "key_env": "WRONG_KEY"}
    file.write_text(DEPLOYMENT.format(**known) + DEPLOYMENT.format(**stranger))
    site = Site(PRIVATE_UPSTREAMS=llama.removeprefix("http://")).start()
    site.command("apply", str(file), **KEYS)
    site.python(ALICE)
    yield site
    site.stop()


@pytest.fixture
def alice(site):
    with Person(site.url) as alice:
        alice.sign_in()
        yield alice


def ask(alice, socket, text, model="llama", **place):
    """Send a message; its `turn.started`, and how it ended."""
    alice.frames = []
    socket.send(json.dumps({"type": "send", "text": text, "model": model, "client_id": str(uuid4())} | place))
    return alice.until(socket, "turn.started"), alice.until(socket, "turn.ended")["status"]


def row(site, question, value):
    with closing(sqlite3.connect(site.folder / "db.sqlite3")) as database:
        return database.execute(question, [value]).fetchone()


def usage(site, started):
    columns = "outcome, source, simulated, prompt_tokens, completion_tokens, charge"
    subject = f"generation:{started['generation']}"
    return row(site, f"SELECT {columns} FROM billing_usagerecord WHERE subject = ?", subject)


def text(site, started):
    return row(site, "SELECT text FROM conversations_message WHERE id = ?", UUID(started["message"]).hex)[0]


def test_what_it_says_is_streamed_stored_and_charged_as_it_reports(alice, site):
    with alice.socket() as socket:
        started, status = ask(alice, socket, "Hello")
    assert (status, alice.text(), text(site, started)) == ("done", SAYS, SAYS)
    # “user: Hello\nassistant:” in bytes, of which a space has three, one more space before it, and its beginning
    assert usage(site, started) == ("done", "reported", 0, 28, 12, 28 * 10_000 + 12 * 20_000)
    assert SAYS in alice.http.get(f"/c/{started['conversation']}").text
    assert "sound" in site.command("audit_ledger")


def test_the_next_question_brings_what_was_said_before(alice, site):
    with alice.socket() as socket:
        first, _ = ask(alice, socket, "Hello again")
        place = {"conversation": first["conversation"], "parent": first["message"]}
        second, status = ask(alice, socket, "And?", **place)
    assert (status, text(site, second)) == ("done", SAYS)
    assert usage(site, second) == ("done", "reported", 0, 101, 12, 101 * 10_000 + 12 * 20_000)


def test_a_key_that_it_refuses_is_told_in_words_and_costs_nothing(alice, site):
    with alice.socket() as socket:
        started, status = ask(alice, socket, "Hello", model="stranger")
    assert (status, text(site, started)) == ("failed", "")
    assert usage(site, started)[-1] == 0
    page = alice.http.get(f"/c/{started['conversation']}").text
    assert "The provider does not accept the key of this site." in page
    assert WRONG_KEY not in page + "".join(site.lines)
