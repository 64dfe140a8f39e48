"""Names of the fields of workflows that are stored as JSON."""

from __future__ import annotations

__all__ = ['WORKFLOW_FIELDS', 'WORKFLOW_TYPE']

WORKFLOW_TYPE = 'wrk:workflowData'
WORKFLOW_FIELDS = (
    'src',
    'type',
    'category',
    'current_step_launch_time',
    'current_step_id',
    'next_step_id',
    'step_description',
    'percentageComplete',
    'jobID',
    'comments',
    'details',
    'justification',
    'description',
)
"""The other fields have columns of the table."""
