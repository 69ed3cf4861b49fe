"""One partition a scene; ids from data/scenes.yaml and data/incoming are added when they are first used."""

import dagster as dg

scenes = dg.DynamicPartitionsDefinition(name="scenes")
