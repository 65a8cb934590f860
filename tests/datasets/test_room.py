"""The public surface of the room of data sets."""

import subprocess
import sys

from convcorr_jax import datasets


def test_importing_the_room_imports_no_tensorflow_datasets():
    program = (
        "import sys, convcorr_jax.datasets; "
        "print({name.split('.')[0] for name in sys.modules} & {'tensorflow_datasets', 'tensorflow'})"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout == "set()\n"


def test_the_room_exports_what_its_readers_need():
    public = {name for name in vars(datasets) if not name.startswith("_")}
    assert public >= {
        *("Absent", "Pair", "PairSet", "Record", "load_image", "load_label_map"),
        *("DATASETS", "DataSet", "read_pairs", "read_records", "fingerprint"),
        *("ROOT_VARIABLE", "root_folder"),
        "selection",
    }
    assert callable(datasets.fingerprint)
