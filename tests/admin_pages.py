"""Helpers for the tests of the admin: the rows of a list, running actions, and the messages of an answer."""

from typing import Any

from django.contrib.auth.models import Permission, User
from django.contrib.messages import get_messages
from django.db.models import Model
from django.test import Client

IMAGES = "/admin/search/image/"
REPORTS = "/admin/search/report/"


def rows(response: Any) -> list[Any]:
    return list(response.context["cl"].result_list)


def titles(response: Any) -> set[str]:
    return {image.title for image in rows(response)}


def said(response: Any) -> str:
    # Responses rendered by Jinja have no context, or that of a form's field, if it was rendered for the first time.
    has_any = response.context and "messages" in response.context
    messages = response.context["messages"] if has_any else get_messages(response.wsgi_request)
    return " ".join(str(message) for message in messages)


def act(client: Client, action: str, *selected: Model, where: str = IMAGES, **more: str) -> Any:
    """Select rows of a list, choose an action and press Go."""
    data = {"action": action, "_selected_action": [str(each.pk) for each in selected], "index": "0", **more}
    return client.post(where, data, follow=True)


def log_in_staff(client: Client, *codenames: str) -> User:
    """Log in as a member of staff with only these permissions."""
    dora = User.objects.create_user("dora", is_staff=True)
    dora.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    dora.groups.clear()
    client.force_login(dora)
    return dora
