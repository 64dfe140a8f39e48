"""Tables of XNAT's short names of fields.

Name -> path in the type that declares it. The names are those of XNAT's XMLPathShortcuts. The rows
of :data:`pyxnat.model.levels.LEVELS` say which level has which tables.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = [
    'ASSESSOR',
    'EXPERIMENT',
    'MR',
    'PET',
    'PET_SCAN',
    'PROJECT',
    'RECONSTRUCTION',
    'SCAN',
    'SESSION',
    'SESSION_OF',
    'SUBJECT',
    'SUBJECT_OF',
    'ShortName',
]


class ShortName(NamedTuple):
    """Field that a short name stands for."""

    path: str
    """Path in the type of the route, or in `of` if that is given."""
    of: str = ''
    """Type of an item above in the tree that has the field; empty if the item itself has it."""


_META = {
    'insert_date': 'meta/insert_date',
    'insert_user': 'meta/insert_user/login',
    'last_modified': 'meta/last_modified',
}
_DEMOGRAPHICS = 'demographics[@xsi:type=xnat:demographicData]/'
SUBJECT = {
    **{name: name for name in ('project', 'label', 'ID', 'group', 'src')},
    'pi_firstname': 'investigator/firstname',
    'pi_lastname': 'investigator/lastname',
    **{
        name: _DEMOGRAPHICS + name
        for name in (
            'dob',
            'yob',
            'age',
            'gender',
            'handedness',
            'ses',
            'education',
            'educationDesc',
            'race',
            'ethnicity',
            'weight',
            'height',
            'gestational_age',
            'post_menstrual_age',
            'birth_weight',
        )
    },
    **_META,
}
EXPERIMENT = {
    **{
        name: name
        for name in (
            'ID',
            'visit_id',
            'visit',
            'protocol',
            'date',
            'time',
            'note',
            'project',
            'label',
            'subject_ID',
        )
    },
    'pi_firstname': 'investigator/firstname',
    'pi_lastname': 'investigator/lastname',
    'validation_method': 'validation/method',
    'validation_status': 'validation/status',
    'validation_date': 'validation/date',
    'validation_notes': 'validation/notes',
    'xsiType': 'extension_item/element_name',
    **_META,
}
SESSION = {
    **{
        name: name
        for name in (
            'scanner',
            'operator',
            'dcmAccessionNumber',
            'dcmPatientId',
            'dcmPatientName',
            'session_type',
            'modality',
            'UID',
        )
    },
    'studyInstanceUID': 'UID',
}
MR = {name: name for name in ('coil', 'fieldStrength', 'marker', 'stabilization')}
PET = {
    **{name: name for name in ('studyType', 'patientID', 'patientName', 'stabilization')},
    'scan_start_time': 'start_time_scan',
    'injection_start_time': 'start_time_injection',
    'tracer_name': 'tracer/name',
    'tracer_startTime': 'tracer/startTime',
    'tracer_dose': 'tracer/dose',
    'tracer_sa': 'tracer/specificActivity',
    'tracer_totalmass': 'tracer/totalMass',
    'tracer_intermediate': 'tracer/intermediate',
    'tracer_isotope': 'tracer/isotope/half-life',
    'tracer_transmissions': 'tracer/transmissions',
    'tracer_transmissions_start': 'tracer/transmissions_starttime',
}
SCAN = {
    **{
        name: name
        for name in (
            'ID',
            'type',
            'UID',
            'note',
            'quality',
            'condition',
            'series_description',
            'documentation',
            'scanner',
            'modality',
            'frames',
            'coil',
            'fieldStrength',
            'marker',
            'stabilization',
        )
    },
    'validation_method': 'validation/method',
    'validation_status': 'validation/status',
    'validation_date': 'validation/date',
    'validation_notes': 'validation/notes',
    'scanTime': 'startTime',
    **{
        name: 'parameters/' + name
        for name in (
            'orientation',
            'originalFileName',
            'systemType',
            'fileType',
            'transaxialFOV',
            'acqType',
            'facility',
            'numPlanes',
            'numGates',
            'planeSeparation',
            'binSize',
            'dataType',
        )
    },
    'numFrames': 'parameters/frames/numFrames',
    'xnat_imagescandata_id': 'xnat_imagescandata_id',
    'xsiType': 'extension_item/element_name',
    **_META,
}
RECONSTRUCTION = {
    **{name: name for name in ('ID', 'type', 'baseScanType')},
    'xnat_reconstructedimagedata_id': 'xnat_reconstructedimagedata_id',
    'xsiType': 'extension_item/element_name',
}
PROJECT = {
    **{name: name for name in ('ID', 'secondary_ID', 'name', 'description', 'keywords')},
    'alias': 'aliases/alias/alias',
    'pi_firstname': 'PI/firstname',
    'pi_lastname': 'PI/lastname',
    'note': 'fields/field[name=note]/field',
}
ASSESSOR = {
    name: path
    for name, path in EXPERIMENT.items()
    if name not in ('visit', 'protocol', 'subject_ID')
}
PET_SCAN = {name: path for name, path in SCAN.items() if path.startswith('parameters/')}
SUBJECT_OF = {
    'subject_label': ShortName('label', 'xnat:subjectData'),
    'subject_project': ShortName('project', 'xnat:subjectData'),
}
SESSION_OF = {
    'session_ID': ShortName('ID', 'xnat:imageSessionData'),
    'session_label': ShortName('label', 'xnat:imageSessionData'),
    'session_project': ShortName('project', 'xnat:imageSessionData'),
}
