"""The admin's front page: the site's name, and the tables in the groups an admin thinks in."""

from typing import Any

from django.contrib.admin.apps import AdminConfig
from django.contrib.admin.sites import AdminSite
from django.http import HttpRequest

GROUPS = {
    "People": {"accounts.User": "People", "accounts.Group": "Groups"},
    "Models": {
        "providers.Model": "Models",
        "providers.Deployment": "Deployments",
        "providers.UpstreamKey": "Provider keys",
        "billing.Price": "Prices",
    },
    "Credits": {
        "billing.Account": "Wallets and grants",
        "billing.UsageRecord": "Usage",
        "billing.Transfer": "Transfers",
        "billing.Hold": "Holds",
    },
}


class ChatsiteAdmin(AdminSite):
    site_header = "Chatsite"
    site_title = "Chatsite"
    index_title = "Admin"

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """The groups above, with what this person may see; anything else after them, as Django lists it."""
        apps: list[Any] = list(super().get_app_list(request, app_label))
        if app_label:
            return apps
        found = {f"{app['app_label']}.{model['object_name']}": (app, model) for app in apps for model in app["models"]}
        groups = [_group(title, names, found) for title, names in GROUPS.items()]
        known = {name for names in GROUPS.values() for name in names}
        others = [
            {**app, "models": [m for m in app["models"] if f"{app['app_label']}.{m['object_name']}" not in known]}
            for app in apps
        ]
        return [group for group in groups + others if group["models"]]


def _group(title: str, names: dict[str, str], found: dict[str, tuple[Any, Any]]) -> dict[str, Any]:
    members = [(*found[name], shown) for name, shown in names.items() if name in found]
    return {
        "name": title,
        "app_label": title.lower(),
        "app_url": members[0][0]["app_url"] if members else "",
        "has_module_perms": True,
        "models": [{**model, "name": shown} for _, model, shown in members],
    }


class ChatsiteAdminConfig(AdminConfig):
    """Stands in INSTALLED_APPS in the place of django.contrib.admin."""

    default_site = "panel.admin_site.ChatsiteAdmin"
