"""Figures measured by periodic checks, in sections."""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from search.embedding import active_model
from search.state import registry
from search.state.figures_and_sections import IMAGES, Figure, found_in, looked


@looked("pictures", gettext_lazy("Pictures"), "counts")
def pictures(found: Any) -> list[Figure]:
    figures = [
        Figure("pictures", _("Pictures"), found_in(found, "pictures"), IMAGES),
        Figure("hidden", _("Hidden"), found_in(found, "hidden"), IMAGES, "hidden=yes"),
        Figure("bytes", _("Size of the originals"), found_in(found, "bytes"), IMAGES, "o=-5", unit="bytes"),
        Figure("trashed", _("In the trash"), found_in(found, "trashed"), "admin:search_trashed_changelist"),
        Figure("deleted", _("Deleted permanently and blocked"), found_in(found, "deleted")),
    ]
    active = active_model()
    for model, count in found_in(found, "models") or []:
        label = _("With vectors of %(model)s") % {"model": model}
        note = _("active") if model == active else ""
        figures.append(Figure(f"vectors of {model}", label, count, IMAGES, f"model={model}", note))
    other = found_in(found, "other_models")
    figures.append(
        Figure(
            "other_models",
            _("Not searchable: vectors of another model"),
            other,
            is_wrong=bool(other),
            fix="manage.py reembed",
        )
    )
    return figures


@looked("lacking", gettext_lazy("Missing details"), "counts")
def lacking(found: Any) -> list[Figure]:
    labels = {
        "tags": _("Without tags"),
        "title": _("Without a title"),
        "description": _("Without a description"),
        "date": _("Without a date taken"),
        "windows": _("Wide or tall pictures of which only the centre can be found"),
    }
    return [
        Figure(f"without_{name}", label, found_in(found, "lacks", name), IMAGES, f"lacks={name}")
        for name, label in labels.items()
    ]


@looked("deciding", gettext_lazy("Pending decisions"), "counts")
def deciding(found: Any) -> list[Figure]:
    groups = {"same": _("Groups of duplicates"), "similar": _("Groups of similar shots")}
    figures = [
        Figure(
            f"duplicates_{kind}",
            label,
            found_in(found, "duplicates", kind),
            "admin:search_image_duplicates",
            f"kind={kind}",
        )
        for kind, label in groups.items()
    ]
    figures.append(
        Figure(
            "not_compared",
            _("Not compared yet"),
            found_in(found, "not_compared"),
            note=_("run by the site administrator: %(command)s") % {"command": "manage.py find_duplicates"},
        )
    )
    figures.append(Figure("reported", _("Reported pictures"), found_in(found, "reported"), IMAGES, "reported=pending"))
    return figures + [
        Figure(one.name, one.label, found_in(found, "extra", one.name), one.view, one.query)
        for one in registry.counts.values()
    ]


@looked("storage", gettext_lazy("Files"), "storage")
def storage(found: Any) -> list[Figure]:
    labels = (
        ("original missing", _("Missing originals"), "lacks=original"),
        ("original damaged", _("Damaged originals"), "lacks=original"),
        ("thumbnail missing", _("Missing thumbnails"), "lacks=thumbnail"),
        ("original out of reach", _("Originals in unreachable storage"), ""),
        ("no row", _("Files that belong to no picture"), ""),
        ("never finished", _("Incomplete files"), ""),
    )
    figures = [Figure("objects", _("Files"), found_in(found, "objects"))]
    for name, label, query in labels:
        count = None if found is None else found_in(found, "left", name) or 0
        view = IMAGES if query else ""
        figures.append(
            Figure(name, label, count, view, query, is_wrong=bool(count), fix="manage.py reconcile --repair")
        )
    not_asked = found_in(found, "not_asked")
    if not_asked:
        note = _("each needs a request: run %(command)s to check them") % {"command": "manage.py reconcile"}
        figures.append(Figure("not_asked", _("Originals elsewhere, not checked"), not_asked, note=note))
    return figures


@looked("index", gettext_lazy("Vector index"), "index")
def index(found: Any) -> list[Figure]:
    every = _("every vector is scanned") if _is_scanned(found) else ""
    recalls = {
        "pictures_recall": _("Recall of the nearest 24, search by picture"),
        "words_recall": _("Recall of the nearest 24, search by text"),
    }
    figures = [Figure("index_bytes", _("Index size"), found_in(found, "index", "size"), unit="bytes")]
    for name, label in recalls.items():
        recall = 1.0 if every else found_in(found, name)
        figures.append(Figure(name, label, recall, unit="share", note=every))
    for number, (reason, command) in enumerate(found_in(found, "advice") or [], start=1):
        figures.append(Figure(f"advice {number}", reason, command, is_wrong=True, fix=command))
    return figures


def _is_scanned(found: Any) -> bool:
    """Whether searches scan all vectors, since there are few: recall is then 1."""
    return bool(found and found["has_words"] and found["searchable"] and found["pictures_recall"] is None)


@looked("outliers", gettext_lazy("Outliers"), "outliers")
def outliers(found: Any) -> list[Figure]:
    left = found_in(found, "left")
    note = _("%(left)s pictures are not checked yet") % {"left": f"{left:,}"} if left else ""
    too_few = _("not enough pictures") if found and found["fence"] is None else ""
    value = None if too_few else found_in(found, "outliers")
    return [
        Figure("outliers", _("Unlike all others"), value, IMAGES, "outliers=yes", note or too_few),
        Figure("outliers_measured", _("Checked pictures"), found_in(found, "measured")),
    ]
