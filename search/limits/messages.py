"""Messages for exceeded limits."""

from typing import Any

from django.utils.translation import gettext_lazy, ngettext

from search.limits.counting import TooMany

_LOGINS = gettext_lazy("Too many failed login attempts.")
_PROBLEMS: dict[str, Any] = {
    "LOGINS": _LOGINS,
    "LOGINS_BY_ADDRESS": _LOGINS,
    "LOGINS_BY_NAME": _LOGINS,
    "CODES": gettext_lazy("Too many wrong codes."),
    "TOKENS": gettext_lazy("Too many invalid tokens were sent from your address."),
    "SIGN_UPS": gettext_lazy("Too many accounts were requested from your address."),
    "PASSWORDS": gettext_lazy("A new password was requested too often."),
    "REPORTS": gettext_lazy("You have sent many reports in a short time."),
    "SETS": gettext_lazy("You have shared many selections in a short time."),
    "SAVED_SEARCHES": gettext_lazy("You have saved many searches in a short time."),
    "QUERY_PICTURES": gettext_lazy("You have searched by picture many times in a short time."),
    "UPLOADS": gettext_lazy("You have added many pictures in a short time."),
    "SEARCHES": gettext_lazy("There were many searches from your address in a short time."),
    "ZIPS": gettext_lazy("You have downloaded many selections in a short time."),
    "DOWNLOADS": gettext_lazy("You have downloaded many pictures in a short time."),
}


def problem_of(error: TooMany) -> str:
    return str(_PROBLEMS[error.kind])


def advice_of(error: TooMany) -> str:
    """Return when to retry, in a unit that is short to say, rounded up."""
    seconds = error.seconds
    minutes, hours = -(-seconds // 60), -(-seconds // 3600)
    if seconds <= 90:
        text, count = ngettext("Try again in %(count)s second.", "Try again in %(count)s seconds.", seconds), seconds
    elif minutes <= 90:
        text, count = ngettext("Try again in %(count)s minute.", "Try again in %(count)s minutes.", minutes), minutes
    else:
        text, count = ngettext("Try again in %(count)s hour.", "Try again in %(count)s hours.", hours), hours
    return text % {"count": count}
