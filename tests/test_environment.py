"""Settings from the environment: an invalid value stops the start with its name, value and the fix."""

import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as project
from django.core.exceptions import ImproperlyConfigured

from imagesearch import environment, s3_sources
from imagesearch.database_url import WrongDatabaseUrl, read_database_url
from imagesearch.mail import mail_settings
from tests.s3_servers import configured

NAME = "A_SETTING"


def read_as(kind: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, value: str | None, **options: Any) -> Any:
    if value is None:
        monkeypatch.delenv(NAME, raising=False)
    else:
        monkeypatch.setenv(NAME, value)
    return kind(NAME, **options)


def refusal(kind: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, value: str, **options: Any) -> str:
    with pytest.raises(ImproperlyConfigured) as refused:
        read_as(kind, monkeypatch, value, **options)
    return str(refused.value)


def run_python(*program: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a program in the project's folder on a machine where only `variables` are configured."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return subprocess.run(
        [sys.executable, *program],
        check=False,
        cwd=project.BASE_DIR,
        env={**inherited, "DATA_DIR": str(folder), **variables},
        capture_output=True,
        text=True,
        timeout=120,
    )


# Kinds of values


@pytest.mark.parametrize(
    ("value", "meant"),
    [("on", True), ("True", True), ("1", True), (" YES ", True), ("off", False), ("false", False), ("0", False)],
)
def test_a_switch_is_on_or_off(monkeypatch: pytest.MonkeyPatch, value: str, meant: bool) -> None:
    assert read_as(environment.flag, monkeypatch, value, default=not meant) is meant


@pytest.mark.parametrize("value", [None, "", "  "])
def test_an_unset_or_blank_variable_has_the_default(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    assert read_as(environment.flag, monkeypatch, value, default=True) is True
    assert read_as(environment.whole_number, monkeypatch, value, default=7, least=1, most=9) == 7
    assert read_as(environment.names, monkeypatch, value, default=["a"]) == ["a"]
    assert read_as(environment.web_address, monkeypatch, value) == ""
    assert read_as(environment.web_origins, monkeypatch, value) == []
    assert read_as(environment.host_names, monkeypatch, value, default=["localhost"]) == ["localhost"]
    assert read_as(environment.choice, monkeypatch, value, choices=["en", "ko"], default="ko") == "ko"
    assert read_as(environment.time_zone, monkeypatch, value, default="UTC") == "UTC"
    assert read_as(environment.postgres_url, monkeypatch, value) is None


@pytest.mark.parametrize(
    ("kind", "options", "value", "mend"),
    [
        (environment.flag, {"default": True}, "ture", "`on` or `off`"),
        (environment.flag, {"default": True}, "2", "`on` or `off`"),
        (environment.whole_number, {"default": 5, "least": 1, "most": 500}, "0", "from 1 to 500"),
        (environment.whole_number, {"default": 5, "least": 1, "most": 500}, "501", "from 1 to 500"),
        (environment.whole_number, {"default": 5, "least": 1, "most": 500}, "20 MB", "from 1 to 500"),
        (environment.whole_number, {"default": 5, "least": 1, "most": 500}, "-5", "from 1 to 500"),
        (environment.whole_number, {"default": 5, "least": 1, "most": 500}, "2.5", "from 1 to 500"),
        (environment.whole_number, {"default": 5, "least": 1, "most": 500}, "٥", "from 1 to 500"),
        (environment.whole_number, {"default": 5, "least": 1, "most": 500}, "9" * 5000, "from 1 to 500"),
        (environment.web_address, {}, "pictures.example.org", "https://"),
        (environment.web_address, {}, "ftp://pictures.example.org", "https://"),
        (environment.web_address, {}, "https://", "https://"),
        (environment.web_address, {}, "https://[half", "https://"),
        (environment.web_address, {}, "http://localhost:port/", "https://"),
        (environment.web_origins, {}, "pictures.example.org", "https://"),
        (environment.web_origins, {}, "https://pictures.example.org/", "alone"),
        (environment.web_origins, {}, "https://pictures.example.org/admin", "alone"),
        (environment.web_address, {}, "https://s3.example.org/?region=here", "https://"),
        (environment.web_address, {}, "https://s3.example.org/#here", "https://"),
        (environment.web_origins, {}, "https://*.example.org", "write each origin out"),
        (environment.web_origins, {"wildcards": True}, "https://*", "for all below"),
        (environment.web_origins, {"wildcards": True}, "*", "for all below"),
        (environment.host_names, {"default": []}, "https://pictures.example.org", "without https://"),
        (environment.host_names, {"default": []}, "pictures.example.org:8000", "without https:// and port"),
        (environment.host_names, {"default": []}, "pictures.example.org/", "alone"),
        (environment.host_names, {"default": []}, "a.example.org;b.example.org", "commas between"),
        (environment.host_names, {"default": []}, "[a.example.org]", "without https:// and port"),
        (environment.web_address, {}, "http://minio_server:9000", "letters, digits, dots and hyphens"),
        (environment.web_address, {}, "https://s3 example.org", "letters, digits, dots and hyphens"),
        (environment.web_origins, {}, "https://pictures.example.org:99999", "alone"),
        (environment.bucket_name, {}, "arn:pictures", "name alone"),
        (environment.bucket_folder, {}, "사" * 200, "write a folder"),
        (environment.folder, {"default": Path("/var")}, "~/pictures", "write the whole path"),
        (environment.folder, {"default": Path("/var")}, "$HOME/pictures", "write the whole path"),
        (environment.host_names, {"default": []}, "*.example.org", "write .example.org"),
        (environment.web_origins, {}, "https://me@pictures.example.org", "alone"),
        (environment.web_origins, {}, "https://pictures.example.org?a=b", "alone"),
        (environment.region_name, {}, "eu central 1", "such as eu-central-1"),
        (environment.region_name, {}, "s3.eu-central-1.amazonaws.com", "such as eu-central-1"),
        (environment.choice, {"choices": ["en", "ko"], "default": "en"}, "de", "en, ko"),
        (environment.time_zone, {"default": "UTC"}, "Berlin", "Europe/Berlin"),
        (environment.time_zone, {"default": "UTC"}, "../../etc/passwd", "Europe/Berlin"),
        (environment.time_zone, {"default": "UTC"}, "Europe", "Europe/Berlin"),
    ],
)
def test_an_invalid_value_is_reported_with_its_name_and_the_fix(
    monkeypatch: pytest.MonkeyPatch, kind: Callable[..., Any], options: dict[str, Any], value: str, mend: str
) -> None:
    told = refusal(kind, monkeypatch, value, **options)

    assert told.startswith(f"{NAME} is '{value}': ")
    assert mend in told


def test_the_invalid_item_of_a_list_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    told = refusal(environment.web_origins, monkeypatch, "https://good.example.org, bad.example.org")

    assert told.startswith(f"{NAME} is 'bad.example.org': ")


def test_values_are_normalised(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_as(environment.whole_number, monkeypatch, " 500 ", default=5, least=1, most=500) == 500
    assert read_as(environment.names, monkeypatch, " a, b ,,c ") == ["a", "b", "c"]
    assert read_as(environment.web_address, monkeypatch, "https://s3.example.org:9000/base//") == (
        "https://s3.example.org:9000/base"
    )
    origins = ["https://pictures.example.org", "http://localhost:8001", "https://*.example.org"]
    assert read_as(environment.web_origins, monkeypatch, ",".join(origins), wildcards=True) == origins
    hosts = ["pictures.example.org", ".example.org", "*", "192.0.2.7", "[::1]"]
    assert read_as(environment.host_names, monkeypatch, ",".join(hosts), default=[]) == hosts
    assert read_as(environment.time_zone, monkeypatch, "Asia/Seoul", default="UTC") == "Asia/Seoul"
    # As browsers send them, which is what Django compares.
    assert read_as(environment.host_names, monkeypatch, "사진.example.org, .a.org.", default=[]) == [
        "xn--vf4bi0o.example.org",
        ".a.org",
    ]
    written = "https://A.org:443,HTTP://사진.example.org:8080,https://*.A.org"
    assert read_as(environment.web_origins, monkeypatch, written, wildcards=True) == [
        "https://a.org",
        "http://xn--vf4bi0o.example.org:8080",
        "https://*.a.org",
    ]


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (environment.host_names, {"default": []}),
        (environment.folder, {"default": Path("/var")}),
        (environment.unquoted, {}),
        (environment.postgres_url, {}),
        (mail_settings, {}),
    ],
)
def test_quotation_marks_around_a_value_are_refused_and_a_secret_is_not_printed(
    monkeypatch: pytest.MonkeyPatch, kind: Callable[..., Any], options: dict[str, Any]
) -> None:
    """`docker run --env-file` keeps them, compose and shells drop them."""
    told = refusal(kind, monkeypatch, '"the.secret,another"', **options)

    assert told.startswith(f"{NAME} is in quotation marks")
    assert "secret" not in told


SECRET = "the-secret-of-the-source"


@pytest.mark.parametrize(
    ("value", "mend"),
    [
        ('{"s3://a": {"anonymous": true}}', "a bucket's name alone"),
        ('{"a/b": {"anonymous": true}}', "a bucket's name alone"),
        (f'{{"a": {{"anonymous": true, "access_key": "k", "secret_key": "{SECRET}"}}}}', "remove one of the two"),
        (f'{{"a": {{"session_token": "{SECRET}"}}}}', "needs its access_key and secret_key too"),
        ("bucket=https://s3.example.org", "write JSON such as"),
        ('["bucket"]', "write JSON such as"),
        ('{"bucket": "https://s3.example.org"}', "write JSON such as"),
        ('{"bucket": {"endpoint": "s3.example.org"}}', "endpoint of bucket must be a whole address"),
        (f'{{"bucket": {{"endpoint": "https://me:{SECRET}@s3.example.org"}}}}', "endpoint of bucket must be a whole"),
        (
            '{"bucket": {"endpoint": "https://s3.example.org?region=here"}}',
            "endpoint of bucket must be a whole address",
        ),
        ('{"bucket": {"region": "eu central 1"}}', "region of bucket must be a name such as eu-central-1"),
        ('{"bucket": {"endpoint_url": "https://s3.example.org"}}', "may be: endpoint, region,"),
        ('{"bucket": {"anonymous": "yes"}}', "anonymous of bucket must be true or false"),
        ('{"bucket": {"addressing_style": "host"}}', "must be one of: auto, path, virtual"),
        (f'{{"bucket": {{"secret_key": "{SECRET}"}}}}', "needs access_key and secret_key"),
        (f'{{"bucket": {{"secret_key": "{SECRET}", "access_key": 5}}}}', "access_key of bucket must be a text"),
    ],
)
def test_errors_in_s3_sources_are_reported_without_secrets(value: str, mend: str) -> None:
    with pytest.raises(ImproperlyConfigured) as refused:
        s3_sources.s3_sources(NAME, value)
    told = str(refused.value)

    assert told.startswith(NAME)
    assert mend in told
    assert SECRET not in told


def test_s3_sources_are_keyed_by_bucket() -> None:
    value = '{"a": {"endpoint": "https://s3.example.org", "anonymous": true}, "b": {"requester_pays": true}}'

    assert s3_sources.s3_sources(NAME, value) == {
        "a": {"endpoint": "https://s3.example.org", "anonymous": True},
        "b": {"requester_pays": True},
    }
    assert s3_sources.s3_sources(NAME, "") == {}


@pytest.mark.parametrize("value", ["$ecret", "$HOME", "a$b", r"\$x", "'quoted'", "with=signs#and spaces"])
def test_a_secret_is_not_changed(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    assert read_as(environment.text, monkeypatch, value) == value


# The database


def test_all_parts_of_a_database_url_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    database = read_as(
        environment.postgres_url,
        monkeypatch,
        "postgres://ann:p%40ss%2Fw%3Ard@db.example.org:5433/pics?sslmode=require",
    )

    assert database["ENGINE"] == "imagesearch.postgresql"
    assert (database["USER"], database["PASSWORD"]) == ("ann", "p@ss/w:rd")
    assert (database["HOST"], str(database["PORT"]), database["NAME"]) == ("db.example.org", "5433", "pics")
    assert database["OPTIONS"] == {"sslmode": "require"}


@pytest.mark.parametrize(
    ("value", "part", "read"),
    [
        ("postgres://u:p@[::1]:5433/pics", "HOST", "::1"),
        ("postgres://u:p@one:5432,two:5433/pics?target_session_attrs=read-write", "HOST", "one,two"),
        ("postgres://u:p@one:5432,two:5433/pics", "PORT", "5432,5433"),
        ("postgres://u:p@/pics?host=/run/postgresql", "HOST", "/run/postgresql"),
        ("postgres://u:p@%2Frun%2Fpostgresql/pics", "HOST", "/run/postgresql"),
        ("postgres://u:p@ss@host/pics", "PASSWORD", "p@ss"),
        ("postgres://u:100%@host/pics", "PASSWORD", "100%"),
        ("postgres://u%40corp:p@host/pics", "USER", "u@corp"),
        ("postgres://u:p@host/pics?DISABLE_SERVER_SIDE_CURSORS=True", "DISABLE_SERVER_SIDE_CURSORS", True),
        (
            "postgres://u:p@host/pics?options=-c+statement_timeout%3D5s&sslrootcert=/ca.pem&application_name=pics",
            "OPTIONS",
            {"options": "-c statement_timeout=5s", "sslrootcert": "/ca.pem", "application_name": "pics"},
        ),
    ],
)
def test_all_forms_of_a_database_url_are_read(value: str, part: str, read: object) -> None:
    assert read_database_url(value)[part] == read


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ("max_size=3", "max_size can't be set in it: set DATABASE_POOL_SIZE"),
        ("CONN_MAX_AGE=60", "CONN_MAX_AGE can't be set in it: set DATABASE_POOL_SIZE"),
        ("statement_timeout=5000", "options=-c%20statement_timeout%3DVALUE"),
        ("pgbouncer=true", "DISABLE_SERVER_SIDE_CURSORS=True"),
        ("sslmod=require", "sslmod is not a connection parameter"),
        ("SSLMODE=require", "small letters"),
        ("sslmode=on", "sslmode is one of: disable,"),
        ("connect_timeout=soon", "connect_timeout is a whole number"),
        ("options=-c%20a%3Db&options=-c%20c%3Dd", "options twice"),
        ("port=0", "A port is a number"),
        ("application_name=a%00b", "application_name has a character %00"),
    ],
)
def test_an_unsupported_parameter_is_refused_by_name(parameters: str, told: str) -> None:
    with pytest.raises(WrongDatabaseUrl, match=re.escape(told)):
        read_database_url(f"postgres://u:p@host/pics?{parameters}")


def test_options_of_a_database_url_are_merged_with_those_that_searches_need(tmp_path: Path) -> None:
    url = "postgres://nobody@localhost/none?options=-c%20statement_timeout%3D5s&connect_timeout=9"
    made = configured(DATA_DIR=str(tmp_path), DATABASE_URL=url, DATABASE_POOL_SIZE="3")["DATABASES"]["default"]

    assert made["OPTIONS"]["options"].endswith("-c hnsw.ef_search=200 -c jit=off -c statement_timeout=5s")
    assert made["OPTIONS"]["connect_timeout"] == "9"
    assert made["OPTIONS"]["pool"]["max_size"] == 3
    assert made["OPTIONS"]["pool"]["timeout"] == 9  # the timeout of a pooled connection is that of the server


@pytest.mark.parametrize(
    "value",
    [
        "mysql://ann:geheim@db.example.org/pics",
        "sqlite:///geheim",
        "db.example.org/geheim",
        "postgres://ann:geheim@db.example.org",
        "postgres://ann:geheim@db.example.org/",
        "postgres://ann:x:geheim@db.example.org:port/pics",
        "postgres://ann:geheim/more@db.example.org/pics",
        "postgres://ann:[geheim@db.example.org",
        "postgres://ann:x?geheim@db.example.org/pics",
        "postgres://ann:x#geheim@db.example.org/pics",
        "postgres://ann:geheim@db.example.org:99999999/pics",
    ],
)
def test_an_invalid_database_url_is_reported_without_its_password(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(NAME, value)

    with pytest.raises(ImproperlyConfigured) as refused:
        environment.postgres_url(NAME)

    assert str(refused.value).startswith(f"{NAME} must read like postgres://user:password@host:5432/database.")
    error: BaseException | None = refused.value
    while error is not None:  # chained exceptions are logged, too
        assert "geheim" not in str(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


# `.env`


def test_an_env_file_sets_only_variables_missing_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SET_OUTSIDE", "from the environment")
    for name in ("SET_INSIDE", "QUOTED"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    (tmp_path / ".env").write_text(
        "# a comment\n\nSET_OUTSIDE=from the file\nSET_INSIDE=from the file\nexport QUOTED='금붕어'\n", "utf-8"
    )

    environment.read_env_file(tmp_path / ".env")

    assert os.environ["SET_OUTSIDE"] == "from the environment"
    assert os.environ["SET_INSIDE"] == "from the file"
    assert os.environ["QUOTED"] == "금붕어"


@pytest.mark.parametrize(("over_blank", "wins"), [(False, ""), (True, "from the file")])
def test_a_blank_variable_overrides_a_file_except_with_over_blank(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, over_blank: bool, wins: str
) -> None:
    monkeypatch.setenv("BLANK", "")
    monkeypatch.setenv("SET_OUTSIDE", "from the environment")
    (tmp_path / ".env").write_text("BLANK=from the file\nSET_OUTSIDE=from the file\n")

    environment.read_env_file(tmp_path / ".env", over_blank=over_blank)

    assert os.environ["BLANK"] == wins
    assert os.environ["SET_OUTSIDE"] == "from the environment"


def test_an_unreadable_env_file_is_an_error() -> None:
    with pytest.raises(ImproperlyConfigured, match="/proc/self/mem can't be read: Input/output error"):
        environment.read_env_file(Path("/proc/self/mem"))


def test_a_missing_env_file_is_no_error(tmp_path: Path) -> None:
    environment.read_env_file(tmp_path / ".env")


@pytest.mark.parametrize("line", ["AWS_SECRET_ACCESS_KEY = geheim", " DEBUG=geheim", "geheim", "\ufeffDEBUG=geheim"])
def test_an_invalid_line_of_an_env_file_stops_the_start_and_is_not_printed(tmp_path: Path, line: str) -> None:
    (tmp_path / ".env").write_text(f"# a comment\n{line}\n", "utf-8")

    with pytest.raises(ImproperlyConfigured) as refused:
        environment.read_env_file(tmp_path / ".env")

    assert f"Line 2 of {tmp_path / '.env'}" in str(refused.value)
    assert "geheim" not in str(refused.value)


# Contradictory settings

UNREACHABLE = {"DATABASE_URL": "postgres://nobody@localhost/none", "DEBUG": "on", "SECRET_KEY": "unused"}
BUCKET = {"AWS_STORAGE_BUCKET_NAME": "pictures"}
CDN = {"S3_PUBLIC_BASE_URL": "https://cdn.example.org"}
NONE_OF_THEM = dict.fromkeys(
    (
        "AWS_STORAGE_BUCKET_NAME", "AWS_LOCATION", "AWS_S3_ENDPOINT_URL", "S3_PUBLIC_BASE_URL",
        "PICTURES_THROUGH_SITE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "S3_SOURCES",
        "SITE_ACCESS", "SIGN_UP_OPEN",
    ),
    "",
)  # fmt: skip


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        (CDN, "S3_PUBLIC_BASE_URL is 'https://cdn.example.org': .* set AWS_STORAGE_BUCKET_NAME too, or remove it"),
        (
            {**BUCKET, **CDN, "AWS_LOCATION": "a/folder"},
            "S3_PUBLIC_BASE_URL is 'https://cdn.example.org': .* write https://cdn.example.org/a/folder, or",
        ),
        (
            {**BUCKET, "S3_PUBLIC_BASE_URL": "https://cdn.example.org/my-folder", "AWS_LOCATION": "folder"},
            "write https://cdn.example.org/my-folder/folder, or",
        ),
        (
            {**BUCKET, **CDN, "AWS_LOCATION": "내 사진"},
            "write https://cdn.example.org/%EB%82%B4%20%EC%82%AC%EC%A7%84, or",
        ),
        (
            {**BUCKET, **CDN, "PICTURES_THROUGH_SITE": "on"},
            "S3_PUBLIC_BASE_URL is 'https://cdn.example.org': .* with PICTURES_THROUGH_SITE=on: remove one of the two",
        ),
        ({"AWS_LOCATION": "folder"}, "AWS_LOCATION is 'folder': .* set AWS_STORAGE_BUCKET_NAME too, or remove it"),
        ({**BUCKET, "AWS_LOCATION": "../other"}, "AWS_LOCATION is '../other': write a folder such as"),
        ({**BUCKET, "AWS_LOCATION": "a//b"}, "AWS_LOCATION is 'a//b': write a folder such as"),
        ({"AWS_STORAGE_BUCKET_NAME": "s3://pictures"}, "AWS_STORAGE_BUCKET_NAME is 's3://pictures': write the bucket"),
        ({"AWS_STORAGE_BUCKET_NAME": "pictures/a"}, "AWS_STORAGE_BUCKET_NAME is 'pictures/a': .* AWS_LOCATION"),
        (
            {**BUCKET, "AWS_S3_ENDPOINT_URL": "https://s3.example.org/pictures"},
            "AWS_S3_ENDPOINT_URL is 'https://s3.example.org/pictures': .* write https://s3.example.org[.]",
        ),
        (
            {**BUCKET, "AWS_S3_ENDPOINT_URL": "https://me:geheim@s3.example.org"},
            "AWS_S3_ENDPOINT_URL has a name or a password in it",
        ),
        ({"AWS_ACCESS_KEY_ID": "geheim"}, "AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not"),
        ({"AWS_SECRET_ACCESS_KEY": "geheim"}, "AWS_SECRET_ACCESS_KEY is set, and AWS_ACCESS_KEY_ID is not"),
        ({"AWS_SESSION_TOKEN": "geheim"}, "AWS_SESSION_TOKEN is set, and AWS_ACCESS_KEY_ID is not"),
        ({"SITE_ACCESS": "private"}, "SITE_ACCESS is 'private': write one of: public, members, approved"),
        ({"SITE_ACCESS": "members", "UPLOAD_LOGIN_REQUIRED": "off"}, "set UPLOAD_LOGIN_REQUIRED=on"),
        ({"SITE_ACCESS": "members", **BUCKET, **CDN}, "SITE_ACCESS is 'members': .*make the bucket private"),
        ({"SITE_ACCESS": "approved", "SIGN_UP_OPEN": "on"}, "SITE_ACCESS is 'approved': .*remove SIGN_UP_OPEN"),
        ({"API_CORS_ORIGINS": "https://*.example.org"}, "API_CORS_ORIGINS is 'https://\\*.example.org': write each"),
    ],
)
def test_settings_that_contradict_each_other_stop_the_start(
    tmp_path: Path, variables: dict[str, str], told: str
) -> None:
    with pytest.raises(ImproperlyConfigured, match=told) as refused:
        configured(DATA_DIR=str(tmp_path), **{**UNREACHABLE, **NONE_OF_THEM, **variables})
    assert "geheim" not in str(refused.value)


@pytest.mark.parametrize(
    "variables",
    [
        {**BUCKET, **CDN},
        {**BUCKET, "AWS_LOCATION": "/a/folder/", "S3_PUBLIC_BASE_URL": "https://cdn.example.org/pictures/a/folder/"},
        {**BUCKET, "AWS_LOCATION": "내 사진", "S3_PUBLIC_BASE_URL": "https://cdn.example.org/%EB%82%B4%20사진"},
        {**BUCKET, "AWS_S3_REGION_NAME": "eu-central-1"},
        {**BUCKET, "AWS_S3_ENDPOINT_URL": "https://project.example.org/storage/v1/s3"},
        {**BUCKET, "PICTURES_THROUGH_SITE": "on"},
        {"AWS_STORAGE_BUCKET_NAME": "arn:aws:s3:eu-central-1:123456789012:accesspoint/pictures"},
        {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "token"},
        {"CSRF_TRUSTED_ORIGINS": "https://*.example.org"},
        {"SITE_ACCESS": "members", **BUCKET},
        {"SITE_ACCESS": "approved", "SIGN_UP_OPEN": "off"},
    ],
)
def test_consistent_settings_are_accepted(tmp_path: Path, variables: dict[str, str]) -> None:
    made = configured(DATA_DIR=str(tmp_path), **{**UNREACHABLE, **NONE_OF_THEM, **variables})

    if "AWS_LOCATION" in variables:
        assert made["STORAGES"]["default"]["OPTIONS"]["location"] == variables["AWS_LOCATION"].strip("/")


def test_check_reports_contradictory_settings_in_one_line(tmp_path: Path) -> None:
    ended = run_python("manage.py", "check", folder=tmp_path, **UNREACHABLE, **CDN)

    assert ended.returncode == 1
    assert re.fullmatch("Configuration error: S3_PUBLIC_BASE_URL is 'https://cdn.example.org': .+\n", ended.stderr)


def test_a_data_folder_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")

    with pytest.raises(ImproperlyConfigured, match=f"DATA_DIR is '{tmp_path}/file': .+ Name a folder that this user"):
        environment.local_secret_key(tmp_path / "file" / "secret_key")


# The secret key


def test_the_secret_key_is_created_once_readable_only_for_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "not" / "there yet" / "secret_key"

    made = environment.local_secret_key(path)

    assert len(made) >= 50
    assert environment.local_secret_key(path) == made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == ["secret_key"]
    assert environment.local_secret_key(tmp_path / "another") != made


def test_threads_that_start_together_have_the_same_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        keys = set(pool.map(lambda _: environment.local_secret_key(tmp_path / "secret_key"), range(64)))

    assert len(keys) == 1


MAKE_KEY = """
import sys
from pathlib import Path
from imagesearch.environment import local_secret_key
sys.stdin.read()
print(local_secret_key(Path(sys.argv[1])))
"""


def test_processes_that_start_together_have_the_same_key(tmp_path: Path) -> None:
    start = [sys.executable, "-c", MAKE_KEY, str(tmp_path / "secret_key")]
    processes = [
        subprocess.Popen(start, cwd=project.BASE_DIR, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(4)
    ]
    for process in processes:  # all of them have started, and wait on stdin
        assert process.stdin is not None
        process.stdin.close()

    keys = {process.stdout.read() for process in processes if process.stdout}
    assert [process.wait(60) for process in processes] == [0] * 4
    assert len(keys) == 1
    assert len(keys.pop().strip()) >= 50


# All settings

BLANK = dict.fromkeys(
    ("ALLOWED_HOSTS", "EMBEDDING_IMAGE_MODEL", "EMBEDDING_TEXT_MODEL", "AWS_STORAGE_BUCKET_NAME"), ""
)


def test_the_defaults_are_for_local_use(tmp_path: Path) -> None:
    made = configured(DATA_DIR=str(tmp_path), **BLANK)

    assert made["STORAGES"]["default"] == {"BACKEND": "search.objects.storage.LocalStorage"}
    assert made["MEDIA_ROOT"] == tmp_path / "media"
    assert made["ALLOWED_HOSTS"] == ["localhost", "127.0.0.1", "[::1]"]
    assert made["EMBEDDING_IMAGE_MODEL"] == "sentence-transformers/clip-ViT-B-32"
    assert made["EMBEDDING_TEXT_MODEL"] == "sentence-transformers/clip-ViT-B-32-multilingual-v1"


def test_demo_env_sets_the_models_unless_the_environment_does(tmp_path: Path) -> None:
    (tmp_path / "demo.env").write_text("EMBEDDING_IMAGE_MODEL=/demo/image\nEMBEDDING_TEXT_MODEL=/demo/text\n")

    noted = configured(DATA_DIR=str(tmp_path), EMBEDDING_IMAGE_MODEL="", EMBEDDING_TEXT_MODEL="somebody/words")

    assert noted["EMBEDDING_IMAGE_MODEL"] == "/demo/image"
    assert noted["EMBEDDING_TEXT_MODEL"] == "somebody/words"


@pytest.mark.parametrize(
    "key", ["abc", "changeme" * 8, "0123456789abcdef0123456789abcde", "django-insecure-" + "kx8q2m4w" * 8]
)
def test_a_weak_secret_key_stops_the_start_and_is_not_printed(tmp_path: Path, key: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"SECRET_KEY can be guessed.*secrets\.token_urlsafe") as stopped:
        configured(DATA_DIR=str(tmp_path), DEBUG="off", SECRET_KEY=key)

    assert key not in str(stopped.value)
    assert configured(DATA_DIR=str(tmp_path), DEBUG="on", SECRET_KEY=key)["SECRET_KEY"] == key


def test_in_debug_mode_the_secret_key_is_stored_in_the_data_folder(tmp_path: Path) -> None:
    first, second = (configured(DATA_DIR=str(tmp_path), DEBUG="on", SECRET_KEY="") for _ in range(2))

    assert first["SECRET_KEY"] == second["SECRET_KEY"] == (tmp_path / "secret_key").read_text()


@pytest.mark.parametrize("debug", ["off", ""])
def test_without_debug_the_secret_key_must_be_given(tmp_path: Path, debug: str) -> None:
    # A configured database switches DEBUG off by default.
    with pytest.raises(ImproperlyConfigured, match=r"SECRET_KEY is not set.*secrets\.token_urlsafe"):
        configured(DATA_DIR=str(tmp_path), DEBUG=debug, SECRET_KEY="")

    assert not (tmp_path / "secret_key").exists()


@pytest.mark.parametrize(
    ("program", "variables", "told"),
    [
        (("manage.py", "check"), {"DEBUG": "ture"}, r"DEBUG is 'ture': write `on` or `off`\."),
        (
            ("-c", "import imagesearch.wsgi"),
            {"UPLOAD_MAX_MB": "lots"},
            r"UPLOAD_MAX_MB is 'lots': write a whole number from 1 to 500\.",
        ),
        (
            ("manage.py", "check"),
            {"DATABASE_URL": "mysql://ann:geheim@db.example.org/pics"},
            "DATABASE_URL must read like postgres://.*",
        ),
    ],
)
def test_the_command_line_and_web_servers_report_an_invalid_value_in_one_line(
    tmp_path: Path, program: tuple[str, ...], variables: dict[str, str], told: str
) -> None:
    unreachable = {"DATABASE_URL": "postgres://nobody@localhost/none", "DEBUG": "on", "SECRET_KEY": "unused"}

    ended = run_python(*program, folder=tmp_path, **{**unreachable, **variables})

    assert ended.returncode == 1
    assert re.fullmatch(f"Configuration error: {told}\n", ended.stderr), ended.stderr
    assert ended.stdout == ""
    assert "geheim" not in ended.stderr
