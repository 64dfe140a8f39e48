"""Front of the HTTP server.

Heads, bodies, deadlines and worker threads, on cheroot.
"""
