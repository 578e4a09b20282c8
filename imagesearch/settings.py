"""All settings, in one file. Each value that an operator can change comes from the environment or `.env`.

The defaults suit local use: an embedded PostgreSQL, pictures in files, everything under `var/`.
"""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from imagesearch import embedded_postgres
from imagesearch.conflicting_settings import check_access, check_keys, check_storage
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
    line,
    listening_names,
    local_secret_key,
    postgres_url,
    read_env_file,
    region_name,
    secret,
    text,
    time_zone,
    unquoted,
    web_address,
    web_origins,
    whole_number,
)
from imagesearch.logs import log_uncaught
from imagesearch.mail import mail_settings, sender
from imagesearch.memory_and_cores import memory_bytes
from imagesearch.rate_settings import networks, rates
from imagesearch.s3_sources import STYLES, s3_sources
from imagesearch.sign_up_policy import ACCESS, LOOPBACK, default_sign_up, sign_up

BASE_DIR = Path(__file__).resolve().parent.parent
read_env_file(BASE_DIR / ".env")

# Everything that a running system writes, unless a database and a bucket are configured.
DATA_DIR = folder("DATA_DIR", BASE_DIR / "var")
# Written by `make demo`: the models its pictures were embedded with.
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

# The site's name on its pages and as an installed app; "" for a generic name in the user's language.
SITE_NAME = line("SITE_NAME", most=45)

# Behind a TLS proxy. Off by default: a collection at home is often served over plain http, where secure cookies
# would lock everybody out.
HTTPS = flag("HTTPS", default=False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 30 * 24 * 3600 if HTTPS else 0
# HSTS for subdomains is the operator's decision.
# Without HTTPS, search.W014 says what these say by the names of settings that nobody can set.
SILENCED_SYSTEM_CHECKS = [f"security.W0{number}" for number in (("05", "21") if HTTPS else ("04", "08", "12", "16"))]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
X_FRAME_OPTIONS = "DENY"

# Proxies whose X-Forwarded-For is trusted; by default those on this machine where HTTPS is on. A Unix socket always
# is.
TRUSTED_PROXIES = networks("TRUSTED_PROXIES", LOOPBACK if HTTPS else ())

# Path prefix under another site, whose proxy may keep or strip it.
OUR_PATHS = (
    "account", "accounts", "admin", "albums", "api", "favicon.ico", "feeds", "healthz", "images", "language",
    "manifest.webmanifest", "map", "metrics", "offline", "readyz", "robots.txt", "saved", "search", "selection",
    "service-worker.js", "sets", "share", "static", "timeline", "upload",
)  # fmt: skip
BASE_PATH = base_path("BASE_PATH", OUR_PATHS)
FORCE_SCRIPT_NAME = BASE_PATH or None
if BASE_PATH:
    SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = LANGUAGE_COOKIE_PATH = BASE_PATH
    # Browsers also send the cookies of the site above, and Django takes the last of duplicate names.
    _cookies = BASE_PATH.replace("/", "_")
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = f"sessionid{_cookies}", f"csrftoken{_cookies}"
    LANGUAGE_COOKIE_NAME = f"django_language{_cookies}"
# Identifies a browser that has logged in, so that others who guess the same name don't lock its user out.
DEVICE_COOKIE_NAME = "device" + BASE_PATH.replace("/", "_")
SESSION_ENGINE = "search.web.sessions"
CSRF_FAILURE_VIEW = "search.views.errors.csrf_failed"

# Pages of other sites may use only the API, with a token, never with the user's cookies.
CORS_ALLOWED_ORIGINS = web_origins("API_CORS_ORIGINS")
CORS_URLS_REGEX = r"^/api/(?!docs$)"
CORS_ALLOW_METHODS = ["GET", "POST", "OPTIONS"]
CORS_ALLOW_HEADERS = ["accept", "accept-language", "authorization", "content-type"]
CORS_EXPOSE_HEADERS = ["Location", "Retry-After", "WWW-Authenticate"]

# --- Application ------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    # Before ours, which unregisters their lists from the admin.
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
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
    "search.metrics.requests.Requests",
    "search.web.middleware.RequestLanguage",
    "search.web.middleware.OneChoice",
    "search.web.middleware.HeadLikeGet",
    "search.web.middleware.HealthChecks",
    "django.middleware.security.SecurityMiddleware",
    "search.web.static_files.ServeStaticFiles",
    "search.web.compression.Compressed",
    "corsheaders.middleware.CorsMiddleware",
    "search.web.middleware.Unavailable",
    "search.web.middleware.ContentSecurityPolicy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "search.web.middleware.MethodNotAllowed",
    "search.web.rate_limits.Counted",
    "search.web.middleware.BodyLimits",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "search.web.ended_logins.EndedLogins",
    "search.web.site_access.SiteAccess",
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
                "search.web.context_processors.site",
            ],
            "builtins": ["search.templatetags.icons"],
        },
    },
    # Templates ending in .jinja: the search page, and the partials that others share with it.
    {
        "BACKEND": "django.template.backends.jinja2.Jinja2",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "environment": "search.web.template_context.environment",
            "context_processors": [
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "search.web.context_processors.site",
            ],
        },
    },
]

# PBKDF2 takes a core for as long as a search takes: its concurrency is limited, and searches go first.
PASSWORD_HASHERS = [
    "search.accounts.password_hashing.PBKDF2",
    *(f"django.contrib.auth.hashers.{name}PasswordHasher" for name in ("PBKDF2SHA1", "BCryptSHA256", "Scrypt")),
]
# The second is for sessions that older versions created.
AUTHENTICATION_BACKENDS = [
    "search.accounts.backend.CountedBackend",
    "django.contrib.auth.backends.ModelBackend",
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
PASSWORD_RESET_TIMEOUT = 3600
# Codes of authenticator apps; LIMIT_CODES counts attempts instead.
OTP_TOTP_ISSUER = SITE_NAME or "Picture search"
OTP_TOTP_THROTTLE_FACTOR = OTP_STATIC_THROTTLE_FACTOR = 0
REQUIRE_SECOND_FACTOR = flag("REQUIRE_SECOND_FACTOR", default=False)
LOGIN_REDIRECT_URL = LOGOUT_REDIRECT_URL = "search"

# --- Clients ----------------------------------------------------------------------------------------------------

# Minimum kilobytes a second that a client sends and receives, and seconds for which it may stall.
CLIENT_LEAST_KB = whole_number("CLIENT_LEAST_KB", default=8, least=1, most=1000)
CLIENT_STALL_SECONDS = whole_number("CLIENT_STALL_SECONDS", default=30, least=1, most=600)
CLIENT_HEAD_SECONDS = whole_number("CLIENT_HEAD_SECONDS", default=10, least=1, most=600)
# Megabytes of partial bodies and of responses to slow clients, of all processes together.
UPLOADS_KEPT_MB = whole_number("UPLOADS_KEPT_MB", default=2000, least=100, most=1_000_000)
# A request that can't be answered within this time gets 503 at once.
SEARCH_WITHIN_SECONDS = whole_number("SEARCH_WITHIN_SECONDS", default=2, least=1, most=60)
# gzip of pages and API responses: off where the proxy in front does it better.
COMPRESS_PAGES = flag("COMPRESS_PAGES", default=True)

# --- Database ---------------------------------------------------------------------------------------------------

DATABASES: dict[str, dict[str, Any]] = {
    "default": _database or embedded_postgres.connection_settings(DATA_DIR / "postgres")
}
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
# Per process; threads wait for each other where there are fewer connections than threads.
DATABASE_POOL_SIZE = whole_number("DATABASE_POOL_SIZE", default=8, least=1, most=100)
_options = DATABASES["default"].setdefault("OPTIONS", {})
# A command can wait, and may have to share few connections; a page request can't.
IS_COMMAND = Path(sys.argv[0]).name == "manage.py" and "runserver" not in sys.argv
_options.setdefault("connect_timeout", 10 if IS_COMMAND else 3)
# Else a network that drops packets, or a machine that vanished, would be waited for for hours.
for _name, _seconds in {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}.items():
    _options.setdefault(_name, _seconds)
_options.setdefault("tcp_user_timeout", 60_000 if IS_COMMAND else 15_000)
_options["options"] = joined_options(
    # Without iterative scans page 3 of the results is empty and a filter loses rows; strict order keeps
    # "nearest first" true. ef_search 200 is the recall that the first pages need at 30,000 rows and more.
    # Queries here take milliseconds, and compiling one with jit takes a hundred.
    "-c hnsw.iterative_scan=strict_order -c hnsw.ef_search=200 -c jit=off",
    _options.get("options"),
)
_options["pool"] = {
    "min_size": 1,
    "max_size": DATABASE_POOL_SIZE,
    # Waiting for a connection includes waiting for the server.
    "timeout": max(60 if IS_COMMAND else 5, int(_options["connect_timeout"])),
    "patience": 60 if IS_COMMAND else 0,
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
# Boto3 would use its own variables regardless of what we pass.
_endpoints_of_boto3 = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
S3_ENDPOINT_URL = web_address("AWS_S3_ENDPOINT_URL") or next(filter(None, map(web_address, _endpoints_of_boto3)), "")
S3_FOLDER = bucket_folder("AWS_LOCATION")
check_keys({name: unquoted(name) for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")})
# Also used for other buckets, whose originals may stay there.
S3_CONNECTION = {
    "endpoint_url": S3_ENDPOINT_URL or None,
    "region_name": region_name("AWS_S3_REGION_NAME") or None,
    "access_key": text("AWS_ACCESS_KEY_ID") or None,
    "secret_key": text("AWS_SECRET_ACCESS_KEY") or None,
    "security_token": text("AWS_SESSION_TOKEN") or None,
}
# Per source bucket, where its connection differs.
S3_SOURCES = s3_sources("S3_SOURCES", text("S3_SOURCES"))
# Seconds that pages wait for the object storage, longer in proportion for large objects; None for commands, which
# retry.
STORAGE_WAIT: int | None = whole_number("S3_WAIT_SECONDS", default=5, least=1, most=60)
if Path(sys.argv[0]).name == "manage.py" and "runserver" not in sys.argv:
    STORAGE_WAIT = None
# For botocore's Config.
S3_CLIENT: dict[str, Any] = {
    "signature_version": "s3v4",
    "connect_timeout": min(2, STORAGE_WAIT) if STORAGE_WAIT else 5,
    "read_timeout": STORAGE_WAIT or 20,
    "retries": {"mode": "standard", "total_max_attempts": 1 if STORAGE_WAIT else 3},
    "max_pool_connections": 32,
    # Servers that merely speak S3 rarely support the newer trailing checksums.
    "request_checksum_calculation": "when_required" if S3_ENDPOINT_URL else "when_supported",
    "response_checksum_validation": "when_required" if S3_ENDPOINT_URL else "when_supported",
    # With "auto", boto3 signs URLs for Amazon's global host name, which regions opened after 2019 refuse.
    "s3": {
        "addressing_style": choice("S3_ADDRESSING_STYLE", STYLES, default="path" if S3_ENDPOINT_URL else "virtual")
    },
}


def _object_storage() -> dict[str, Any]:
    from botocore.config import Config  # noqa: PLC0415 - 80 ms, only with a bucket

    options = {
        **S3_CONNECTION,
        "client_config": Config(**S3_CLIENT),
        "bucket_name": S3_BUCKET,
        "location": S3_FOLDER,
        "file_overwrite": True,
        "default_acl": None,
    }
    return {"BACKEND": "search.objects.our_bucket.Bucket", "OPTIONS": options}


# Maximum validity of a presigned thumbnail URL; at least half of it is left when a page is served.
S3_ADDRESS_MINUTES = whole_number("S3_ADDRESS_MINUTES", default=20, least=2, most=10_080)
# Base URL for browsers where thumbnails and renditions are public; presigned URLs otherwise.
S3_PUBLIC_BASE_URL = web_address("S3_PUBLIC_BASE_URL")
# For a bucket that browsers can't reach: the site serves thumbnails and renditions itself.
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
    "default": _object_storage() if S3_BUCKET else {"BACKEND": "search.objects.storage.LocalStorage"},
    "staticfiles": {
        "BACKEND": (
            "django.contrib.staticfiles.storage.StaticFilesStorage" if DEBUG else "search.web.static_files.StaticFiles"
        )
    },
}
STATIC_URL = f"{BASE_PATH}/static/"
STATIC_ROOT = DATA_DIR / "static"
_ninja = find_spec("ninja")
assert _ninja
assert _ninja.origin
# And those of the API's docs page: with ninja in INSTALLED_APPS every process would import it.
STATICFILES_DIRS = [BASE_DIR / "static", Path(_ninja.origin).with_name("static")]

UPLOAD_MAX_MB = whole_number("UPLOAD_MAX_MB", default=20, least=1, most=500)
# Days for which changes can be undone, and deleted pictures stay in the trash; 0: deleted at once.
HISTORY_DAYS = whole_number("HISTORY_DAYS", default=30, least=1, most=3650)
TRASH_DAYS = whole_number("TRASH_DAYS", default=30, least=0, most=3650)
# Days for which the run ledger keeps runs (ingestion and other batch work) and the names of rejected files.
RUNS_DAYS = whole_number("RUNS_DAYS", default=90, least=1, most=3650)
# Whether queries without a strong match are stored for curators; by default they are only counted.
KEEP_UNANSWERED = flag("KEEP_UNANSWERED", default=False)
# Hours between the server's expensive checks (files, recall, outliers); 0: only `manage.py state --check` runs them.
LOOK_HOURS = whole_number("LOOK_HOURS", default=24, least=0, most=8760)

UPLOAD_MAX_MEGAPIXELS = whole_number("UPLOAD_MAX_MEGAPIXELS", default=100, least=1, most=1000)
# For `ingest`: files of cameras and scanners are larger than browser uploads.
INGEST_MAX_MB = whole_number("INGEST_MAX_MB", default=1000, least=1, most=4000)
# Memory for decoding pictures: of all processes of the site together, and of all commands.
DECODE_MAX_MB = whole_number("DECODE_MAX_MB", default=256, least=100, most=100_000)
INGEST_DECODE_MAX_MB = whole_number(
    "INGEST_DECODE_MAX_MB",
    default=max(DECODE_MAX_MB, min(4000, memory_bytes() // 2_000_000)),
    least=100,
    most=1_000_000,
)
# The module that decoder processes run; tests use others.
DECODER = "search.imaging.decoder_process"
# For query pictures.
SEARCH_MAX_MEGAPIXELS = whole_number("SEARCH_MAX_MEGAPIXELS", default=50, least=1, most=1000)
UPLOAD_MAX_FILES = whole_number("UPLOAD_MAX_FILES", default=50, least=1, most=1000)
# Of a whole form; with scripts the page sends pictures one by one.
UPLOAD_MAX_REQUEST_MB = whole_number("UPLOAD_MAX_REQUEST_MB", default=200, least=1, most=50_000)
# Above the form's own limit, whose error message is better.
DATA_UPLOAD_MAX_NUMBER_FILES = UPLOAD_MAX_FILES + 100
# A selection of 500 pictures, each with its similarity; up to this, the form's own error is shown.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 3_000
FILE_UPLOAD_HANDLERS = ["search.http.body_limits.LimitedUploadHandler"]
UPLOAD_LOGIN_REQUIRED = flag("UPLOAD_LOGIN_REQUIRED", default=True)
# Who sees the collection: everybody, logged-in users, or logged-in users whom an owner has approved.
SITE_ACCESS = choice("SITE_ACCESS", ACCESS, default="public")
# Whether visitors may create an account: "on", "approval" (an owner decides) or "off".
SIGN_UP = sign_up("SIGN_UP_OPEN", default=default_sign_up(SITE_ACCESS, ALLOWED_HOSTS, DEBUG, HTTPS))
check_access(SITE_ACCESS, sign_up=SIGN_UP, upload_needs_login=UPLOAD_LOGIN_REQUIRED, public=S3_PUBLIC_BASE_URL)
# Who may have the server fetch a picture from a URL to search by it: nobody, logged-in users, everybody.
SEARCH_BY_ADDRESS = choice(
    "SEARCH_BY_ADDRESS", ["off", "members", "on"], default="members" if UPLOAD_LOGIN_REQUIRED else "on"
)

# --- Limits -----------------------------------------------------------------------------------------------------

# Rate limits per account, or per address where nobody is logged in. search/limits applies them.
LIMITS = {
    "LOGINS": rates("LIMIT_LOGINS", default="5/minute, 30/hour"),
    "LOGINS_BY_ADDRESS": rates("LIMIT_LOGINS_BY_ADDRESS", default="20/minute, 100/hour"),
    "LOGINS_BY_NAME": rates("LIMIT_LOGINS_BY_NAME", default="20/minute"),
    "CODES": rates("LIMIT_CODES", default="5/minute, 20/hour"),
    "TOKENS": rates("LIMIT_TOKENS", default="20/minute"),
    "SIGN_UPS": rates("LIMIT_SIGN_UPS", default="10/hour, 30/day"),
    "PASSWORDS": rates("LIMIT_PASSWORDS", default="10/hour"),
    "REPORTS": rates("LIMIT_REPORTS", default="10/minute, 50/day"),
    "SETS": rates("LIMIT_SETS", default="20/minute, 200/day"),
    "SAVED_SEARCHES": rates("LIMIT_SAVED_SEARCHES", default="30/minute"),
    "QUERY_PICTURES": rates("LIMIT_QUERY_PICTURES", default="30/minute, 500/day"),
    "UPLOADS": rates("LIMIT_UPLOADS", default="600/minute, 20000/day"),
    "SEARCHES": rates("LIMIT_SEARCHES", default="300/minute"),
    "ZIPS": rates("LIMIT_ZIPS", default="10/minute, 100/day"),
    "DOWNLOADS": rates("LIMIT_DOWNLOADS", default="120/minute, 3000/day"),
}
if not flag("LIMITS", default=True):
    LIMITS = dict.fromkeys(LIMITS, ())
# Rows that anonymous users create: query pictures, the oldest of which are removed.
QUERY_PICTURES_KEPT = whole_number("QUERY_PICTURES_KEPT", default=20_000, least=100, most=10_000_000)

# --- Mail -------------------------------------------------------------------------------------------------------

# Without it no mail is sent, and no page offers it.
_mail = mail_settings("EMAIL_URL")
SENDS_MAIL = bool(_mail)
EMAIL_BACKEND = _mail.get("EMAIL_BACKEND", "django.core.mail.backends.dummy.EmailBackend")
EMAIL_HOST, EMAIL_PORT = _mail.get("EMAIL_HOST", ""), _mail.get("EMAIL_PORT", 25)
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _mail.get("EMAIL_HOST_USER", ""), _mail.get("EMAIL_HOST_PASSWORD", "")
EMAIL_USE_TLS, EMAIL_USE_SSL = _mail.get("EMAIL_USE_TLS", False), _mail.get("EMAIL_USE_SSL", False)
EMAIL_FILE_PATH = _mail.get("EMAIL_FILE_PATH") or None
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = SERVER_EMAIL = sender("EMAIL_FROM", _mail)

# --- Models -----------------------------------------------------------------------------------------------------

EMBEDDING_IMAGE_MODEL = unquoted("EMBEDDING_IMAGE_MODEL") or "sentence-transformers/clip-ViT-B-32"
EMBEDDING_TEXT_MODEL = unquoted("EMBEDDING_TEXT_MODEL") or "sentence-transformers/clip-ViT-B-32-multilingual-v1"

# Compiled for this processor, models are several times as fast: at first use, in a separate process. Off: they run as
# downloaded.
COMPILE_MODELS = flag("COMPILE_MODELS", default=True)
MODELS_DIR = DATA_DIR / "models"

# Recalibrate the relevance thresholds in the background when uploads have changed the collection by a tenth.
CALIBRATE_AFTER_UPLOADS = True

# Who sees where pictures were taken: curators, or everyone.
SHOW_PLACES = choice("SHOW_PLACES", ["curators", "everyone"], default="curators")

# Who sees the map of similar pictures.
SHOW_MAP = choice("SHOW_MAP", ["curators", "everyone"], default="curators")

# --- Language and time ------------------------------------------------------------------------------------------

LANGUAGES = [("en", _("English")), ("ko", _("Korean"))]
LANGUAGE_CODE = choice("LANGUAGE_CODE", ["en", "ko"], default="en")
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = "imagesearch.formats"
TIME_ZONE = time_zone("TIME_ZONE", default="UTC")
# Time zone of photos that name none, used for display where only UTC is known; "": unknown.
PHOTO_TIME_ZONE = time_zone("PHOTO_TIME_ZONE")
USE_TZ = True

# --- Monitoring -------------------------------------------------------------------------------------------------

# Bearer token for /metrics; without it there is no such page, and nothing is counted.
METRICS_TOKEN = secret("METRICS_TOKEN")

LOG_FORMAT = choice("LOG_FORMAT", ["text", "json"], default="text")
LOG_LEVEL = choice("LOG_LEVEL", ["DEBUG", "INFO", "WARNING", "ERROR"], default="INFO")
# A line for each request; on by default for JSON logs.
ACCESS_LOG = flag("ACCESS_LOG", default=LOG_FORMAT == "json")
# Whether to trust X-Request-ID from our proxy; direct clients could forge it.
REQUEST_ID_FROM_PROXY = flag("REQUEST_ID_FROM_PROXY", default=False)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"ours": {"()": f"imagesearch.logs.{'Json' if LOG_FORMAT == 'json' else 'Lines'}"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "ours"}},
    # Library messages below WARNING are noise to operators.
    "root": {"handlers": ["console"], "level": "ERROR" if LOG_LEVEL == "ERROR" else "WARNING"},
    "loggers": {
        "search": {"level": LOG_LEVEL},
        "imagesearch": {"level": LOG_LEVEL},
        # Django's own handlers would log it twice, in another format.
        "django": {"handlers": [], "level": "NOTSET"},
        # Each 404 has its access log line.
        "django.request": {"level": "ERROR" if ACCESS_LOG else "NOTSET"},
        "django.server": {"handlers": ["console"], "level": "INFO", "propagate": False},
    },
}
if LOG_FORMAT == "json":
    log_uncaught()
