"""The API over HTTP: the WSGI application and its views."""
