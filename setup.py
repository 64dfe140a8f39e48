"""Metadata and dependencies of the distribution; tools are configured in pyproject.toml."""

from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent
VERSION: dict = {}
exec((HERE / 'pyxnat' / 'version.py').read_text(encoding='utf-8'), VERSION)

SERVER = ['Werkzeug>=3.0', 'cheroot>=10.0', 'SQLAlchemy>=2.0', 'pydicom>=3.0.1']
DRAW = ['networkx>=3.0', 'matplotlib>=3.6']
PANDAS = ['pandas>=2.0']
PROGRESS = ['tqdm>=4.60']
XLSX = ['openpyxl>=3.1']
DICOM = ['pydicom>=3.0.1']
FSSPEC = ['fsspec>=2024.12']
BIDS = ['dcm2niix>=1.0.20250506']
ARROW = ['pyarrow>=15.0']
ENGINES = ['distributed>=2024.1', 'submitit>=1.5']
CLI = ['click>=8.1', 'rich>=13.0', *PROGRESS, *XLSX, *DICOM]
SAMPLES = ['nibabel>=5.2', 'numpy>=1.24', 'pillow>=10.1']
DEMO = [*SERVER, *SAMPLES, *CLI, 'ipython>=8.10']
PYTEST = ['pytest>=8.2']
DOCS = ['Sphinx>=7.4', 'pydata-sphinx-theme>=0.16', *SERVER, *CLI, *FSSPEC, *PYTEST]
TEST = [
    *PYTEST,
    'bids-validator>=1.14.7',
    *BIDS,
    'polars>=1.20',
    'duckdb>=1.1',
    'pytest-xdist>=3.8',
    'mypy>=1.13',
    'hypothesis>=6.100',
    'nipype>=1.11',
    'requests>=2.28',
    'trustme>=1.1',
    'xnat==0.8.1',
    'zarr>=2.18.3',
    'xnatctl==0.6.0; python_version >= "3.11"',
]
LINT = ['ruff>=0.9', 'mypy>=1.13', 'lxml-stubs', 'types-httplib2', 'types-six']


class BuildWithExamples(build_py):
    """Puts the examples into the package, so that the demo runs them without a checkout."""

    def run(self):
        super().run()
        if not self.editable_mode:
            folder = Path(self.build_lib, 'pyxnat', 'demo', 'examples')
            self.mkpath(str(folder))
            for path in sorted((HERE / 'examples').glob('*.py')):
                self.copy_file(str(path), str(folder / path.name))


setup(
    name='pyxnat',
    version=VERSION['__version__'],
    description='XNAT in Python: an object mapper for the imaging archive',
    long_description=(HERE / 'README.rst').read_text(encoding='utf-8'),
    long_description_content_type='text/x-rst',
    license='BSD-3-Clause',
    packages=find_packages(include=['pyxnat', 'pyxnat.*']),
    package_data={
        'pyxnat': ['py.typed'],
        'pyxnat.resources': ['*.pyi'],
        'pyxnat.server': ['schemas/*/*.xsd', 'db/*.sql'],
    },
    cmdclass={'build_py': BuildWithExamples},
    python_requires='>=3.10',
    install_requires=['httplib2>=0.22', 'lxml>=4.9', 'six>=1.16'],
    extras_require={
        'server': SERVER,
        'demo': DEMO,
        'cli': CLI,
        'keyring': ['keyring>=24.0'],
        'dicom': DICOM,
        'fsspec': FSSPEC,
        'bids': BIDS,
        'arrow': ARROW,
        'engines': ENGINES,
        'docs': DOCS,
        'draw': DRAW,
        'pandas': PANDAS,
        'progress': PROGRESS,
        'lint': LINT,
        'xlsx': XLSX,
        'test': [*FSSPEC, *ARROW, *ENGINES, *DEMO, *DRAW, *PANDAS, *TEST],
        'dev': [*FSSPEC, *ARROW, *ENGINES, *DEMO, *DRAW, *PANDAS, *TEST, *DOCS, *LINT],
    },
    entry_points={
        'console_scripts': [
            'pyxnat=pyxnat.apps.shell:main',
            'sessionmirror=pyxnat.apps.session_mirror:main',
        ],
        'pytest11': ['pytest_pyxnat=pyxnat.apps.pytest_plugin'],
        'fsspec.specs': ['xnat=pyxnat.apps.file_system.XnatFileSystem'],
    },
    classifiers=[
        'Development Status :: 3 - Alpha',
        'Intended Audience :: Science/Research',
        'Operating System :: OS Independent',
        'Programming Language :: Python :: 3',
        'Topic :: Scientific/Engineering :: Medical Science Apps.',
        'Typing :: Typed',
    ],
)
