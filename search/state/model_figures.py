"""The active models, and where a switch to other ones stands: for curators, as `/readyz` is for monitoring."""

import datetime as dt

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from search.embedding import active_model, identity_of, text_model
from search.indexing.vector_set_search import pictures_in
from search.models import ModelSwitch
from search.models.active_pair import Named, is_lagging
from search.models.vector_sets import current_set
from search.state.figures_and_sections import Figure, Known, Section
from search.switching.switch_row import active, counts, following, kept
from search.switching.vector_copying import left

SWITCHED_FOR = dt.timedelta(hours=1)
"""Time after which an unfinished switch counts as a problem."""


def models(known: Known) -> Section:
    figures = [
        Figure("image_model", _("Image model"), active_model()),
        Figure("text_model", _("Text model"), text_model()),
    ]
    if row := ModelSwitch.objects.first():
        figures += _unfinished(row) + _others(row)
    return Section("models", gettext_lazy("Models"), figures)


def _unfinished(row: ModelSwitch) -> list[Figure]:
    """What the last switch has not completed."""
    figures = []
    is_wrong = row.switched is not None and row.switched < timezone.now() - SWITCHED_FOR
    if not counts(row):
        label = _("Chosen by switch_model; the environment takes precedence")
        figures.append(Figure("overridden_model", label, _name(active(row))))
    elif is_lagging():
        label = _("Activated, but not loaded by this server yet")
        fix = "manage.py download_models"
        figures.append(Figure("lagging_model", label, _name(active(row)), is_wrong=is_wrong, fix=fix))
    if row.uncopied:
        label = _("Pictures whose stored vectors are still being replaced")
        note = _("searches use the new vectors already")
        fix = "manage.py switch_model --activate"
        figures.append(Figure("uncopied", label, left(), note=note, is_wrong=is_wrong, fix=fix))
    return figures


def _others(row: ModelSwitch) -> list[Figure]:
    """The pair that can be activated, or is being prepared, and the previous one."""
    figures = []
    if named := following(row):
        label = _("Prepared, not active yet") if row.prepared else _("Being prepared")
        table = current_set(named.model)
        count = f"{pictures_in(table)[0]:,}" if table else "0"
        note = _("vectors of %(count)s pictures") % {"count": count}
        figures.append(Figure("next_model", label, _name(named), note=note))
    if old := kept(row):
        figures.append(Figure("kept_model", _("Previous models, kept for going back"), _name(old)))
    return figures


def _name(named: Named) -> str:
    return ", ".join(dict.fromkeys([named.model, identity_of(named.pair.text)]))
