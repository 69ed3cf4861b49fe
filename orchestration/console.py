"""What a run says on standard error: everything where its output is kept for the UI, nothing on a terminal that a
command draws its progress on."""

import logging
import os

import dagster as dg

LEVEL = "CHORUS_CONSOLE_LEVEL"  # of the environment; DEBUG when absent


@dg.logger
def console(_: dg.InitLoggerContext) -> logging.Logger:
    """Dagster's events and what a step logs, a line each."""
    logger = logging.Logger("chorus.run", os.environ.get(LEVEL, "DEBUG"))
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    return logger
