"""Work that goes on behind requests: pipelines and their log."""
