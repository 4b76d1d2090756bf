"""The gateway: the one URL that clients know. A file a stage; `ls` is the request's path."""
