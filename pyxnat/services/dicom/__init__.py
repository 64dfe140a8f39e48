"""Imports of DICOM files in batches.

A later run goes on from the journal.
"""
