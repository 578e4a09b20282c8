"""The icons of img/icons.svg, built in to every template."""

from django import template

from search.rendering.icons import icon

register = template.Library()
register.simple_tag(icon)
