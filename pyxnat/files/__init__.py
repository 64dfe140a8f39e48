"""Files on the local disk: atomic writes, digests, zip archives."""
