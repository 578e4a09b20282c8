"""HTTP for pages, the API and the admin: forms, methods, body limits, problem details, error pages.

May import the rooms above it in docs/architecture.md. Verbs: `require_http_methods`, `unavailable_page`,
`Problem.to_response`.
"""
