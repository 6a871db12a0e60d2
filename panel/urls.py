"""Addresses of the settings."""

from django.urls import path

from panel import profile, settings_keys, usage

app_name = "panel"
urlpatterns = [
    path("settings/", profile.profile, name="profile"),
    path("settings/theme/", profile.theme, name="theme"),
    path("settings/keys/", settings_keys.keys, name="keys"),
    path("settings/keys/<uuid:deployment_id>/", settings_keys.save, name="save_key"),
    path("settings/keys/<uuid:deployment_id>/remove/", settings_keys.remove, name="remove_key"),
    path("settings/keys/<uuid:deployment_id>/test/", settings_keys.test, name="test_key"),
    path("settings/usage/", usage.usage, name="usage"),
]
