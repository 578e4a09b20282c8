"""What the tests of the admin share: its lists, pressed buttons and what it answers."""

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
    # Pages that Jinja renders have no context for tests to look into.
    messages = response.context["messages"] if response.context else get_messages(response.wsgi_request)
    return " ".join(str(message) for message in messages)


def act(client: Client, action: str, *selected: Model, where: str = IMAGES, **more: str) -> Any:
    """Select rows of a list, choose an action and press Go."""
    data = {"action": action, "_selected_action": [str(each.pk) for each in selected], "index": "0", **more}
    return client.post(where, data, follow=True)


def log_in_staff(client: Client, *codenames: str) -> User:
    """Log in as somebody of the staff who has these permissions alone."""
    dora = User.objects.create_user("dora", is_staff=True)
    dora.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    dora.groups.clear()
    client.force_login(dora)
    return dora
