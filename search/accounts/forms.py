"""What people fill in about their own account."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.contrib.auth.forms import (
    AuthenticationForm,
    PasswordChangeForm,
    PasswordResetForm,
    SetPasswordForm,
    UserCreationForm,
)
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from search.accounts.backend import is_own_password
from search.accounts.second_factor import LONGEST_CODE


class PasswordAlone:
    """Has one of Django's forms write the password alone, not over what somebody else has changed of the account."""

    def set_password_and_save(self, user: Any, *args: Any, commit: bool = True, **options: Any) -> Any:
        user = super().set_password_and_save(user, *args, commit=False, **options)  # type: ignore[misc]
        if commit:
            user.save(update_fields=["password"])
        return user


if TYPE_CHECKING:
    _SignUpForm = UserCreationForm[User]
    _SetPasswordForm = SetPasswordForm[User]
else:
    _SignUpForm, _SetPasswordForm = UserCreationForm, SetPasswordForm


def _email_field(help_text: Any, *, required: bool) -> forms.EmailField:
    return forms.EmailField(
        label=gettext_lazy("E-mail address"),
        required=required,
        help_text=help_text,
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )


class SignUpForm(_SignUpForm):
    """A new account; with an address, where mails can be sent."""

    email = _email_field(
        gettext_lazy("For a new password, should you forget yours, and for nothing else."), required=False
    )

    class Meta(UserCreationForm.Meta):
        fields = ("username", "email")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if not settings.SENDS_MAIL:
            del self.fields["email"]
        else:
            self.order_fields(["username", "password1", "password2", "email"])


class ForgottenForm(PasswordResetForm):
    """The address to which the link for a new password goes."""


class NewPasswordForm(PasswordAlone, _SetPasswordForm):
    """A new password for who has come by such a link."""


class CodeForm(forms.Form):
    """A code of an app, or one of those that were written down."""

    code = forms.CharField(
        label=gettext_lazy("Code"),
        max_length=LONGEST_CODE,
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "autocapitalize": "none", "spellcheck": "false", "autofocus": True}
        ),
    )


class OwnPasswordForm(forms.Form):
    """Something that only the person may do, who says so by the password."""

    password = forms.CharField(
        label=gettext_lazy("Your password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def __init__(self, request: HttpRequest, data: Any = None, **options: Any) -> None:
        super().__init__(data, **options)
        self.request = request

    def clean(self) -> dict[str, Any]:
        """Checked last, when the rest is right: a password costs a try. Raises TooMany."""
        cleaned = super().clean() or {}
        assert isinstance(self.request.user, User)
        if not self.errors and not is_own_password(self.request, self.request.user, cleaned["password"]):
            self.add_error("password", _("This is not your password."))
        return cleaned


class EmailForm(OwnPasswordForm):
    """Another address for oneself, or none."""

    email = _email_field(gettext_lazy("Leave it empty to have none."), required=False)
    field_order = ("email", "password")


class SetUpForm(OwnPasswordForm, CodeForm):
    """The first code of an app, which shows that it has the key."""

    field_order = ("code", "password")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # On a phone, it would scroll the picture of the key away.
        del self.fields["code"].widget.attrs["autofocus"]


class ChangePasswordForm(PasswordAlone, PasswordChangeForm):
    """A new password for oneself. The old one is counted like one at the login."""

    def __init__(self, *args: Any, request: HttpRequest, **options: Any) -> None:
        super().__init__(*args, **options)
        self.request = request

    def clean_old_password(self) -> str:
        old: str = self.cleaned_data["old_password"]
        if not is_own_password(self.request, self.user, old):
            raise forms.ValidationError(self.error_messages["password_incorrect"], code="password_incorrect")
        return old


class LoginForm(AuthenticationForm):
    """Log in for this visit, or for two weeks."""

    remember = forms.BooleanField(label=gettext_lazy("Remember me on this device"), required=False)

    def get_invalid_login_error(self) -> forms.ValidationError:
        """Who waits to be let in is told no more than others, who need not know of it."""
        error = super().get_invalid_login_error()
        if settings.SIGN_UP != "approval":
            return error
        waiting = _("If you have signed up: a curator may not have let you in yet.")
        return forms.ValidationError([error, waiting])
