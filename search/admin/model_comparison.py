"""Comparison of two models: their results for a query side by side, and judgements of them."""

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, ProgrammingError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from psycopg.errors import UndefinedTable

from search.admin import picture_html
from search.embedding import Busy, Loading, ModelUnavailable
from search.indexing.vector_set_search import Near, pictures_in
from search.model_comparison.judgements import write_judgements
from search.model_comparison.pairs import ComparedSet, sets_here
from search.model_comparison.side_by_side import SHOWN, Listed, SideBySide, found_by, side_by_side
from search.models import Image, Judgement
from search.models.vector_sets import forget_sets
from search.models.vector_values import WrongVectors
from search.query import BadQuery, SearchQuery
from search.text.normalization import normalised_text

_CARRIED = ("first", "second", "q", "language", "like", "unlike", "blind")
"""Query parameters of a comparison."""
_LONGEST_LANGUAGE = 35
_MOST_CARRIED = 20
_WITHDRAW = "withdraw"
"""The end of the value of a pressed button."""


def may_see(request: HttpRequest) -> bool:
    return request.user.has_perm("search.view_image") or may_judge(request)


def may_judge(request: HttpRequest) -> bool:
    return request.user.has_perm("search.change_image")


@dataclass(frozen=True)
class Asked:
    """The parameters of a comparison: two vector sets, a query and its language, and whether model names are
    hidden."""

    sets: Sequence[ComparedSet]
    first: ComparedSet | None
    second: ComparedSet | None
    query: SearchQuery
    language: str
    blind: bool
    problem: str = ""

    @classmethod
    def of(cls, params: QueryDict) -> Self:
        """Parse the parameters of a URL, or of the judgement form; errors are in `problem`."""
        sets = sets_here()
        query, problem = SearchQuery(), ""
        try:
            query = SearchQuery.from_params({name: params.getlist(name) for name in ("q", "like", "unlike")})
        except BadQuery as error:
            problem = str(error)
        chosen = [_set_of(params.get(name, ""), sets, place) for place, name in enumerate(("first", "second"))]
        if None in chosen and len(sets) > 1:
            problem = problem or _no_such_set()
        language = _code(params.get("language", ""))
        if not language or language == _code(params.get("guessed", "")):  # guessed from earlier words, and not edited
            language = language_of(query.words)
        return cls(sets, chosen[0], chosen[1], query, language, params.get("blind") == "1", problem)

    @property
    def is_judged(self) -> bool:
        """Whether results can be judged: judgements are only of text queries."""
        return bool(self.query.words and not self.query.parts)

    def swapped(self, user_id: object) -> bool:
        """Whether the second set is on the left: blind judges must not guess which is which, nor see the sides change
        while they judge."""
        sets = [one.table.id for one in (self.first, self.second) if one]
        named = f"{settings.SECRET_KEY}\n{user_id}\n{self.query.to_url()}\n{sets}"
        return self.blind and hashlib.sha256(named.encode()).digest()[0] % 2 == 1


def _set_of(text: str, sets: Sequence[ComparedSet], place: int) -> ComparedSet | None:
    """Return the set with this id; without one, the set at this index."""
    if not text:
        return sets[place] if place < len(sets) else None
    return next((one for one in sets if str(one.table.id) == text), None)


def _no_such_set() -> str:
    return _("This set of vectors no longer exists. Choose two of the sets below.")


def _code(language: str) -> str:
    return normalised_text(language.replace("\0", "")).replace("_", "-").lower()[:_LONGEST_LANGUAGE]


def language_of(text: str) -> str:
    """Guess the language of a text by its script; "" where that is inconclusive."""
    if any("가" <= letter <= "힣" for letter in text):
        return "ko"
    if any("ぁ" <= letter <= "ヿ" for letter in text):
        return "ja"
    return "en" if text.isascii() and any(letter.isalpha() for letter in text) else ""


def compare_view(request: HttpRequest) -> HttpResponse:
    """The page: a form, and below it both result lists."""
    if not may_see(request):
        raise PermissionDenied
    asked = Asked.of(request.GET)
    problem = asked.problem
    found = SideBySide()
    sides: list[dict[str, Any]] = []
    if not problem and not asked.query.is_empty and asked.first and asked.second:
        try:
            found, problems = _found(asked)
            sides = _sides(request, asked, found, problems)
        except BadQuery as error:
            problem = str(error)
        except ProgrammingError as error:  # a set that is dropped or repartitioned takes its table with it
            if not isinstance(error.__cause__, UndefinedTable):
                raise
            forget_sets()
            problem = _no_such_set()
    picture_html.with_thumbnails(found.images)
    context = {
        **admin.site.each_context(request),
        "title": _("Compare models"),
        "asked": asked,
        "found": found,
        "sides": sides,
        "problem": problem,
        "shown": SHOWN,
        "grades": Judgement.Grade.choices,
        "may_judge": may_judge(request) and asked.is_judged,
        "guessed": language_of(asked.query.words),
        "named": {name: request.GET.getlist(name)[:_MOST_CARRIED] for name in ("like", "unlike")},
        "revealed": _address(request.GET, blind=False),
    }
    return TemplateResponse(request, "admin/search/image/compare.html", context, status=400 if problem else 200)


def _found(asked: Asked) -> tuple[SideBySide, dict[str, str]]:
    """Return both result lists, and errors by the name of the set. Raises BadQuery."""
    assert asked.first
    assert asked.second
    lists: list[list[Near]] = []
    problems: dict[str, str] = {}
    for one in (asked.first, asked.second):
        lists.append([])
        if one.pair is None:
            text = _("The text model that belongs to %(model)s is unknown, so this model can't be used for searching.")
            problems[one.name] = text % {"model": one.name}
            continue
        try:
            lists[-1] = found_by(one, asked.query)
        except (ModelUnavailable, WrongVectors) as error:
            problems[one.name] = _reason(error)
    if problems:
        return side_by_side(asked.first, asked.second, lists, None), problems
    return side_by_side(asked.first, asked.second, lists, asked.query), problems


def _reason(error: Exception) -> str:
    if isinstance(error, Loading):
        return _("This model is still loading. Reload the page in a moment.")
    if isinstance(error, Busy):
        return _("This model is busy. Reload the page in a moment.")
    return _("This model can't be used: %(reason)s") % {"reason": error}


def _sides(request: HttpRequest, asked: Asked, found: SideBySide, problems: dict[str, str]) -> list[dict[str, Any]]:
    """Return the template's data of each list, from left to right."""
    grades: dict[uuid.UUID, int] = {}
    if asked.is_judged:
        grades = Judgement.said_of(asked.query.words, asked.language, [image.pk for image in found.images])
    sides = [
        {
            "set": one,
            "problem": problems.get(one.name, ""),
            "pictures": _counted(one),
            "results": [{"one": result, "grade": grades.get(result.image.pk), **_moved(result)} for result in results],
        }
        for one, results in ((asked.first, found.first), (asked.second, found.second))
        if one
    ]
    return sides[::-1] if asked.swapped(request.user.pk) else sides


def _counted(one: ComparedSet) -> str:
    count, is_exact = pictures_in(one.table)
    return f"{count:,}" if is_exact else f"≈{round(count, -3):,}"


def _moved(result: Listed) -> dict[str, str]:
    """How a rank differs from that in the other list: as a sign, and in words."""
    if result.other_place is None:
        return {"sign": "＋", "kind": "alone", "words": _("only in this list")}
    words = _("rank %(place)s in the other list") % {"place": result.other_place}
    if not result.rise:
        return {"sign": "=", "kind": "same", "words": words}
    if result.rise > 0:
        return {"sign": f"↑{result.rise}", "kind": "up", "words": words}
    return {"sign": f"↓{-result.rise}", "kind": "down", "words": words}


def judge_view(request: HttpRequest) -> HttpResponse:
    """Save a judgement of one picture, or withdraw it, as the pressed button says: another curator may have changed it
    since the page was shown."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    if not may_judge(request):
        raise PermissionDenied
    asked = Asked.of(request.POST)
    image_id, grade, withdraws = _judged(request.POST.get("judge", ""))
    problem, back = "", _address(request.POST, blind=True)
    saved: int | None = None
    if image_id is None or asked.problem or not asked.is_judged:
        problem = asked.problem or _("This comparison is not possible.")
    elif not Image.objects.shown().filter(pk=image_id).exists():
        problem = _("This picture is hidden or has been deleted.")
    else:
        try:
            saved = _save(asked, image_id, grade, None if withdraws else request.user)
        except IntegrityError:  # deleted at this very moment
            problem = _("This picture is hidden or has been deleted.")
    if "application/json" in request.headers.get("Accept", ""):
        return JsonResponse({"grade": saved, "problem": problem}, status=400 if problem else 200)
    if problem:
        messages.error(request, problem)
    return redirect(f"{back}#{request.POST.get('judge', '').partition(':')[0]}" if not problem else back)


def _judged(text: str) -> tuple[uuid.UUID | None, int, bool]:
    """Return the picture and grade of a button, and whether it withdraws that; (None, 0, False) for an invalid
    value."""
    picture, _colon, rest = text.partition(":")
    grade, _colon, action = rest.partition(":")
    try:
        image_id, number = uuid.UUID(picture), Judgement.Grade(int(grade[:2]))
    except ValueError:
        return None, 0, False
    return image_id, number, action == _WITHDRAW


def _save(asked: Asked, image_id: uuid.UUID, grade: int, judge: Any) -> int | None:
    """Save the grade, or withdraw it where there is no `judge`; return the one that the picture has then."""
    words = asked.query.words
    if judge is not None:
        Judgement.say(words, asked.language, image_id, grade, judge)
        return grade
    Judgement.withdraw(words, asked.language, image_id, grade)
    return Judgement.said_of(words, asked.language, [image_id]).get(image_id)


def _address(params: QueryDict, *, blind: bool) -> str:
    """Return the URL of the same comparison; without `blind`, with the names shown."""
    carried = [
        (name, value)
        for name in _CARRIED
        if name != "blind" or blind
        for value in params.getlist(name)[:_MOST_CARRIED]
        if value
    ]
    return f"{reverse('admin:search_image_compare')}?{urlencode(carried)}"


def judgements_view(request: HttpRequest) -> HttpResponse:
    """All judgements, as the table that `manage.py compare_models` reads."""
    if request.method not in {"GET", "HEAD"}:
        return HttpResponseNotAllowed(["GET", "HEAD"])
    if not may_see(request):
        raise PermissionDenied
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="judgements.csv"'
    response.write("\ufeff")  # else Excel assumes another encoding
    write_judgements(response)  # type: ignore[arg-type] # it has what a writer needs
    return response
