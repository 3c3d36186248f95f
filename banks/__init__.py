"""What banks and wallets say, read and written without a database, a web framework or a queue."""
