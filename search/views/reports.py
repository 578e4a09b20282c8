"""Reporting a picture to the curators."""

import uuid

from django.contrib import messages
from django.db import IntegrityError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from search.http.forms import ReportForm
from search.http.methods import require_http_methods
from search.views.images import visible_image


@require_http_methods(["GET", "HEAD", "POST"])
def report(request: HttpRequest, image_id: uuid.UUID) -> HttpResponse:
    image = visible_image(request, image_id)
    form = ReportForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        status = 400 if form.errors else 200
        return render(request, "search/report.html", {"image": image, "report_form": form}, status=status)
    report = form.save(commit=False)
    report.image = image
    report.reporter = request.user if request.user.is_authenticated else None
    try:
        report.file()
    except IntegrityError:  # the picture, or the account, was deleted at this moment
        raise Http404 from None
    messages.success(request, _("Thank you. A curator will review this picture."))
    return redirect(image)
