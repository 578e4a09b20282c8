"""Accounts: rate-limited passwords and codes, second factor, sign-ups, roles, and what ends with a password.

May import the rooms above it in docs/architecture.md. Verbs are in its modules: `counted_try`, `give`, `set_up`,
`is_right`, `later`.
"""
