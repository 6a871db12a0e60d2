#!/usr/bin/env python
"""The command line of the project."""

import os
import sys
from pathlib import Path

from chatsite import local_simulator
from chatsite.first_run import ensure_secrets, lend_secrets
from chatsite.refusals import in_sentences

# They sign and encrypt nothing, so they work in a fresh clone and while an image is built.
NEED_NO_SECRETS = ("collectstatic", "makemigrations", "simulate_upstreams")


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatsite.settings")
    with in_sentences():
        match sys.argv[1:]:
            case ["run", *_]:
                ensure_secrets(Path(os.environ.get("DATA_DIR") or Path(__file__).resolve().parent / "var"))
                local_simulator.reserve()
            case [command, *_] if command in NEED_NO_SECRETS:
                lend_secrets()
        # The settings load here, so the secrets come first.
        from chatsite.command_line import CommandLine

        CommandLine(sys.argv).execute()


if __name__ == "__main__":
    main()
