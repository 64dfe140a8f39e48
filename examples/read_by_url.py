"""Read images from an archive by their xnat:// paths, without a download.

::

    python read_by_url.py 'xnat://HOST/PROJECT/*/*/*/NIFTI/*.nii*'

Any program that takes fsspec's URLs reads them likewise: pandas.read_csv('xnat://…'). The login is
that of XNAT_USER and XNAT_PASS, or of ~/.netrc.
"""

import sys

import fsspec
import nibabel


def main(pattern):
    """Print shape and type of each image whose path fits a pattern."""
    files = fsspec.open_files(pattern, compression='infer')
    for place in files:
        with place as file:
            image = nibabel.Nifti1Image.from_stream(file)
        print(f'{place.path}\t{image.shape}\t{image.get_data_dtype()}')
    return 0 if len(files) else 1


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
