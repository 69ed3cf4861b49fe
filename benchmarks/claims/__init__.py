"""The paper's claims at this scale, each with a verdict: ``python -m benchmarks.claims`` (``make claims``)."""
