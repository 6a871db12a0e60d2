"""Whether the site here serves pages, asked as its proxy asks: python -m chatsite.health ends with 0 or 1."""

import os
import sys
from http.client import HTTPConnection, HTTPException

PATH = "/accounts/login/"  # it reads from the database
SECONDS = 5


def main() -> None:
    """Ask for a page; say what came instead of it."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatsite.settings")
    from django.conf import settings

    # Without these two the site would send every question to its https address, or know nobody of that name.
    headers = {"Host": settings.SITE.netloc, "X-Forwarded-Proto": settings.SITE.scheme}
    connection = HTTPConnection("127.0.0.1", settings.PORT, timeout=SECONDS)
    try:
        connection.request("GET", PATH, headers=headers)
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        sys.exit(f"Port {settings.PORT} does not answer: {error}")
    sys.exit(None if status == 200 else f"{PATH} answered {status}")


if __name__ == "__main__":
    main()
