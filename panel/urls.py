"""Addresses of the settings and of the models' pages."""

from django.urls import path

from panel import model_pages, profile, settings_keys, usage

app_name = "panel"
urlpatterns = [
    path("models/", model_pages.models, name="models"),
    path("models/<path:name>/", model_pages.model, name="model"),
    path("settings/", profile.profile, name="profile"),
    path("settings/theme/", profile.theme, name="theme"),
    path("settings/keys/", settings_keys.keys, name="keys"),
    path("settings/keys/<uuid:deployment_id>/", settings_keys.save, name="save_key"),
    path("settings/keys/<uuid:deployment_id>/remove/", settings_keys.remove, name="remove_key"),
    path("settings/keys/<uuid:deployment_id>/test/", settings_keys.test, name="test_key"),
    path("settings/usage/", usage.usage, name="usage"),
    path("settings/usage/export.csv", usage.export, name="usage_export"),
    path("settings/usage/<uuid:record_id>/", usage.receipt, name="receipt"),
]
