"""What the simulated upstream remembers of its visitors."""

import contextlib
import socket
import struct
import time

import pytest

from .peer import wait_until


def test_a_request_is_remembered_without_its_key(simulator):
    simulator.chat("Hi [[length=6]]")
    (row,) = simulator.journal()
    assert (row["method"], row["path"], row["status"]) == ("POST", "/v1/chat/completions", 200)
    assert row["body"]["messages"] == [{"role": "user", "content": "Hi [[length=6]]"}]
    assert "Authorization" in row["headers"]
    assert row["key"] == "dba2fb03"  # the first eight digits of the SHA-256 of "a-good-key"
    assert (row["tokens_sent"], row["open"], row["disconnected"]) == (6, False, False)
    assert row["started"] <= row["first_token"] <= row["finished"]
    assert "a-good-key" not in str(row)


def test_refusals_are_remembered_too(simulator):
    simulator.request("GET", "/nowhere")
    simulator.segmind("Hi [[fail=500]]")
    assert [(row["path"], row["status"]) for row in simulator.journal()] == [
        ("/nowhere", 404),
        ("/v1/deepseek-chat", 500),
    ]


def test_a_body_that_is_no_json_is_remembered_as_text(simulator):
    simulator.post("/v1/chat/completions", b"{oops")
    assert simulator.journal()[0]["body"] == "{oops"


def test_delete_forgets(simulator):
    simulator.chat("Hi [[length=1]]")
    assert simulator.forget().status == 204
    assert simulator.journal() == []


def test_only_the_last_200_are_kept(simulator):
    connection = simulator.connect()
    with contextlib.closing(connection):
        for number in range(203):
            connection.request("GET", f"/{number}")
            connection.getresponse().read()
    rows = simulator.journal()
    assert (len(rows), rows[0]["path"], rows[-1]["path"]) == (200, "/3", "/202")


def test_large_bodies_are_let_go_oldest_first(simulator):
    for _ in range(3):
        simulator.post("/v1/chat/completions", b" " * 7_000_000 + b"{}")
    assert [row["body"] for row in simulator.journal()] == [None, {}, {}]


@pytest.mark.parametrize("goodbye", ["close", "reset"])
@pytest.mark.parametrize(
    "story", ["[[speed=50 length=2000]]", "[[delay=60]]", "[[speed=0 fail_after=3 fail_mode=hang]]"]
)
def test_a_client_that_hangs_up_is_noticed_at_once(simulator, goodbye, story):
    client = simulator.open_stream(story)
    client.recv(100)
    wait_until(lambda: simulator.journal()[0]["open"])
    if goodbye == "reset":
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    left = time.time()
    client.close()
    row = wait_until(lambda: (row := simulator.journal()[0])["disconnected"] and row)
    assert row["open"] is False
    assert row["finished"] - left < 0.25  # it takes a few milliseconds; the rest is for a busy machine
    time.sleep(0.1)
    assert simulator.journal()[0]["tokens_sent"] == row["tokens_sent"]


def test_a_break_made_here_is_nobody_elses_hanging_up(simulator):
    client = simulator.open_stream("[[speed=0 fail_after=3 fail_mode=close]]")
    with contextlib.closing(client):
        while client.recv(9000):
            pass
    (row,) = simulator.journal()
    assert (row["tokens_sent"], row["disconnected"], row["open"]) == (3, False, False)
