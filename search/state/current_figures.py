"""Figures queried at once, by short queries whatever the size of the collection."""

import datetime as dt
import shutil
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from search.metrics import MOST_COUNTED
from search.models import Image, OwedDeletion, Run, SearchDay
from search.models.sql_statements import fetch_one
from search.objects.storage import are_files
from search.relevance.missing_calibration import MEASURE, is_unmeasured
from search.state.figures_and_sections import IMAGES, Figure, Known, Section

PENDING_FOR = dt.timedelta(hours=1)
"""Time after which a pending vector counts as a problem."""
LEAST_FREE = 0.05
"""Share of a disk."""
DAYS = 30


def vectors(known: Known) -> Section:
    """Current backlog: pending and failed vectors, pending deletions."""
    pending, poisoned, oldest = fetch_one(
        "SELECT count(*), count(*) FILTER (WHERE embedding_failure > ''), min(created) FROM"
        " (SELECT embedding_failure, created FROM search_image WHERE embedding_model = '' LIMIT %s) AS waiting",
        [MOST_COUNTED],
    )
    waits_long = oldest is not None and oldest < timezone.now() - PENDING_FOR
    waiting = pending - poisoned
    owed = OwedDeletion.objects.count()
    return Section(
        "vectors",
        gettext_lazy("Pending processing"),
        [
            Figure(
                "pending",
                _("Waiting for a vector"),
                waiting,
                IMAGES,
                "lacks=vector",
                is_wrong=bool(waiting) and waits_long,
                fix="manage.py embed_pending",
            ),
            Figure(
                "poisoned",
                _("Without a vector, because embedding failed"),
                poisoned,
                IMAGES,
                "model=failed",
                note=_("the reason is shown for each picture") if poisoned else "",
                is_wrong=bool(poisoned),
                fix="manage.py embed_pending",
            ),
            Figure(
                "owed", _("Deleted, but files not removed yet"), owed, is_wrong=owed > 0, fix="manage.py reconcile"
            ),
        ],
    )


def searches(known: Known) -> Section:
    since = timezone.now().date() - dt.timedelta(days=DAYS - 1)
    days = list(SearchDay.objects.filter(day__gte=since))
    total = sum(day.searches for day in days)
    slowest = max(days, key=lambda day: day.slowest, default=None)
    today = next((day.searches for day in days if day.day == timezone.now().date()), 0)
    figures = [
        Figure("searches_today", _("Searches today"), today),
        Figure("searches", _("Searches in %(days)s days") % {"days": DAYS}, total),
        Figure(
            "nothing_strong",
            _("without a strong match"),
            sum(day.nothing_strong for day in days),
            view="admin:state" if settings.KEEP_UNANSWERED else "",
            query="words=1",
        ),
        Figure(
            "searches_unmeasured",
            _("without measured thresholds"),
            sum(day.unmeasured for day in days),
            note=_("strong matches could not be told from weak ones"),
        ),
        Figure("search_seconds", _("Average time of a search (seconds)"), _mean(days)),
        Figure("searches_slow", _("Searches slower than one second"), sum(day.slow for day in days)),
    ]
    if slowest:
        values = {"day": slowest.day.isoformat(), "by": _by(slowest.slowest_by)}
        note = _("on %(day)s, search by %(by)s") % values
        figures.append(Figure("search_slowest", _("Slowest search (seconds)"), round(slowest.slowest, 2), note=note))
    is_off = is_unmeasured()
    figures.append(
        Figure(
            "measured",
            _("Thresholds for strong matches"),
            _("not measured") if is_off else pgettext("thresholds", "measured"),
            is_wrong=is_off,
            fix=MEASURE,
        )
    )
    return Section("searches", gettext_lazy("Searches"), figures, extra={"days": days})


def _by(kinds: str) -> str:
    """Return a readable form of `search_statistics.kind_of`."""
    names = {
        "words": pgettext("searched by", "text"),
        "picture": pgettext("searched by", "a picture"),
        "image": pgettext("searched by", "a picture of the collection"),
        "filters": pgettext("searched by", "filters"),
    }
    return ", ".join(names.get(kind, kind) for kind in kinds.split(", "))


def _mean(days: Sequence[SearchDay]) -> float | None:
    total = sum(day.searches for day in days)
    return round(sum(day.seconds for day in days) / total, 3) if total else None


def runs(known: Known) -> Section:
    last = Run.objects.with_state().order_by("kind", "-pk").distinct("kind")
    figures = [_of_run(run) for run in sorted(last, key=lambda run: -run.pk)]
    return Section("runs", gettext_lazy("Latest runs"), figures)


def _of_run(run: Run) -> Figure:
    """The figure of the latest run of a kind: a problem if it was interrupted, or if files failed. Refused files are
    no problem: retrying them is pointless."""
    is_broken = run.state in (Run.Outcome.FAILED, Run.INTERRUPTED)
    lost = run.failed if run.kind not in (Run.Kind.UPLOAD, Run.Kind.RECONCILE) else 0
    values = {"added": f"{run.added:,}", "known": f"{run.known:,}", "left": f"{run.left_out:,}"}
    fix = f"manage.py ingest --retry {run.pk}" if run.kind == Run.Kind.INGEST else f"manage.py {run.kind}"
    return Figure(
        f"run {run.kind}",
        f"{run.get_kind_display()} {run.pk}",
        str(run.state),
        view="admin:search_run_change",
        query=str(run.pk),
        note=_("%(added)s added, %(known)s already here, %(left)s not added") % values,
        is_wrong=is_broken or lost > 0,
        fix=fix,
    )


def machine(known: Known) -> Section:
    """Current sizes and free disk space, of the machine that runs this."""
    database, images, vectors = fetch_one(
        "SELECT pg_database_size(current_database()), pg_total_relation_size(%s::regclass),"
        " (SELECT coalesce(sum(pg_total_relation_size(leaf.relid)), 0)::bigint FROM search_vectorset AS its,"
        " pg_partition_tree(('search_imagevector_s' || its.id)::regclass) AS leaf WHERE leaf.isleaf)",
        [Image._meta.db_table],
    )
    figures = [
        Figure("database_bytes", _("Database"), database, unit="bytes"),
        Figure("table_bytes", _("Table of pictures"), images, unit="bytes"),
        Figure("vectors_bytes", _("Vectors and their index"), vectors, unit="bytes"),
    ]
    if are_files():
        disk = _free(settings.MEDIA_ROOT)
        figures.append(disk)
    return Section("machine", gettext_lazy("Disk space"), figures)


def _free(folder: Any) -> Figure:
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return Figure("disk_free", _("Free where the files are stored"), None, unit="bytes")
    is_low = usage.free < LEAST_FREE * usage.total
    return Figure("disk_free", _("Free where the files are stored"), usage.free, unit="bytes", is_wrong=is_low)
