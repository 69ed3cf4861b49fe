"""What every artifact is made from, and the one call that makes it: one module a noun, the same for command line and
workflow. A recipe reads manifests alone until it is run."""
