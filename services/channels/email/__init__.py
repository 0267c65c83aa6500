"""Mail: LMTP in from our own mail server, SMTP out."""
