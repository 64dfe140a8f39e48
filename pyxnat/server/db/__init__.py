"""The archive's database: tables, values, types, access rights."""
