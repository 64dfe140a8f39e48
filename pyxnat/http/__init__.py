"""HTTP: connections, sessions, requests, bodies, downloads."""
