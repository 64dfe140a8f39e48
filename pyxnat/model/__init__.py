"""Facts about XNAT: levels, fields, names, URIs, documents; no I/O."""
