"""A fail point kills for tests alone: nobody arms one by a slip."""

import os
import signal
import subprocess
import sys

import pytest

from accounts import fail_points
from chatsite.checks import check_settings
from tests.live.crash_story import EXPECTED
from tests.site import ROOT

REACH = "from accounts import fail_points; fail_points.reached('mid_stream'); print('alive')"


def run(**variables):
    """A process that comes to `mid_stream`: how it ended and what it said."""
    environment = {"PATH": os.environ["PATH"]} | variables
    done = subprocess.run(
        [sys.executable, "-c", REACH], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_an_armed_point_kills_at_once():
    assert run(FAIL_POINT="mid_stream", FAIL_POINTS_ALLOWED="1") == (-signal.SIGKILL, "")


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"FAIL_POINT": "mid_stream"},
        {"FAIL_POINT": "mid_stream", "FAIL_POINTS_ALLOWED": "0"},
        {"FAIL_POINTS_ALLOWED": "1"},
        {"FAIL_POINT": "after_hold", "FAIL_POINTS_ALLOWED": "1"},
    ],
)
def test_any_other_is_passed_by(variables):
    assert run(**variables) == (0, "alive\n")


@pytest.mark.parametrize(
    ("wanted", "allowed", "url", "codes"),
    [
        ("", False, "https://chat.example.org", []),
        ("mid_stream", True, "http://127.0.0.1:8000", []),
        ("mid_stream", False, "http://127.0.0.1:8000", ["chatsite.E009"]),
        ("", True, "http://127.0.0.1:8000", ["chatsite.E009"]),
        ("mid_stream", True, "https://chat.example.org", ["chatsite.E009"]),
        ("nowhere", True, "http://127.0.0.1:8000", ["chatsite.E010"]),
    ],
)
def test_the_settings_are_refused_unless_a_test_wants_exactly_this(settings, monkeypatch, wanted, allowed, url, codes):
    settings.SITE_URL = url
    monkeypatch.setattr(fail_points, "WANTED", wanted)
    monkeypatch.setattr(fail_points, "ALLOWED", allowed)

    assert [message.id for message in check_settings()] == codes


def test_each_point_is_died_at():
    assert tuple(EXPECTED) == fail_points.POINTS
