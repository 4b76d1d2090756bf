"""Acts of staff and operators on the accounts of others. The admin API and the commands call them."""
