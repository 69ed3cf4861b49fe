"""A model behind HTTP, and the same verbs for an assistant over stdio."""
