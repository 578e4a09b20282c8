"""HTTP for pages, the API and the admin: forms, methods, body limits, problem details, error pages.

May import the rooms above it in docs/architecture.md. Verbs: `methods.require_http_methods`,
`unavailable.unavailable_page`, `problems.Problem.to_response`.
"""
