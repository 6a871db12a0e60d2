"""What allauth asks us about signing up and in."""

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest


class AccountAdapter(DefaultAccountAdapter):
    """Sign-up is closed: an admin adds people."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False
