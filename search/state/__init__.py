"""The state of things: what there is, what waits, what is wrong, and when each was looked at.

What takes long is measured by `looks` at intervals and kept with its time (`measured`); `sections` puts it together
with what can be told at once (`present`), for the administration and for `manage.py state`. `searches` counts what
people search for, and other rooms add a number by `registry.count`.
"""
