"""The drawings of img/icons.svg, at hand in every template."""

from django import template

from search.rendering.icons import icon

register = template.Library()
register.simple_tag(icon)
