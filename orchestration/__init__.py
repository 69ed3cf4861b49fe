"""The workflow: Dagster assets over the library, checks, tracking and one command to run them."""

import warnings

# Loading a package's definitions and giving a check partitions are marked "preview" by Dagster; pyproject.toml bounds
# the version.
warnings.filterwarnings("ignore", message=r".*is currently in (preview|beta)")
warnings.filterwarnings(
    "ignore", message=r".*Add type hints to the `predict` method"
)  # the model takes a path or arrays
