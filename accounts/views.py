"""Pages around signing in. allauth does the work; here is what it leaves to the site."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account import views as allauth
from django.contrib.auth import login
from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from accounts import first_admin
from accounts.forms import FirstAdminForm

LONGEST_ANSWER = 4096
View = Callable[..., HttpResponse]


def short_answers(view: View) -> View:
    """Refuse an answer no person types before it is hashed as a password."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if any(len(answer) > LONGEST_ANSWER for _, answers in request.POST.lists() for answer in answers):
            raise BadRequest(f"An answer is longer than {LONGEST_ANSWER} characters.")
        return view(request, *args, **kwargs)

    return guarded


@short_answers
@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def set_up(request: HttpRequest, token: str) -> HttpResponse:
    """Make the first admin and sign them in. There is no such page once anybody exists."""
    if not first_admin.is_open(token):
        raise Http404
    form = FirstAdminForm(request.POST or None)
    if request.method == "GET" or not form.is_valid():
        return render(request, "account/first_admin.html", {"form": form}, status=422 if form.errors else 200)
    answers = form.cleaned_data
    user = first_admin.create_first_admin(email=answers["email"], password=answers["password1"])
    if user is None:
        raise Http404
    login(request, user)
    return redirect("/")


def sign_out(request: HttpRequest) -> HttpResponse:
    """A POST signs out, and leaves no drafts behind in a browser that others may use."""
    response: HttpResponse = allauth.logout(request)
    if request.method == "POST":
        response["Clear-Site-Data"] = '"storage"'
    return response


# Called by the template, once a page.
sign_in = short_answers(allauth.LoginView.as_view(extra_context={"nobody_yet": first_admin.nobody_yet}))
confirm_password = short_answers(allauth.reauthenticate)
change_password = short_answers(allauth.password_change)
sign_up = short_answers(allauth.signup)
inactive = allauth.account_inactive
