"""Front of the HTTP server: heads, bodies, deadlines and worker threads, on cheroot."""
