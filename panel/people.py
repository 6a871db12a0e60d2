"""Who is asking."""

from django.http import HttpRequest

from accounts.models import User


def signed_in(request: HttpRequest) -> User:
    """The signed-in person, for views behind `login_required`."""
    if not isinstance(request.user, User):
        raise TypeError("signed_in needs a view behind login_required")
    return request.user
