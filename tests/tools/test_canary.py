"""The watch finds a key that shows, however it is written, and fails the session that showed it."""

import base64
import json
import subprocess
import sys
from urllib.parse import quote

import pytest
from django.db import connection

from tests.canary import CANARY, Secret, Watch
from tests.factories import make_user
from tests.site import ROOT, inherited

DECOY = "sk-decoy-5Tg/Yh8+Nm3Kl6Pq0Sd4Fv7Bx2Cw-abcd"
SHOWING = f"""
import logging
import pytest
from django.test import Client
from accounts.models import User
from channels.testing import WebsocketCommunicator
KEY = "{CANARY}"

def test_log():
    logging.getLogger("django.server").warning("Called with %s", KEY.encode().hex())

def test_traceback():
    try:
        raise ValueError(KEY[:20])
    except ValueError:
        logging.getLogger("providers").exception("It failed")

def test_output():
    print("so", KEY)

@pytest.mark.django_db
def test_page():
    User.objects.create_user(email="alice@example.org")
    Client().post("/accounts/login/", {{"login": KEY}})

@pytest.mark.django_db
def test_headers():
    Client().get("/settings/keys/", {{"next": KEY}})

@pytest.mark.django_db
def test_statement():
    User.objects.filter(name=KEY).exists()

async def test_frame():
    async def echo(scope, receive, send):
        await receive()
        await send({{"type": "websocket.accept"}})
        await send({{"type": "websocket.send", "text": KEY[-20:]}})
    socket = WebsocketCommunicator(echo, "/")
    await socket.connect()
    await socket.receive_from()
    await socket.disconnect()
"""
PLACES = {
    "test_log": "the log of django.server: its end in hex, its beginning in hex (",
    "test_traceback": "a traceback in the log of providers: its beginning plain (",
    "test_output": "Captured stdout call of test_showing.py::test_output: its end plain, its beginning plain (",
    "test_page": "the page /accounts/login/: its end plain, its beginning plain (",
    "test_headers": "the headers of /settings/keys/: ",
    "test_statement": "a value for SELECT ",
    "test_frame": "a frame of a socket: its end plain (",
}
SILENT = """
def test_log():
    print("sk-canary-")
"""


def session(folder, tests):
    """Run such tests in a session of their own: how it ended, and what it said."""
    (folder / "test_showing.py").write_text(tests)
    words = ["-p", "tests.canary", "-p", "no:cacheprovider", "-c", "pyproject.toml", "-q", str(folder)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words], cwd=ROOT, env=inherited(), capture_output=True, text=True
    )
    return done.returncode, done.stdout + done.stderr


def test_a_session_that_shows_the_key_fails_and_names_every_place(tmp_path):
    status, said = session(tmp_path, SHOWING)
    assert status == 1
    assert "7 passed" in said
    for test, place in PLACES.items():
        assert f"CANARY SEEN in {place}" in said
        assert f"test_showing.py::{test} (" in said.partition(f"CANARY SEEN in {place}")[2].partition("\n")[0]


def test_a_session_that_shows_nothing_passes(tmp_path):
    status, said = session(tmp_path, SILENT)
    assert (status, "CANARY" in said) == (0, False)


SPELT = {
    "as it is": DECOY,
    "its beginning": DECOY[:20],
    "its end": DECOY[-20:],
    "in an address": quote(DECOY, safe=""),
    "in a credential": base64.b64encode(f"user:{DECOY}".encode()).decode(),
    "in hex": DECOY.encode().hex(),
    "in upper-case hex": DECOY.encode().hex().upper(),
    "in JSON": json.dumps(DECOY).replace("/", "\\/"),
}


@pytest.mark.parametrize("spelt", SPELT)
def test_it_is_found_however_it_is_spelt(spelt):
    text = f"before {SPELT[spelt]} after"
    assert Secret(DECOY).seen_in(text)
    assert Secret(DECOY).seen_in(text.encode())


@pytest.mark.parametrize("before", range(6))
def test_it_is_found_in_base64_wherever_it_begins(before):
    text = base64.b64encode(bytes(before) + DECOY.encode() + b"after").decode()
    assert len(Secret(DECOY).seen_in(text)) == 2  # beginning and end


def test_what_only_looks_like_it_is_no_sighting():
    assert Secret(DECOY).seen_in(f"{DECOY[:19]} {DECOY[-19:]} {CANARY}") == []


def test_files_are_looked_at_byte_by_byte(tmp_path):
    watch = Watch(DECOY)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "wal").write_bytes(b"\xff\x00" + DECOY.encode() + b"\x00")
    watch.look_at_files(tmp_path)
    (sighting,) = watch.sightings
    assert sighting.startswith(f"the file {tmp_path}/deep/wal: its end plain, its beginning plain (")


def test_rows_are_looked_at_in_every_table(db):
    watch = Watch(DECOY)
    make_user(name=DECOY)
    watch.look_at_rows(connection)
    (sighting,) = watch.sightings
    assert sighting.startswith("the table accounts_user: ")
