"""`manage.py run`: everything in one process, set up as needed. What `make run` calls."""

import os
import signal
import sys
import threading
import time
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser
from django.db import connections

from accounts.first_admin import first_admin_link
from chatsite import alone, local_simulator, server
from chatsite.ready import has_old_tables
from panel.catalog import load_shipped_catalogue

PARENT_SECONDS = 0.5


class Command(BaseCommand):
    help = "Set up the database, start the simulated upstream and serve the site on 127.0.0.1 (PORT, default 8000)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--with-parent", type=int, metavar="PID", help="End when this parent process ends.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["with_parent"]:
            end_with_parent(options["with_parent"])
        alone.claim()  # nobody may be at work on tables that are about to change
        set_up_database()
        set_up_static_files()
        link = first_admin_link()
        connections.close_all()
        local_simulator.start()
        try:
            code = serve(lambda: announce(link))
        finally:
            local_simulator.stop()
        sys.exit(code)


def set_up_database() -> None:
    """Migrate where something is to be migrated, and make sure the shipped models are there."""
    if has_old_tables():
        print("Setting up the database …", flush=True)
        call_command("migrate", verbosity=0, interactive=False)
    load_shipped_catalogue()


def set_up_static_files() -> None:
    """Collect them where nobody has; `make run` keeps them up to date by itself."""
    if not (settings.STATIC_ROOT / "staticfiles.json").exists():
        print("Collecting static files …", flush=True)
        call_command("collectstatic", verbosity=0, interactive=False)


def serve(on_listening: Any) -> int:
    server.choose_event_loop()
    from chatsite.asgi import application, on_drain, on_start, on_stop

    return server.serve(
        application,
        host="127.0.0.1",
        port=settings.PORT,
        on_start=on_start,
        on_listening=on_listening,
        on_drain=on_drain,
        on_stop=on_stop,
    )


def announce(link: str | None) -> None:
    print(f"Chatsite is at {settings.SITE_URL}", flush=True)
    if link:
        print(f"Create the first admin: {link}", flush=True)
    print("Ctrl-C stops it.", flush=True)


def end_with_parent(parent: int) -> None:
    """Watch the parent from a thread: a killed parent cannot tell anybody, but its children get a new one."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True, name="parent-watch").start()
