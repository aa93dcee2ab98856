"""The forms of tokens, of confirmations and approvals, and of passkeys."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from allauth.mfa.webauthn.forms import (
    AddWebAuthnForm,
    AuthenticateWebAuthnForm,
    EditWebAuthnForm,
    LoginWebAuthnForm,
    ReauthenticateWebAuthnForm,
)
from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import QueryDict

from ipadmin.katapult.types import Organization, Secret
from ipadmin.models import ApiToken, User
from ipadmin.ui import account_texts, tickets

LABEL_TAKEN = "You already have a token with this label."


class LabelForm(forms.ModelForm[ApiToken]):
    """A token's label, unique among its owner's."""

    class Meta:
        model = ApiToken
        fields = ("label",)
        help_texts = {"label": "A name that you recognise it by."}  # noqa: RUF012

    def __init__(
        self, data: QueryDict | None = None, *, owner: User, instance: ApiToken | None = None
    ) -> None:
        super().__init__(data, instance=instance)
        self.owner = owner

    def clean_label(self) -> str:
        label: str = self.cleaned_data["label"].strip()
        others = ApiToken.objects.filter(owner=self.owner, label=label).exclude(pk=self.instance.pk)
        if others.exists():
            raise ValidationError(LABEL_TAKEN)
        return label


class SecretField(forms.CharField):
    """A pasted API token. Never shown again, even after an error."""

    widget = forms.PasswordInput(
        render_value=False, attrs={"autocomplete": "off", "spellcheck": "false"}
    )

    def __init__(self) -> None:
        help_text = "Stored encrypted and never shown again."
        super().__init__(label="API token", max_length=2000, help_text=help_text)

    def clean(self, value: object) -> Secret:
        text: str = super().clean(value)
        # A text that cannot be a header value is not a token.
        if not text.isascii() or not text.isprintable() or " " in text:
            raise ValidationError("This is not an API token: it has spaces or special characters.")
        return Secret(text)


class AddTokenForm(LabelForm):
    secret = SecretField()


class SecretForm(forms.Form):
    secret = SecretField()


class OrganizationForm(forms.Form):
    """One of the organizations that a token may list, or else a sub-domain."""

    sub_domain = forms.CharField(
        label="Sub-domain",
        max_length=63,
        help_text="The first part of the organization's address in Katapult.",
    )

    def __init__(
        self, data: QueryDict | None, organizations: tuple[Organization, ...] = ()
    ) -> None:
        super().__init__(data)
        self.organizations = organizations
        if organizations:
            del self.fields["sub_domain"]
            self.fields["organization"] = forms.ChoiceField(
                choices=[(each.id, each.name or each.sub_domain) for each in organizations],
                widget=forms.RadioSelect,
                initial=organizations[0].id if len(organizations) == 1 else None,
            )

    @property
    def chosen(self) -> Organization:
        for each in self.organizations:
            if each.id == self.cleaned_data["organization"]:
                return each
        return Organization(id="", name="", sub_domain=self.cleaned_data["sub_domain"])


class ReasonForm(forms.Form):
    """The confirmation of a change, with a reason if REASON_REQUIRED asks for one."""

    reason = forms.CharField(
        max_length=500,
        required=False,
        help_text="Saved in the history.",
        error_messages={"required": "Give a reason. It is saved in the history."},
    )

    def __init__(
        self, data: QueryDict | None = None, *, initial: dict[str, Any] | None = None
    ) -> None:
        super().__init__(data, initial=initial)
        self.fields["reason"].required = settings.REASON_REQUIRED != "no"
        if settings.REASON_REQUIRED == "ticket":
            self.fields["reason"].help_text = "With a ticket key. Saved in the history."

    def clean_reason(self) -> str:
        reason: str = self.cleaned_data["reason"]
        if settings.REASON_REQUIRED == "ticket" and not tickets.has_key(reason):
            raise ValidationError("Give a reason with a ticket key, such as OPS-4685.")
        return reason


class UndoForm(ReasonForm):
    """The confirmation of an undo."""

    confirmation = forms.CharField(widget=forms.HiddenInput, max_length=20_000)
    set_reverse_dns = forms.BooleanField(required=False)

    def __init__(
        self,
        data: QueryDict | None = None,
        *,
        initial: dict[str, Any] | None = None,
        reverse_dns: str = "",
    ) -> None:
        super().__init__(data, initial=initial)
        self.fields["set_reverse_dns"].label = f"Set its reverse DNS to {reverse_dns} again"
        if not reverse_dns:
            del self.fields["set_reverse_dns"]


class UnallocateForm(ReasonForm):
    """The confirmation of an attempt. `typed_address` is required if `address_to_type` is given."""

    confirmation = forms.CharField(widget=forms.HiddenInput, max_length=20_000)
    typed_address = forms.CharField(
        max_length=64, widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"})
    )

    def __init__(
        self,
        data: QueryDict | None = None,
        *,
        initial: dict[str, Any] | None = None,
        address_to_type: str = "",
    ) -> None:
        super().__init__(data, initial=initial)
        self.address_to_type = address_to_type
        typed = self.fields["typed_address"]
        typed.label = f"Type {address_to_type} to confirm"
        # With JavaScript, the button is enabled when the text matches.
        typed.widget.attrs["data-enables"] = address_to_type
        if not address_to_type:
            del self.fields["typed_address"]

    def clean_typed_address(self) -> str:
        typed: str = self.cleaned_data["typed_address"]
        if typed.strip().lower() != self.address_to_type.lower():
            raise ValidationError(f"Type {self.address_to_type} exactly to confirm.")
        return typed


class RunForm(ReasonForm):
    """The confirmation of a run. `typed_number` is required if `number_to_type` is given, and
    `with_reverse_dns` is offered if some of the addresses had `host_names`."""

    typed_number = forms.CharField(
        max_length=10, widget=forms.TextInput(attrs={"autocomplete": "off", "inputmode": "numeric"})
    )
    with_reverse_dns = forms.BooleanField(required=False)

    def __init__(
        self, data: QueryDict | None = None, *, number_to_type: int = 0, host_names: int = 0
    ) -> None:
        super().__init__(data)
        self.number_to_type = number_to_type
        typed, reverse_dns = self.fields["typed_number"], self.fields["with_reverse_dns"]
        typed.label = f"Type {number_to_type} to confirm those that need attention"
        # With JavaScript, the button is enabled when the text matches.
        typed.widget.attrs["data-enables"] = str(number_to_type)
        reverse_dns.label = f"Also restore reverse DNS, of {host_names:,}"
        if not number_to_type:
            del self.fields["typed_number"]
        if not host_names:
            del self.fields["with_reverse_dns"]

    def clean_typed_number(self) -> str:
        typed: str = self.cleaned_data["typed_number"]
        if typed.strip() != str(self.number_to_type):
            raise ValidationError(f"Type {self.number_to_type} exactly to confirm.")
        return typed


class DecisionForm(forms.Form):
    """The approval or rejection of a run."""

    reason = forms.CharField(
        max_length=500,
        help_text="Saved in the history, and shown to the person who asks.",
        error_messages={"required": "Give a reason. It is saved in the history."},
    )


def _passkey_name() -> forms.CharField:
    return forms.CharField(max_length=100, help_text="Such as the device that it is on.")


class _PasskeyForm:
    """What is sent as a passkey may be anything; the library expects the right shape."""

    def clean_credential(self) -> Any:
        return _checked(super().clean_credential)  # type: ignore[misc]


def _checked(clean: Callable[[], Any]) -> Any:
    try:
        return clean()
    except ValidationError as error:
        # Such as too many attempts.
        if getattr(error, "code", "") != "incorrect_code":
            raise
    except (AttributeError, LookupError, TypeError, ValueError, struct.error):
        pass
    raise ValidationError(account_texts.PASSKEY_FAILED)


class SignInPasskeyForm(_PasskeyForm, LoginWebAuthnForm):
    """Instead of the password."""


class SecondPasskeyForm(_PasskeyForm, AuthenticateWebAuthnForm):
    """After the password."""


class ConfirmPasskeyForm(_PasskeyForm, ReauthenticateWebAuthnForm):
    """A later proof of identity."""


class AddPasskeyForm(AddWebAuthnForm):
    """Each passkey also works without the password: there is nothing to choose."""

    name = _passkey_name()
    passwordless = None  # type: ignore[assignment]

    def clean(self) -> Any:
        return _checked(super().clean)


class RenamePasskeyForm(EditWebAuthnForm):
    name = _passkey_name()
