"""The settings' first page: name, password, theme."""

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from accounts.models import User
from panel.people import signed_in

THEMES = {"system": "As the system", "light": "Light", "dark": "Dark"}
A_YEAR = 365 * 24 * 3600


class ProfileForm(forms.Form):
    name = forms.CharField(max_length=120, required=False, widget=forms.TextInput(attrs={"autocomplete": "name"}))


@login_required
@require_http_methods(["GET", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    """The page, and saving the name."""
    user = signed_in(request)
    form = ProfileForm(request.POST or None, initial={"name": user.name})
    if request.method == "POST" and form.is_valid():
        User.objects.filter(pk=user.pk).update(name=form.cleaned_data["name"])
        messages.success(request, "Saved.")
        return redirect("panel:profile")
    chosen = request.COOKIES.get("theme", "system")
    context = {"form": form, "themes": THEMES, "theme": chosen if chosen in THEMES else "system"}
    return render(request, "panel/profile.html", context, status=422 if form.errors else 200)


@login_required
@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Remember the theme in this browser."""
    chosen = request.POST.get("theme", "")
    response = redirect("panel:profile")
    if chosen in ("light", "dark"):
        # Not HttpOnly: the page's own switch writes the same cookie.
        response.set_cookie("theme", chosen, max_age=A_YEAR, samesite="Lax", secure=settings.SECURE)
    else:
        response.delete_cookie("theme", samesite="Lax")
    return response
