"""What all our HTTP servers share: the limits of a connection, the one way of reading a request's body, and HEAD.

`server` makes the server, `protocol` keeps the limits of a connection before a request reaches an application,
`body` reads what the application then asks for, `head_requests` answers HEAD as GET. May import: errors.
"""
