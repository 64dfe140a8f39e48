"""Background work: pipelines, workflows, progress logs and file refreshes."""
