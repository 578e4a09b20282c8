"""Jinja partials in templates of Django's engine."""

from django import template
from django.template import Context
from django.utils.safestring import SafeString

from search.http import site_name as naming
from search.rendering.jinja_engine import rendered

register = template.Library()


@register.simple_tag(takes_context=True)
def jinja(context: Context, name: str) -> SafeString:
    """`{% jinja "_frame/foot.jinja" %}`: render a Jinja template with this context."""
    return rendered(name, **{str(key): value for key, value in context.flatten().items()})


@register.simple_tag
def site_name() -> str:
    """`{% site_name %}`: the site's name."""
    return naming.site_name()
