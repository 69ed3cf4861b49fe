"""Every measurement of the project; README.md lists the commands."""
