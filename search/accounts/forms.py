"""Forms for one's own account."""

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
    """Mixin: write the password only, and not over other fields that may have changed meanwhile."""

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
    """A new account; with an e-mail address if the site can send mail."""

    email = _email_field(gettext_lazy("Only used to reset a forgotten password."), required=False)

    class Meta(UserCreationForm.Meta):
        fields = ("username", "email")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if not settings.SENDS_MAIL:
            del self.fields["email"]
        else:
            self.order_fields(["username", "password1", "password2", "email"])


class ForgottenForm(PasswordResetForm):
    """Request a link for a new password."""


class NewPasswordForm(PasswordAlone, _SetPasswordForm):
    """A new password, after following such a link."""


class CodeForm(forms.Form):
    """A code from an authenticator app, or a recovery code."""

    code = forms.CharField(
        label=gettext_lazy("Code"),
        max_length=LONGEST_CODE,
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "autocapitalize": "none", "spellcheck": "false", "autofocus": True}
        ),
    )


class OwnPasswordForm(forms.Form):
    """An action confirmed by the user's own password."""

    password = forms.CharField(
        label=gettext_lazy("Your password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def __init__(self, request: HttpRequest, data: Any = None, **options: Any) -> None:
        super().__init__(data, **options)
        self.request = request

    def clean(self) -> dict[str, Any]:
        """Check the password last, if all else is valid, since it counts as an attempt. Raises TooMany."""
        cleaned = super().clean() or {}
        assert isinstance(self.request.user, User)
        if not self.errors and not is_own_password(self.request, self.request.user, cleaned["password"]):
            self.add_error("password", _("The password is incorrect."))
        return cleaned


class EmailForm(OwnPasswordForm):
    """Change or remove one's e-mail address."""

    email = _email_field(gettext_lazy("Leave empty to remove it."), required=False)
    field_order = ("email", "password")


class SetUpForm(OwnPasswordForm, CodeForm):
    """The first code of an authenticator app, which proves that it has the key."""

    field_order = ("code", "password")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # On a phone, focus would scroll the QR code out of view.
        del self.fields["code"].widget.attrs["autofocus"]


class ChangePasswordForm(PasswordAlone, PasswordChangeForm):
    """A new password for oneself. The old one counts like a login."""

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
        """A pending sign-up gets the same message as others, which therefore reveals nothing."""
        error = super().get_invalid_login_error()
        if settings.SIGN_UP != "approval":
            return error
        waiting = _("If you have just signed up, a curator may not have approved your account yet.")
        return forms.ValidationError([error, waiting])
