"""Database of an archive: tables, values, data types and access rights."""
