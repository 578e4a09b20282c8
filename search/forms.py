"""What people fill in, checked before anything else looks at it."""

from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from search.imaging import too_many_bytes
from search.ingestion.metadata import clean_tags
from search.models import ApiToken, Image, Report

ACCEPTED = "image/jpeg,image/png,image/webp,image/gif,image/avif,image/heic,image/heif,.heic,.heif,.avif"


def check_size(file: "UploadedFile[Any]") -> None:
    """Raise UnreadableImage for a file over the limit, before it is read."""
    limit, size = settings.UPLOAD_MAX_MB * 1_000_000, file.size or 0
    if size > limit:
        raise too_many_bytes(size, limit)


class PictureForm(forms.Form):
    """A picture to search by."""

    picture = forms.FileField(
        label=gettext_lazy("Picture"),
        allow_empty_file=True,  # told in our own words
        error_messages={"required": gettext_lazy("Choose a picture to search by.")},
        widget=forms.FileInput(attrs={"accept": ACCEPTED}),
    )


class ManyFiles(forms.FileInput):
    allow_multiple_selected = True


class ManyFilesField(forms.FileField):
    """One or more files; cleans to a list."""

    widget = ManyFiles

    def clean(self, data: Any, initial: Any = None) -> "list[UploadedFile[Any]]":
        files = data if isinstance(data, (list, tuple)) else [data] if data else []
        if len(files) > settings.UPLOAD_MAX_FILES:
            raise forms.ValidationError(
                _("At most %(limit)s pictures can be uploaded at once.") % {"limit": settings.UPLOAD_MAX_FILES}
            )
        return [super(ManyFilesField, self).clean(file, initial) for file in files or [None]]


class UploadForm(forms.ModelForm):  # type: ignore[type-arg]
    """Pictures to add, and what is said of all of them."""

    pictures = ManyFilesField(
        label=gettext_lazy("Pictures"),
        allow_empty_file=True,
        max_length=None,
        error_messages={"required": gettext_lazy("Choose at least one picture.")},
        widget=ManyFiles(attrs={"accept": ACCEPTED}),
    )
    tags = forms.CharField(
        label=gettext_lazy("Tags"), required=False, max_length=1000, help_text=gettext_lazy("Separated by commas.")
    )

    class Meta:
        model = Image
        fields = ("title", "description", "source_link")
        widgets: ClassVar = {"description": forms.Textarea(attrs={"rows": 3}), "source_link": forms.URLInput}

    def clean_tags(self) -> list[str]:
        return clean_tags(self.cleaned_data["tags"])


class ReportForm(forms.ModelForm):  # type: ignore[type-arg]
    """Why a picture should not be here."""

    # Named, because a model's field would offer "---------" as a reason too.
    reason = forms.ChoiceField(label=gettext_lazy("reason"), choices=Report.Reason.choices, widget=forms.RadioSelect)

    class Meta:
        model = Report
        fields = ("reason", "details")
        widgets: ClassVar = {"details": forms.Textarea(attrs={"rows": 3})}


class TokenForm(forms.ModelForm):  # type: ignore[type-arg]
    """A name for a new API token."""

    class Meta:
        model = ApiToken
        fields = ("name",)


class LoginForm(AuthenticationForm):
    """Log in for this visit, or for two weeks."""

    remember = forms.BooleanField(label=gettext_lazy("Remember me on this device"), required=False)
