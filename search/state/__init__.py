"""The state of the collection: figures, what needs attention, and when each was measured.

`current_figures` are queried at once; slow ones are measured by `periodic_checks` and stored (`measured_figures`).
`all_sections` combines both for the admin and `manage.py state`; `search_statistics` counts searches; other rooms add
numbers by `count_registry.count`. May import the rooms above it in docs/architecture.md. Verbs:
`all_sections.sections`, `periodic_checks.look`, `trash_and_history_retention.tidy`.
"""
