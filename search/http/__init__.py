"""What pages, the API and the admin share of HTTP: forms, methods, bodies, problem details, pages for 503."""
