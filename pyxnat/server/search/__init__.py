"""Search engine of the archive: fields, criteria and results as SQL."""
