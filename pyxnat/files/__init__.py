"""Files on disk and zip archives."""
