"""An expert behind a server: what it is asked about a draft, and how its reply is read."""
