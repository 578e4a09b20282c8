"""The site as an installed app: its manifest, the service worker with its offline page, and the share target."""

import hashlib
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.urls import get_script_prefix, reverse
from django.utils import translation
from django.utils.cache import patch_cache_control, patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt

from search.accounts.roles import may_add
from search.http.forms import PictureForm, UploadForm
from search.http.methods import require_http_methods, require_safe
from search.http.site_name import site_name

GROUND = "#f7f8f7"
"""Background of the app's splash screen: that of our pages in the light theme."""
_WORKER = Path(__file__).with_name("service_worker.js")
_HOUR = 3600


@require_safe
def manifest(request: HttpRequest) -> HttpResponse:
    """The web app manifest, in the user's language."""
    root = get_script_prefix()
    described: dict[str, Any] = {
        "id": root,
        "name": site_name(),
        "short_name": site_name(),
        "description": _("Find pictures by what they show: describe them in your own words, or use a picture."),
        "lang": translation.get_language(),
        "dir": "auto",
        "start_url": root,
        "scope": root,
        "display": "standalone",
        "background_color": GROUND,
        "theme_color": GROUND,
        "categories": ["photo"],
        "icons": _icons(),
        "shortcuts": [
            {"name": name, "url": reverse(page)}
            for name, page in ((_("Timeline"), "timeline"), (_("Albums"), "albums"), (_("Add pictures"), "upload"))
        ],
        "share_target": {
            "action": reverse("share"),
            "method": "POST",
            "enctype": "multipart/form-data",
            "params": {"files": [{"name": "picture", "accept": ["image/*"]}]},
        },
    }
    answer = JsonResponse(described, content_type="application/manifest+json", json_dumps_params={"indent": 1})
    patch_cache_control(answer, private=True, max_age=_HOUR)
    patch_vary_headers(answer, ["Accept-Language", "Cookie"])
    return answer


@require_safe
def service_worker(request: HttpRequest) -> HttpResponse:
    """The service worker's script, with the list of files to cache. A new version of the site changes the script, so
    browsers install it and drop the old cache."""
    with translation.override(_language(request)):
        page = _offline_page()
    offline = f"{reverse('offline')}?language={_language(request)}"
    files = list(dict.fromkeys(re.findall(rf'"({re.escape(settings.STATIC_URL)}[^"]+\.(?:css|js|svg))"', page)))
    version = hashlib.sha256("\n".join([page, *files, _worker()]).encode()).hexdigest()[:16]
    kept = {"version": version, "scope": get_script_prefix(), "files": files, "offline": offline}
    kept |= {"share": reverse("share"), "accounts": f"{get_script_prefix()}accounts/"}
    answer = HttpResponse(f"const SITE = {json.dumps(kept)};\n{_worker()}", content_type="text/javascript")
    patch_cache_control(answer, no_cache=True)
    return answer


@require_safe
def offline(request: HttpRequest) -> HttpResponse:
    """The page that the service worker shows without a connection: the same for everybody."""
    with translation.override(_language(request)):
        answer = HttpResponse(_offline_page(), headers={"Content-Language": _language(request)})
    patch_cache_control(answer, no_cache=True)
    return answer


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def share(request: HttpRequest) -> HttpResponse:
    """The share target: forms to search by a shared picture, or to add it.

    The system sends it by POST, without a CSRF token. The service worker intercepts it and passes it to the page, so
    it never reaches the server; without a worker, the body is not read here, and the user picks the file again.
    """
    is_refused = request.method == "POST"
    context = {
        "is_refused": is_refused,
        "search_form": PictureForm(),
        "upload_form": UploadForm(auto_id="add_%s"),
        "may_add": may_add(request.user),
        "login": f"{reverse('login')}?next={reverse('share')}",
    }
    return render(request, "search/share.html", context, status=403 if is_refused else 200)


def _icons() -> list[dict[str, str]]:
    """The icons that `supply.installed_app_icons` has drawn."""
    return [
        {"src": static(f"img/{name}-{size}.png"), "sizes": f"{size}x{size}", "type": "image/png", "purpose": purpose}
        for name, purpose in (("icon", "any"), ("maskable", "maskable"))
        for size in (192, 512)
    ]


def _offline_page() -> str:
    return render_to_string("search/offline.html")


@cache
def _worker() -> str:
    return _WORKER.read_text(encoding="utf-8")


def _language(request: HttpRequest) -> str:
    """Return the language in the URL, if the site has it; else the user's."""
    named = request.GET.get("language", "")
    return named if named in dict(settings.LANGUAGES) else translation.get_language() or settings.LANGUAGE_CODE
