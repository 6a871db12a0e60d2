"""Addresses around signing in. The names are allauth's; what is not listed here does not exist."""

from django.urls import path

from accounts import views

urlpatterns = [
    path("setup/<str:token>/", views.set_up, name="first_admin"),
    path("accounts/login/", views.sign_in, name="account_login"),
    path("accounts/logout/", views.sign_out, name="account_logout"),
    path("accounts/signup/", views.sign_up, name="account_signup"),
    path("accounts/inactive/", views.inactive, name="account_inactive"),
    path("accounts/reauthenticate/", views.confirm_password, name="account_reauthenticate"),
    path("accounts/password/change/", views.change_password, name="account_change_password"),
]
