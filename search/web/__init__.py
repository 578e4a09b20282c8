"""What wraps every request: middleware, sessions, static files, template context.

May import any room of `search`; only the settings and `gunicorn.conf.py` name it. No verbs: Django calls it.
"""
