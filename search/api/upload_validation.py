"""Validation of a picture that a program sends in a form."""

from typing import IO, Any

from django.core.files.uploadedfile import UploadedFile
from django.forms import BaseForm
from django.http import HttpRequest
from django.utils.translation import gettext as _

from search.api.errors import wrong_fields
from search.http.forms import check_size
from search.http.problems import Problem


def refuse_other_bodies(request: HttpRequest) -> None:
    """Raise Problem for a body that isn't multipart/form-data."""
    if request.content_type != "multipart/form-data":
        raise Problem(
            415,
            _("The content type of this request is not supported."),
            _("Send a form as multipart/form-data, with the picture in the field `picture`."),
            "not_a_form",
        )


def refuse_wrong_fields(form: BaseForm, *, also_called: str = "picture") -> None:
    """Raise Problem with the errors of each field; `also_called` is the form's name of the field `picture`."""
    if not form.is_valid():
        raise wrong_fields(
            [
                ("picture" if name == also_called else name, str(message))
                for name, messages in form.errors.items()
                for message in messages
            ]
        )


def checked_file(file: "UploadedFile[Any]") -> IO[bytes]:
    """Return the file, not read yet. Raises UnreadableImage for one over the size limit."""
    check_size(file)
    return file
