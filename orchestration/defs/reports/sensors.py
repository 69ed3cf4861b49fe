"""Nothing in this folder waits for the outside world."""
