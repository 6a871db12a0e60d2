"""The time zone of a browser."""

from zoneinfo import ZoneInfo

from django.http import HttpRequest


def zone_of(request: HttpRequest) -> ZoneInfo | None:
    """From the cookie that our script leaves; None, the site's, when it is missing or made up."""
    try:
        return ZoneInfo(request.COOKIES["tz"])
    except (KeyError, ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError
        return None
