"""What wraps every request: middleware, sessions, static files, template context.

May import any room but management. No verbs: the settings name it, and Django calls it.
"""
