"""A bank to practise on: a signing caller, an SFTP server and seeded faults."""
