"""What all our HTTP servers share: the limits of a connection, and the one way of reading a request's body.

`server` makes the server, `protocol` keeps the limits of a connection before a request reaches an application,
`body` reads what the application then asks for. May import: errors.
"""
