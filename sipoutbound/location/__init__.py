"""
Where bindings are kept: a batching service above small synchronous stores.
"""
