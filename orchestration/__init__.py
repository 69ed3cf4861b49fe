"""The workflow: Dagster assets over the library, checks, tracking and one command to run them."""
