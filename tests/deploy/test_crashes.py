"""Killed at any moment of a turn, a site on PostgreSQL comes back with every promise kept."""

import pytest

from tests.live.crash_story import Crashing, each_crash, survive
from tests.site import Site


@pytest.fixture(scope="module")
def crashing(database):
    crashing = Crashing(Site(DATABASE_URL=database.url), database.rows)
    yield crashing
    crashing.close()


@each_crash
def test_a_site_that_was_killed_keeps_its_promises(crashing, point):
    survive(crashing, point)
