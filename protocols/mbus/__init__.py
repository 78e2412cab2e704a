"""M-Bus, wired (EN 13757-2 link layer, EN 13757-3 application layer), without ports (docs/protocols/mbus.md).

`frame` and `decoder` are the link layer, `requests` what a master sends. `telegram` reads a meter's answer, of either
structure: `variable` (records told by `dif`, `vif`, `values`) or `fixed`; `header` says which meter it is.
"""
