"""Accounts: rate-limited passwords and codes, second factor, sign-ups, roles, and what ends with a password.

May import the rooms above it in docs/architecture.md. Verbs: `backend.counted_try`, `roles.give`,
`second_factor.set_up`, `mailing.later`.
"""
