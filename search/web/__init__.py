"""What holds for every request: middleware, sessions, static files, template context. Only settings name it."""
