"""Tests of pyxnat, in folders that mirror the package."""
