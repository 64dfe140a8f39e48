"""Files and DICOM headers on the archive's disk."""
