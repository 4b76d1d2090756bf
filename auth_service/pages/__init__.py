"""The hosted pages: log in, register, reset a password, confirm an address, and the account, without script."""
