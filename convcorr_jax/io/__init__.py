"""Reading and writing files: images, arrays, JSON, points and fitted models.

Every reader returns checked values or raises an `InputError` that names the file. Every writer writes under a
temporary name and renames the file at the end, so that no incomplete file is left. It raises an `InputError`
where the path is wrong and a `WriteError` where writing fails.
"""

from convcorr_jax.io.arrays import Expected as Expected
from convcorr_jax.io.arrays import array_headers as array_headers
from convcorr_jax.io.arrays import load_arrays as load_arrays
from convcorr_jax.io.arrays import load_readable_arrays as load_readable_arrays
from convcorr_jax.io.arrays import read_arrays as read_arrays
from convcorr_jax.io.arrays import write_arrays as write_arrays
from convcorr_jax.io.arrays import write_arrays_uncompressed as write_arrays_uncompressed
from convcorr_jax.io.atomic import check_writable as check_writable
from convcorr_jax.io.atomic import file_lock as file_lock
from convcorr_jax.io.atomic import make_folder as make_folder
from convcorr_jax.io.atomic import remove_abandoned as remove_abandoned
from convcorr_jax.io.atomic import replacements as replacements
from convcorr_jax.io.atomic import temporary_folder as temporary_folder
from convcorr_jax.io.atomic import write_at as write_at
from convcorr_jax.io.atomic import writing_to as writing_to
from convcorr_jax.io.atomic import written_whole as written_whole
from convcorr_jax.io.fitted import Fitted as Fitted
from convcorr_jax.io.fitted import Savable as Savable
from convcorr_jax.io.fitted import load_fitted as load_fitted
from convcorr_jax.io.fitted import save_fitted as save_fitted
from convcorr_jax.io.fitted import with_ending as with_ending
from convcorr_jax.io.image_files import decode_image as decode_image
from convcorr_jax.io.image_files import decode_labels as decode_labels
from convcorr_jax.io.image_files import encoded_image_size as encoded_image_size
from convcorr_jax.io.image_files import image_size as image_size
from convcorr_jax.io.image_files import is_deep as is_deep
from convcorr_jax.io.image_files import read_flow as read_flow
from convcorr_jax.io.image_files import read_image as read_image
from convcorr_jax.io.image_files import read_labels as read_labels
from convcorr_jax.io.image_files import write_flow as write_flow
from convcorr_jax.io.image_files import write_image as write_image
from convcorr_jax.io.image_files import write_labels as write_labels
from convcorr_jax.io.json_files import check_fields as check_fields
from convcorr_jax.io.json_files import json_array as json_array
from convcorr_jax.io.json_files import json_file as json_file
from convcorr_jax.io.json_files import naming_file as naming_file
from convcorr_jax.io.json_files import write_json as write_json
from convcorr_jax.io.outputs import check_file as check_file
from convcorr_jax.io.outputs import check_outputs as check_outputs
from convcorr_jax.io.outputs import check_parent as check_parent
from convcorr_jax.io.outputs import user_folder as user_folder
from convcorr_jax.io.points import NamedPoints as NamedPoints
from convcorr_jax.io.points import coordinate as coordinate
from convcorr_jax.io.points import read_points as read_points
from convcorr_jax.io.points import read_rows as read_rows
from convcorr_jax.io.points import write_points as write_points
