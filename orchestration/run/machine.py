"""data/machine.yaml: the instruction set that the last digits of captures and fits depend on.

python -m orchestration.run.machine     writes it; so does every command that prepares the state folder

DVC keeps it as a parameter of those stages: on another kind of CPU ``dvc status`` names it as what differs.
"""

from chorus.machine import instruction_set
from chorus.store import Store, atomic_file, root_folder


def write(store: Store) -> None:
    """Write the file where it is absent or says something else."""
    path, text = store.data / "machine.yaml", f"instruction_set: {instruction_set()}\n"
    if not path.exists() or path.read_text() != text:
        with atomic_file(path) as temporary:
            temporary.write_text(text)


if __name__ == "__main__":
    write(Store(root_folder()))
