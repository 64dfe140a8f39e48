"""Check, repair and backup of an archive's folder."""
