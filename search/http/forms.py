"""Forms of pages and of the API."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from search.curation.details import clean_tags
from search.imaging import EXTENSIONS, FORMATS, too_many_bytes
from search.metadata.photo_metadata import LONGEST_KEYWORD, MOST_KEYWORDS
from search.models import ApiToken, Image, Private, Report
from search.models.albums import LONGEST_TITLE, Visibility
from search.models.text_fields import LineInput
from search.query.regions import LEAST_SIDE, Region

# Extensions too: many systems have no MIME type for newer formats and RAW.
ACCEPTED = ",".join([*(known.mime for known in FORMATS.values()), "image/heif", *EXTENSIONS])

LONGEST_TAGS = MOST_KEYWORDS * (LONGEST_KEYWORD + 2)
"""Maximum length of the tags as text: the maximum number of tags with separators."""
IN_ITS_OWN_DIRECTION = {"dir": "auto"}
"""Text of people may be right-to-left on a left-to-right page."""


def check_size(file: "UploadedFile[Any]") -> None:
    """Raise UnreadableImage for a file above the limit, before it is read."""
    limit, size = settings.UPLOAD_MAX_MB * 1_000_000, file.size or 0
    if size > limit:
        raise too_many_bytes(size, limit)


def _percent(label: Any, initial: int) -> forms.FloatField:
    widget = forms.NumberInput(attrs={"min": 0, "max": 100, "step": 0.1, "inputmode": "decimal"})
    return forms.FloatField(label=label, initial=initial, widget=widget)


class PictureForm(forms.Form):
    """A picture to search by."""

    picture = forms.FileField(
        label=gettext_lazy("Picture"),
        allow_empty_file=True,  # with our own error message
        error_messages={"required": gettext_lazy("Choose a picture to search by.")},
        widget=forms.FileInput(attrs={"accept": ACCEPTED}),
    )


class RegionForm(forms.Form):
    """A rectangle of an image, in fractions of its width and height, or in percent in the form."""

    unit = forms.ChoiceField(
        choices=[("fraction", "fraction"), ("percent", "percent")], required=False, widget=forms.HiddenInput
    )
    left = _percent(gettext_lazy("From the left"), 25)
    top = _percent(gettext_lazy("From the top"), 25)
    width = _percent(gettext_lazy("Width"), 50)
    height = _percent(gettext_lazy("Height"), 50)

    def __init__(self, image: Image, data: Any = None) -> None:
        super().__init__(data, initial={"unit": "percent"})
        self.image = image

    def clean(self) -> dict[str, Any]:
        sides = [self.cleaned_data.get(name) for name in ("left", "top", "width", "height")]
        whole = 100 if self.cleaned_data.get("unit") == "percent" else 1
        region = Region(*(side / whole for side in sides if side is not None)) if None not in sides else None
        if region and not region.is_within:
            raise forms.ValidationError(_("The region must be inside the picture, and have a width and a height."))
        if region and not region.is_large_enough(self.image.width, self.image.height):
            raise forms.ValidationError(
                _("The region is too small: it must be at least %(least)s pixels wide and high.")
                % {"least": LEAST_SIDE}
            )
        return {"region": region}


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
    """Pictures to add, and details for all of them."""

    pictures = ManyFilesField(
        label=gettext_lazy("Pictures"),
        allow_empty_file=True,
        max_length=None,
        error_messages={"required": gettext_lazy("Choose at least one picture.")},
        widget=ManyFiles(attrs={"accept": ACCEPTED}),
    )
    tags = LineInput(
        label=gettext_lazy("Tags"),
        required=False,
        max_length=LONGEST_TAGS,
        help_text=gettext_lazy("Separated by commas."),
        widget=forms.TextInput(attrs=IN_ITS_OWN_DIRECTION),
    )

    visibility = forms.ChoiceField(
        label=gettext_lazy("Who can see them"), choices=Visibility.choices, initial=Visibility.PUBLIC, required=False
    )
    read_captions = forms.BooleanField(
        label=gettext_lazy("Fill empty fields with the details stored in the pictures"), required=False
    )

    class Meta:
        model = Image
        fields = ("title", "description", "author", "licence", "source_link")
        widgets: ClassVar = {
            "title": forms.TextInput(attrs=IN_ITS_OWN_DIRECTION),
            "description": forms.Textarea(attrs={"rows": 3, **IN_ITS_OWN_DIRECTION}),
            "author": forms.TextInput(attrs=IN_ITS_OWN_DIRECTION),
            "licence": forms.TextInput(attrs={"placeholder": "CC BY 4.0", **IN_ITS_OWN_DIRECTION}),
            "source_link": forms.URLInput,
        }

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if not Private.may_be():
            self.fields["visibility"].widget = forms.HiddenInput()

    def clean_visibility(self) -> str:
        visibility = str(self.cleaned_data["visibility"] or Visibility.PUBLIC)
        if visibility != Visibility.PUBLIC and not Private.may_be():
            text = _("Pictures can't be private here, because anyone can fetch them from the storage.")
            raise forms.ValidationError(text)
        return visibility

    def clean_tags(self) -> list[str]:
        return clean_tags(self.cleaned_data["tags"])


class UploadPageForm(UploadForm):
    """Also with an album to add to, for users who may: `albums` are the (id, title) of their choices."""

    album = forms.ChoiceField(label=gettext_lazy("Album"), required=False)
    album_title = LineInput(
        label=gettext_lazy("Title of the new album"),
        required=False,
        max_length=LONGEST_TITLE,
        widget=forms.TextInput(attrs=IN_ITS_OWN_DIRECTION),
    )

    def __init__(self, *args: Any, albums: Sequence[tuple[int, str]] | None, **options: Any) -> None:
        super().__init__(*args, **options)
        if albums is None:
            del self.fields["album"], self.fields["album_title"]
            return
        choices = [("", _("None")), ("new", _("New album")), *((str(key), title) for key, title in albums)]
        field = self.fields["album"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = choices

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        title = cleaned.get("album_title")
        if cleaned.get("album") == "new" and not title and "album_title" not in self.errors:
            self.add_error("album_title", _("Choose an album, or enter the title of a new one."))
        if title and not cleaned.get("album"):
            cleaned["album"] = "new"
        return cleaned


class ReportForm(forms.ModelForm):  # type: ignore[type-arg]
    """A report of a picture."""

    # Explicit: a model field would offer "---------" as a reason, too.
    reason = forms.ChoiceField(label=gettext_lazy("reason"), choices=Report.Reason.choices, widget=forms.RadioSelect)

    class Meta:
        model = Report
        fields = ("reason", "details")
        widgets: ClassVar = {"details": forms.Textarea(attrs={"rows": 3, **IN_ITS_OWN_DIRECTION})}


class TokenForm(forms.ModelForm):  # type: ignore[type-arg]
    """The name of a new API token."""

    class Meta:
        model = ApiToken
        fields = ("name",)
        widgets: ClassVar = {"name": forms.TextInput(attrs=IN_ITS_OWN_DIRECTION)}
