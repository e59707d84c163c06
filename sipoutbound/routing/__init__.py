"""Where a request goes: a tree of routers, and the fork that carries its decision out."""
