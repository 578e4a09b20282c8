"""All settings, in one file. Each value that an operator can change comes from the environment or `.env`.

Nothing configured means local use: an embedded PostgreSQL, pictures in files, everything under `var/`.
"""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from imagesearch import embedded_postgres
from imagesearch.combinations import check_keys, check_storage
from imagesearch.database_url import joined_options
from imagesearch.environment import (
    HOW_TO_MAKE_ONE,
    base_path,
    bucket_folder,
    bucket_name,
    check_secret_key,
    choice,
    flag,
    folder,
    host_names,
    listening_names,
    local_secret_key,
    postgres_url,
    read_env_file,
    region_name,
    text,
    time_zone,
    web_address,
    web_origins,
    whole_number,
)
from imagesearch.machine import memory_bytes
from imagesearch.s3_sources import STYLES, s3_sources

BASE_DIR = Path(__file__).resolve().parent.parent
read_env_file(BASE_DIR / ".env")

# Everything that a running system writes, unless a database and a bucket are configured.
DATA_DIR = folder("DATA_DIR", BASE_DIR / "var")
# `make demo` notes here which models its pictures were embedded with.
read_env_file(DATA_DIR / "demo.env", over_blank=True)

_database = postgres_url("DATABASE_URL")

# --- Security ---------------------------------------------------------------------------------------------------

DEBUG = flag("DEBUG", default=_database is None)
SECRET_KEY = text("SECRET_KEY")
if not SECRET_KEY:
    if not DEBUG:
        raise ImproperlyConfigured(f"SECRET_KEY is not set, and DEBUG is off: {HOW_TO_MAKE_ONE}, and keep it.")
    SECRET_KEY = local_secret_key(DATA_DIR / "secret_key")
elif not DEBUG:
    check_secret_key(SECRET_KEY)

_listening = listening_names()
ALLOWED_HOSTS = host_names("ALLOWED_HOSTS", list(dict.fromkeys(["localhost", "127.0.0.1", "[::1]", *_listening])))
CSRF_TRUSTED_ORIGINS = web_origins("CSRF_TRUSTED_ORIGINS", wildcards=True)

# Behind a proxy that speaks TLS. Off by default: a collection at home is often served over plain http, where
# secure cookies would lock everybody out.
HTTPS = flag("HTTPS", default=False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 30 * 24 * 3600 if HTTPS else 0
# Whether other sites below the same name speak TLS too is not ours to say.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"] if HTTPS else []
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
X_FRAME_OPTIONS = "DENY"

# Below this path of another site, whose proxy may keep it in what it passes on or cut it off.
OUR_PATHS = (
    "account", "accounts", "admin", "api", "favicon.ico", "feeds", "healthz", "images", "language", "readyz",
    "robots.txt", "saved", "search", "selection", "sets", "static", "upload",
)  # fmt: skip
BASE_PATH = base_path("BASE_PATH", OUR_PATHS)
FORCE_SCRIPT_NAME = BASE_PATH or None
if BASE_PATH:
    SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = LANGUAGE_COOKIE_PATH = BASE_PATH
    # Browsers send the cookies of the site above too, and Django takes the last one of a name.
    _cookies = BASE_PATH.replace("/", "_")
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = f"sessionid{_cookies}", f"csrftoken{_cookies}"
    LANGUAGE_COOKIE_NAME = f"django_language{_cookies}"
SESSION_ENGINE = "search.sessions"
CSRF_FAILURE_VIEW = "search.views.errors.csrf_failed"

# Pages of other sites may use the API and nothing else; never with the cookies of the person, only with a token.
CORS_ALLOWED_ORIGINS = web_origins("API_CORS_ORIGINS")
CORS_URLS_REGEX = r"^/api/(?!docs$)"
CORS_ALLOW_METHODS = ["GET", "POST", "OPTIONS"]
CORS_ALLOW_HEADERS = ["accept", "accept-language", "authorization", "content-type"]
CORS_EXPOSE_HEADERS = ["Location", "Retry-After", "WWW-Authenticate"]

# --- Application ------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "search",
    "imagesearch.apps.CurationConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django_htmx",
    "corsheaders",
]

MIDDLEWARE = [
    "search.middleware.HeadLikeGet",
    "search.middleware.HealthChecks",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "search.middleware.Unavailable",
    "search.middleware.ContentSecurityPolicy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "search.middleware.MethodNotAllowed",
    "search.middleware.BodyLimits",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "imagesearch.urls"
WSGI_APPLICATION = "imagesearch.wsgi.application"

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
                "search.context_processors.site",
            ],
            "builtins": ["search.templatetags.icons"],
        },
    },
    # Templates ending in .jinja: what a page repeats for each of its pictures. The 24 tiles of a page of results take
    # 21 ms with Django's own engine, half of the page, and 2 ms with this one.
    {
        "BACKEND": "django.template.backends.jinja2.Jinja2",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {"environment": "search.jinja.environment"},
    },
]

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = LOGOUT_REDIRECT_URL = "search"

# --- Database ---------------------------------------------------------------------------------------------------

DATABASES: dict[str, dict[str, Any]] = {
    "default": _database or embedded_postgres.connection_settings(DATA_DIR / "postgres")
}
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
# Of one process, whose threads wait for each other where there are fewer than they need.
DATABASE_POOL_SIZE = whole_number("DATABASE_POOL_SIZE", default=8, least=1, most=100)
_options = DATABASES["default"].setdefault("OPTIONS", {})
_options.setdefault("connect_timeout", 5)
_options["options"] = joined_options(
    # Without iterative scans page 3 of the results is empty and a filter loses rows; strict order keeps
    # "nearest first" true. ef_search 200 is the recall that the first pages need at 30,000 rows and more.
    # Queries here take milliseconds, and compiling one with jit takes a hundred.
    "-c hnsw.iterative_scan=strict_order -c hnsw.ef_search=200 -c jit=off",
    _options.get("options"),
)
# Waiting longer for a connection than a person waits for a page helps nobody; a command has the time, and may be left
# with one of few. An attempt to connect is given up as soon as nobody waits for it any more: the pool would double its
# pauses meanwhile, and be back long after the database is.
IS_COMMAND = Path(sys.argv[0]).name == "manage.py" and "runserver" not in sys.argv
_patience = 60 if IS_COMMAND else 5
_patience = max(_patience, int(_options["connect_timeout"]))
_options["pool"] = {
    "min_size": 1,
    "max_size": DATABASE_POOL_SIZE,
    "timeout": _patience,
    "reconnect_timeout": _patience,
    "max_idle": 60,
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        # Mostly query vectors, 2 kB each.
        "OPTIONS": {"MAX_ENTRIES": 20_000},
        "TIMEOUT": 24 * 3600,
    }
}

# --- Pictures ---------------------------------------------------------------------------------------------------

S3_BUCKET = bucket_name("AWS_STORAGE_BUCKET_NAME")
# Boto3 would go to those of its own variables whatever we took it for.
_endpoints_of_boto3 = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
S3_ENDPOINT_URL = web_address("AWS_S3_ENDPOINT_URL") or next(filter(None, map(web_address, _endpoints_of_boto3)), "")
S3_FOLDER = bucket_folder("AWS_LOCATION")
check_keys({name: text(name) for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")})
# For pictures in other buckets too, whose originals may stay there.
S3_CONNECTION = {
    "endpoint_url": S3_ENDPOINT_URL or None,
    "region_name": region_name("AWS_S3_REGION_NAME") or None,
    "access_key": text("AWS_ACCESS_KEY_ID") or None,
    "secret_key": text("AWS_SECRET_ACCESS_KEY") or None,
    "security_token": text("AWS_SESSION_TOKEN") or None,
}
# By bucket, where one that pictures are read from is reached in another way.
S3_SOURCES = s3_sources("S3_SOURCES", text("S3_SOURCES"))
# For botocore's Config.
S3_CLIENT: dict[str, Any] = {
    "signature_version": "s3v4",
    "connect_timeout": 5,
    "read_timeout": 20,
    "retries": {"mode": "standard", "total_max_attempts": 3},
    "max_pool_connections": 32,
    # Servers that merely speak S3 rarely know the newer trailing checksums.
    "request_checksum_calculation": "when_required" if S3_ENDPOINT_URL else "when_supported",
    "response_checksum_validation": "when_required" if S3_ENDPOINT_URL else "when_supported",
    # With "auto", boto3 signs addresses of Amazon's global name, which regions that were opened after 2019 refuse.
    "s3": {
        "addressing_style": choice("S3_ADDRESSING_STYLE", STYLES, default="path" if S3_ENDPOINT_URL else "virtual")
    },
}


def _object_storage() -> dict[str, Any]:
    from botocore.config import Config  # noqa: PLC0415 - 80 ms, for those who have a bucket

    options = {
        **S3_CONNECTION,
        "client_config": Config(**S3_CLIENT),
        "bucket_name": S3_BUCKET,
        "location": S3_FOLDER,
        "querystring_auth": True,
        "querystring_expire": 24 * 3600,
        "file_overwrite": True,
        "default_acl": None,
    }
    return {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}


# Where browsers fetch thumbnails and renditions, when those are public; presigned addresses otherwise.
S3_PUBLIC_BASE_URL = web_address("S3_PUBLIC_BASE_URL")
# For a bucket that browsers can't reach: pages then fetch thumbnails and renditions from here.
PICTURES_THROUGH_SITE = flag("PICTURES_THROUGH_SITE", default=False)
check_storage(
    bucket=S3_BUCKET,
    folder=S3_FOLDER,
    endpoint=S3_ENDPOINT_URL,
    public=S3_PUBLIC_BASE_URL,
    through_site=PICTURES_THROUGH_SITE,
)
MEDIA_ROOT = DATA_DIR / "media"

STORAGES: dict[str, dict[str, Any]] = {
    "default": _object_storage() if S3_BUCKET else {"BACKEND": "search.storage.LocalStorage"},
    "staticfiles": {
        "BACKEND": (
            "django.contrib.staticfiles.storage.StaticFilesStorage" if DEBUG else "search.static_files.StaticFiles"
        )
    },
}
STATIC_URL = f"{BASE_PATH}/static/"
STATIC_ROOT = DATA_DIR / "static"
_ninja = find_spec("ninja")
assert _ninja
assert _ninja.origin
# And those of the page where the API is tried: as an app of Django, ninja would be imported by every process.
STATICFILES_DIRS = [BASE_DIR / "static", Path(_ninja.origin).with_name("static")]

UPLOAD_MAX_MB = whole_number("UPLOAD_MAX_MB", default=20, least=1, most=500)
UPLOAD_MAX_MEGAPIXELS = whole_number("UPLOAD_MAX_MEGAPIXELS", default=100, least=1, most=1000)
# For `ingest`: files of cameras and scanners are larger than what is sent through a browser.
INGEST_MAX_MB = whole_number("INGEST_MAX_MB", default=1000, least=1, most=4000)
# Memory that decoding pictures takes: for the site, all its processes together, and for all commands.
DECODE_MAX_MB = whole_number("DECODE_MAX_MB", default=256, least=100, most=100_000)
INGEST_DECODE_MAX_MB = whole_number(
    "INGEST_DECODE_MAX_MB",
    default=max(DECODE_MAX_MB, min(4000, memory_bytes() // 2_000_000)),
    least=100,
    most=1_000_000,
)
# The module that decoder processes run; tests have others.
DECODER = "search.imaging.child"
# Of a picture that is only searched by.
SEARCH_MAX_MEGAPIXELS = whole_number("SEARCH_MAX_MEGAPIXELS", default=50, least=1, most=1000)
UPLOAD_MAX_FILES = whole_number("UPLOAD_MAX_FILES", default=50, least=1, most=1000)
# Of a whole form with its pictures; the page sends them one by one, except where scripts are off.
UPLOAD_MAX_REQUEST_MB = whole_number("UPLOAD_MAX_REQUEST_MB", default=200, least=1, most=50_000)
# Above the form's own limit, which tells the person what it is.
DATA_UPLOAD_MAX_NUMBER_FILES = UPLOAD_MAX_FILES + 100
# A selection of 500 pictures, each with its similarity; more is told in words up to this.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 3_000
FILE_UPLOAD_HANDLERS = ["search.uploads.LimitedUploadHandler"]
UPLOAD_LOGIN_REQUIRED = flag("UPLOAD_LOGIN_REQUIRED", default=True)
SIGN_UP_OPEN = flag("SIGN_UP_OPEN", default=True)
# Who may have this machine fetch a picture from the web to search by it: nobody, those who are logged in, everybody.
SEARCH_BY_ADDRESS = choice(
    "SEARCH_BY_ADDRESS", ["off", "members", "on"], default="members" if UPLOAD_LOGIN_REQUIRED else "on"
)

# --- Models -----------------------------------------------------------------------------------------------------

EMBEDDING_IMAGE_MODEL = text("EMBEDDING_IMAGE_MODEL") or "sentence-transformers/clip-ViT-B-32"
EMBEDDING_TEXT_MODEL = text("EMBEDDING_TEXT_MODEL") or "sentence-transformers/clip-ViT-B-32-multilingual-v1"

# Compiled for this processor, models are several times as fast: at their first use, by a process of its own. Off, they
# are used as they were downloaded.
COMPILE_MODELS = flag("COMPILE_MODELS", default=True)
MODELS_DIR = DATA_DIR / "models"

# Measure anew what counts as a strong match, in the background, when uploads have changed the collection by a tenth.
CALIBRATE_AFTER_UPLOADS = True

# --- Language and time ------------------------------------------------------------------------------------------

LANGUAGES = [("en", _("English")), ("ko", _("Korean"))]
LANGUAGE_CODE = choice("LANGUAGE_CODE", ["en", "ko"], default="en")
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = "imagesearch.formats"
TIME_ZONE = time_zone("TIME_ZONE", default="UTC")
USE_TZ = True

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {"search": {"level": "INFO"}},
}
