"""Files and DICOM headers on disk."""
