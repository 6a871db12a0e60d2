"""Moments at which a test lets this process die, as when its machine loses power. On a real site none is armed."""

import os
import signal
from typing import Final, Literal, get_args

Point = Literal["after_hold", "after_started", "mid_stream", "before_settle", "inside_settle", "after_settle"]

POINTS: Final = get_args(Point)
# Two variables, so that a slip of the pen arms nothing; `chatsite/checks.py` refuses either one alone.
WANTED: Final = os.environ.get("FAIL_POINT", "")
ALLOWED: Final = os.environ.get("FAIL_POINTS_ALLOWED", "") == "1"
_armed = WANTED if ALLOWED else ""


def reached(point: Point) -> None:
    """Nothing, unless a test has armed this very point: then the process ends here and now, and cleans nothing up."""
    if _armed == point:
        os.kill(os.getpid(), signal.SIGKILL)
