"""The code location: every asset, check and sensor found under defs/, and the one resource they share."""

import dagster as dg

from orchestration import defs as folder
from orchestration.console import console
from orchestration.executor import chosen
from orchestration.workspace import WorkspaceResource

defs = dg.load_definitions_from_package_module(
    folder, resources={"workspace": WorkspaceResource()}, executor=chosen(), loggers={"console": console}
)
