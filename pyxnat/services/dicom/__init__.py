"""Imports of DICOM files in batches, with a journal from which a later run goes on."""
