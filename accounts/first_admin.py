"""The first admin: made once, by whoever reads the one-time link where the server was started."""

from django.conf import settings
from django.db import connection, transaction
from django.urls import reverse
from django.utils.crypto import constant_time_compare, salted_hmac

from accounts.models import User

# Any number that nothing else in the database locks: "admin" in ASCII.
LOCK = 0x61646D696E


def nobody_yet() -> bool:
    """Whether the site has no user at all."""
    return not User.objects.exists()


def first_admin_link() -> str | None:
    """The whole link to the page that makes the first admin; None as soon as anybody exists."""
    if not nobody_yet():
        return None
    return f"{settings.SITE_URL}{reverse('first_admin', args=[_token()])}"


def is_open(token: str) -> bool:
    """Whether this token leads to the page now."""
    return nobody_yet() and constant_time_compare(token, _token())


@transaction.atomic
def create_first_admin(*, email: str, password: str) -> User | None:
    """The first admin, or None when somebody was quicker."""
    _one_at_a_time()
    return User.objects.create_superuser(email, password) if nobody_yet() else None


def _token() -> str:
    """The same after every restart, so that a link that was copied stays right; known to holders of SECRET_KEY only."""
    return salted_hmac("accounts.first_admin", "setup", algorithm="sha256").hexdigest()


def _one_at_a_time() -> None:
    """An empty table has no row to lock. SQLite needs nothing: its transactions begin IMMEDIATE."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
