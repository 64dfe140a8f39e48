"""Facts about XNAT: levels, fields, names, URIs, documents. No input or output."""
