"""The site's settings with values of their own, so that no developer's environment leaks into the tests."""

import os
import tempfile
from pathlib import Path

FOLDER = Path(tempfile.mkdtemp(prefix="chatsite-tests-"))
OURS = {
    "DATA_DIR": str(FOLDER),
    "SECRET_KEY": "tests-only-9b1f0c2d7a6e4853b2c1d0e9f8a7b6c5d4e3f2a1",
    "ENCRYPTION_KEYS": "dGVzdHMtb25seS1rZXktb2YtMzItYnl0ZXMtMDAwMDE=",
    "STARTING_CREDITS": "0",
    "SITE_URL": "http://testserver",
    "ALLOWED_HOSTS": "testserver,127.0.0.1,localhost",
    "PRIVATE_UPSTREAMS": "",
    "SIMULATOR_URL": "",
    "REDIS_URL": "",
    "DEBUG": "0",
}
(FOLDER / "static").mkdir()  # the server of static files warns when it is not there
os.environ.update(OURS)

from chatsite.settings import *  # noqa: E402, F403
from chatsite.settings import DATABASES  # noqa: E402

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # A file: threads cannot share a database in memory the way they share this one.
    DATABASES["default"]["TEST"] = {"NAME": FOLDER / "test.sqlite3"}
