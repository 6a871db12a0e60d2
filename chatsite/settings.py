"""All settings, from the environment and from `var/env`, which `make run` writes; the environment wins."""

import os
from pathlib import Path
from urllib.parse import urlsplit

import environ
from csp.constants import NONCE, NONE, SELF
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent
# Everything the site writes itself: its database, secrets, collected static files.
DATA_DIR = Path(os.environ.get("DATA_DIR") or BASE_DIR / "var")
environ.Env.read_env(DATA_DIR / "env") if (DATA_DIR / "env").is_file() else None
env = environ.Env()

# Who and where
DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="")
HOST = env.str("HOST", default="127.0.0.1")
if not (port := env.str("PORT", default="8000")).isdecimal() or not 0 < int(port) < 65_536:
    raise ImproperlyConfigured(f"PORT must be a number from 1 to 65535, not {port!r}.")
PORT = int(port)
SITE_URL = env.str("SITE_URL", default=f"http://127.0.0.1:{PORT}").rstrip("/")
SITE = urlsplit(SITE_URL)
if SITE.scheme not in ("http", "https") or not SITE.hostname:
    raise ImproperlyConfigured(f"SITE_URL is {SITE_URL!r}: write the whole address, such as https://chat.example.org.")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]", SITE.hostname])
SECURE = SITE.scheme == "https"

# Models and money
ENCRYPTION_KEYS = env.list("ENCRYPTION_KEYS", default=[])
PRIVATE_UPSTREAMS = env.list("PRIVATE_UPSTREAMS", default=[])
SIMULATOR_URL = env.str("SIMULATOR_URL", default="").rstrip("/")
STARTING_CREDITS = env.str("STARTING_CREDITS", default="10")

# Stores
DATABASE_URL = env.str("DATABASE_URL", default=f"sqlite:///{DATA_DIR / 'db.sqlite3'}")
REDIS_URL = env.str("REDIS_URL", default="")
if REDIS_URL and urlsplit(REDIS_URL).scheme not in ("redis", "rediss"):
    raise ImproperlyConfigured("REDIS_URL cannot be read: write it like redis://:password@host:6379/0.")
try:
    if urlsplit(DATABASE_URL).scheme not in ("postgres", "postgresql", "sqlite"):
        raise ValueError("neither PostgreSQL nor SQLite")
    DATABASES = {"default": env.db_url_config(DATABASE_URL)}
except Exception as error:
    raise ImproperlyConfigured(
        "DATABASE_URL cannot be read: write it like postgres://user:password@host:5432/name."
    ) from error
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    if REDIS_URL:
        raise ImproperlyConfigured(
            "REDIS_URL is set but the database is SQLite, which serves one process only: "
            "set DATABASE_URL to a PostgreSQL database, or unset REDIS_URL."
        )
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
    }
else:
    DATABASES["default"]["CONN_MAX_AGE"] = 0
    # The pool looks at a connection before it hands it out: a restarted database costs nobody an error.
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    DATABASES["default"]["OPTIONS"] = {"pool": {"min_size": 1, "max_size": 16, "timeout": 10}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "daphne",
    "chatsite.apps.ChatsiteConfig",
    "accounts",  # before allauth, so that our templates win
    "providers",
    "billing",
    "conversations",
    "panel",
    "allauth",
    "allauth.account",
    "django_htmx",
    "template_partials",
    "csp",
    "servestatic",
    "panel.admin_site.ChatsiteAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "servestatic.middleware.ServeStaticMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "chatsite.middleware.PrivatePages",
]
ROOT_URLCONF = "chatsite.urls"
ASGI_APPLICATION = "chatsite.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "chatsite.context.csp_nonce",
            ]
        },
    }
]

# Signing in
AUTH_USER_MODEL = "accounts.User"
# It knows permissions as Django's own does; with both, every wrong password would be hashed twice.
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 8}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_REDIRECT_URL = "/accounts/login/"
ACCOUNT_SESSION_REMEMBER = True
# A whole office may sign in from one address within a minute; what is counted closely are wrong passwords.
ACCOUNT_RATE_LIMITS = {"login": "300/m/ip", "login_failed": "10/5m/ip,10/5m/key"}
# An https site stands behind a proxy: the server itself speaks http.
ALLAUTH_TRUSTED_PROXY_COUNT = 1 if SECURE else 0
LOGIN_URL = "/accounts/login/"
LOGIN_REDIRECT_URL = "/"
EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
EMAIL_FILE_PATH = DATA_DIR / "mail"

# Safety
CSRF_TRUSTED_ORIGINS = [SITE_URL]
SESSION_COOKIE_NAME = "__Host-session" if SECURE else "session"
CSRF_COOKIE_NAME = "__Host-csrf" if SECURE else "csrf"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE
SESSION_COOKIE_AGE = 14 * 24 * 3600
CSRF_COOKIE_HTTPONLY = True
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if SECURE else None
SECURE_SSL_REDIRECT = SECURE
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if SECURE else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = SECURE
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 1 << 20

# Static files: hashed, precompressed, kept by browsers for ever
STATIC_URL = "/static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", default=str(DATA_DIR / "static")))
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "servestatic.storage.CompressedManifestStaticFilesStorage"},
}
SERVESTATIC_ALLOW_ALL_ORIGINS = False

# Language and time
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

# Work in the background: by Celery with REDIS_URL, else on one thread of the web process (`chatsite/schedule.py`)
CELERY_BROKER_URL = REDIS_URL or None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BEAT_SCHEDULE = {
    "end-old-sessions": {"task": "accounts.tasks.end_old_sessions", "schedule": 24 * 3600.0},
    "check-the-ledger": {"task": "billing.tasks.check_ledger", "schedule": 24 * 3600.0},
    # Each deployment is probed once a minute; looking more often lets the first probes come soon after a start.
    "probe-deployments": {
        "task": "panel.tasks.probe_deployments",
        "schedule": 5.0,
        "options": {"expires": 60},
    },
    "forget-old-observations": {"task": "panel.tasks.forget_old_observations", "schedule": 3600.0},
    "end-lost-tests": {"task": "panel.tasks.end_lost_tests", "schedule": 300.0},
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {"httpx": {"level": "WARNING"}, "daphne": {"level": "WARNING"}},
}
