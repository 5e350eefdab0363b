"""CRIU, driven through its RPC (https://criu.org/RPC): ``criu swrk`` on a socket."""
