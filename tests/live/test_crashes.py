"""Killed at any moment of a turn, a site on SQLite comes back with every promise kept."""

import sqlite3
from contextlib import closing

import pytest

from tests.live.crash_story import Crashing, each_crash, survive
from tests.site import Site


@pytest.fixture(scope="module")
def crashing():
    site = Site()

    def rows(question):
        with closing(sqlite3.connect(site.folder / "db.sqlite3")) as connection:
            return connection.execute(question).fetchall()

    crashing = Crashing(site, rows)
    yield crashing
    crashing.close()


@each_crash
def test_a_site_that_was_killed_keeps_its_promises(crashing, point):
    survive(crashing, point)
