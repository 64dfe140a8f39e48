"""Prearchive: uploaded sessions before they are archived."""
