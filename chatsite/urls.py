"""The site's addresses."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("conversations.urls")),
    path("", include("panel.urls")),
    path("", include("accounts.urls")),
    path("admin/", admin.site.urls),
]
